"""Misspells a hook."""

from spivae.api import hookimpl


@hookimpl
def register_proceses(register):
    register(None)
