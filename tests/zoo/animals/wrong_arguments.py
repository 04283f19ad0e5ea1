"""Wants an argument that its hook does not have."""

from spivae.api import hookimpl


@hookimpl
def epoch_finished(run, loss):
    print(run, loss)
