"""From whatever ends a command to its exit code and, where it went wrong, one line on stderr."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable
from typing import Any

from spivae.errors import SpivaeError, want_of_memory

INTERRUPTED = 130  # as shells say of a process that SIGINT ended


def run(command: Callable[[list[str]], int], arguments: list[str]) -> int:
    """Run a command line; an error becomes a line that starts with `error:`, its traceback stays unseen.

    `--debug` anywhere among the arguments shows the traceback first.
    """
    for stream in (sys.stdout, sys.stderr):
        # a file name or a Greek letter must never cost the answer
        reconfigure: Any = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
    try:
        code = command(arguments)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        _silence(sys.stdout)  # the reader has seen enough, as in `spivae ls | head`
        return 0
    except KeyboardInterrupt:
        return INTERRUPTED
    # the last place before the user: what comes here is shown in one line, whatever it is
    except Exception as error:  # noqa: BLE001
        if "--debug" in arguments:
            import traceback

            traceback.print_exc()
        message, code = describe(error)
        with contextlib.suppress(OSError):
            print(f"error: {one_line(message)}", file=sys.stderr, flush=True)
        if isinstance(error, OSError):
            _silence(sys.stdout)  # it may be stdout that is full
        return code


def describe(error: BaseException) -> tuple[str, int]:
    """What to tell of an error, and the exit code."""
    wanting = want_of_memory(error)
    if wanting is not None:
        return wanting, 1
    if isinstance(error, SpivaeError):
        return str(error), error.exit_code
    import click

    if isinstance(error, click.UsageError):
        message = error.format_message().rstrip(".")
        if error.ctx is not None:
            message += f"; try `{error.ctx.command_path} --help`"
        return message, 2
    if isinstance(error, click.ClickException):
        return error.format_message(), 2
    if isinstance(error, OSError):
        where = error.filename or "the answer cannot be written"
        return f"{where}: {error.strerror or error}", 1
    return f"{type(error).__name__}: {error}; this is a bug: --debug shows where", 1


def one_line(message: str) -> str:
    """The message on one line, without what could steer a terminal."""
    return "".join(char if char.isprintable() else "?" for char in " ".join(message.split()))


def _silence(stream: Any) -> None:
    """Send what is still buffered for a stream nowhere, so that Python does not complain at its exit."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
