"""An analysis that never says the same twice, so that what it says again was remembered."""

import time
from dataclasses import dataclass

import numpy as np

from spivae.api import Analysis, Figure, Result, hookimpl, option

VERSION = 1


@dataclass(frozen=True)
class Options:
    size: float = option(2, "anything", low=0)
    tracks: str | None = option(None, "a file of one's own")


class Clock(Analysis):
    name = title = "clock"
    options = Options
    needs = ()

    def compute(self, context):
        if context.options.size == 7:
            raise ValueError("seven")
        return Result({"now": np.array([time.time_ns()])}, {"version": VERSION, "data": repr(context.data)})

    def figure(self, result):
        return Figure(panels=(), title="clock")


class Counting(Clock):
    """The same for those who look at trajectories."""

    name = title = "counting"
    needs = ("dataset",)


class Forgetful(Clock):
    """One that depends on more than it is given."""

    name = title = "forgetful"
    remembered = False


@hookimpl
def register_analyses(register):
    for analysis in (Clock(), Counting(), Forgetful()):
        register(analysis)
