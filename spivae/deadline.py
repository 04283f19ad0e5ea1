"""Cutting off somebody else's code that does not come back."""

from __future__ import annotations

import ctypes
import faulthandler
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, TypeVar

Value = TypeVar("Value")


class Blocked(Exception):
    """It did not come back in time."""


class _CutOff(BaseException):
    """Raised in the code itself, where no `except Exception` of its own can catch it."""


def within(seconds: float, call: Callable[[], Value]) -> Value:
    """What `call` returns. Raises Blocked where that takes longer.

    In the main thread an alarm interrupts it, even while it waits or sleeps. In other threads (and without
    alarms) it runs in a thread of its own, which is left behind, and ends at its next line of Python.
    Code that holds the interpreter's lock in C is cut off only once it lets go; until then, a traceback on
    stderr tells where it is.
    """
    alarmed = hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()
    if alarmed and signal.getsignal(signal.SIGALRM) == signal.SIG_DFL:
        return _by_alarm(seconds, call)
    return _by_thread(seconds, call)


def _by_alarm(seconds: float, call: Callable[[], Value]) -> Value:
    over = False  # a late alarm must not hit what comes after

    def ring(number: int, frame: FrameType | None) -> None:
        if not over:
            raise _CutOff

    signal.signal(signal.SIGALRM, ring)
    watched = sys.stderr is not None and sys.stderr is sys.__stderr__
    if watched:
        faulthandler.dump_traceback_later(seconds + 2)  # from a thread that needs no lock
    # again and again, for code that catches everything
    signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)
    try:
        value = call()
        over = True
        return value
    except _CutOff:
        raise _blocked(seconds) from None
    finally:
        over = True
        signal.setitimer(signal.ITIMER_REAL, 0)
        if watched:
            faulthandler.cancel_dump_traceback_later()
        signal.signal(signal.SIGALRM, signal.SIG_DFL)


def _by_thread(seconds: float, call: Callable[[], Value]) -> Value:
    found: list[Value] = []
    raised: list[BaseException] = []

    def run() -> None:
        try:
            found.append(call())
        except BaseException as error:  # noqa: BLE001  # handed on to the caller's thread, below
            raised.append(error)

    thread = threading.Thread(target=run, name="plugin", daemon=True)
    thread.start()
    thread.join(seconds)
    if found:
        return found[0]
    if raised:
        raise raised[0]
    identity: Any = thread.ident
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(identity), ctypes.py_object(_CutOff))
    raise _blocked(seconds)


def _blocked(seconds: float) -> Blocked:
    return Blocked(f"did not come back within {seconds:g} s, and was cut off")
