"""Registers one process, then breaks: nothing of it is kept."""

from spivae.api import Parameter, Process, hookimpl


class Half(Process):
    name = title = "half"
    parameters = (Parameter("D", low=1e-3, high=1e-1),)


@hookimpl
def register_processes(register):
    register(Half())
    raise ZeroDivisionError("in the middle")
