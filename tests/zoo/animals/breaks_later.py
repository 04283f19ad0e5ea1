"""Registers well, and breaks when it is asked."""

import numpy as np

from spivae.api import Analysis, Parameter, Process, hookimpl


class WrongShape(Process):
    name = title = "wrong-shape"
    parameters = (Parameter("D", low=1e-3, high=1e-1, points=2),)

    def displacements(self, rng, theta, steps):
        return np.zeros(steps)


class Raises(WrongShape):
    name = title = "raises"

    def displacements(self, rng, theta, steps):
        raise ZeroDivisionError("when it draws")


class Broken(Analysis):
    name = title = "broken"
    needs = ("dataset",)

    def compute(self, context):
        raise ZeroDivisionError("when it computes")


@hookimpl
def register_processes(register):
    register(WrongShape())
    register(Raises())


@hookimpl
def register_analyses(register):
    register(Broken())


@hookimpl
def read_checkpoint(path):
    raise ZeroDivisionError("when it reads")
