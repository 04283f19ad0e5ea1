"""Works, but prints whenever it can."""

import numpy as np

from spivae.api import Analysis, Figure, Parameter, Process, Result, hookimpl

print("printed on import")


class Chatty(Process):
    name = title = "chatty"
    parameters = (Parameter("D", low=1e-3, high=1e-1, points=2),)

    def displacements(self, rng, theta, steps):
        print("printed by a process")
        return np.sqrt(2 * theta) * rng.standard_normal((len(theta), steps))


class Talk(Analysis):
    name = title = "talk"
    needs = ("dataset",)

    def compute(self, context):
        print("printed by an analysis")
        return Result(scalars={"n": len(context.dataset)})

    def figure(self, result):
        return Figure(panels=(), title="talk")


@hookimpl
def register_processes(register):
    print("printed by a hook")
    register(Chatty())


@hookimpl
def register_analyses(register):
    register(Talk())
