"""Takes the name of a bundled process."""

from spivae.api import Parameter, Process, hookimpl


class Walk(Process):
    name, title = "sbm", "Another one"
    parameters = (Parameter("D", low=1e-3, high=1e-1),)


@hookimpl
def register_processes(register):
    register(Walk())
