"""Has parameters that are numbers."""

from spivae.api import Process, hookimpl


class Walk(Process):
    name = title = "numbers"
    parameters = (1.0, 2.0)


@hookimpl
def register_processes(register):
    register(Walk())
