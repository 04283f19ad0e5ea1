"""Waits for ever when it registers."""

import threading

from spivae.api import hookimpl


@hookimpl
def register_analyses(register):
    threading.Event().wait()
