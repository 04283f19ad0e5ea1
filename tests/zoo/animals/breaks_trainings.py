"""Breaks, ends or waits at every event of a training."""

import sys
import threading

from spivae.api import hookimpl


@hookimpl
def training_started(run):
    raise ZeroDivisionError("at the start")


@hookimpl
def step_finished(run, metrics):
    threading.Event().wait()


@hookimpl
def epoch_finished(run, metrics):
    print("an epoch has ended")
    sys.exit(7)


@hookimpl
def training_finished(outcome):
    raise ValueError(outcome)
