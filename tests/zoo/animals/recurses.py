"""Calls itself without an end when it registers."""

from spivae.api import hookimpl


@hookimpl
def register_processes(register):
    register_processes(register)
