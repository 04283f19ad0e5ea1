"""Registers a class where an instance is asked for."""

from spivae.api import Process, hookimpl


class Walk(Process):
    name = title = "class"


@hookimpl
def register_processes(register):
    register(Walk)
