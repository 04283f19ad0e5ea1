"""The one error that users see, and what to tell of others."""

from __future__ import annotations

import errno
import re


class SpivaeError(Exception):
    """Something went wrong that a person can put right.

    The message is one line that says what is wrong, where, and what to do. The command line prints it
    after ``error:`` and exits with `exit_code`: 2 where the input was wrong, 1 where the work failed.
    """

    exit_code = 2


class WorkFailed(SpivaeError):
    """The input was fine, but the work could not be finished (a full disk, a diverged training)."""

    exit_code = 1


def want_of_memory(error: BaseException) -> str | None:
    """What to tell of an error that is, or comes from, a want of memory; None for any other.

    numpy raises MemoryError, torch a RuntimeError, and the system an OSError.
    """
    cause: BaseException | None = error
    while cause is not None:
        if _wants_memory(cause):
            wanted = _WANTED.search(str(cause))
            size = f" ({_in_gib(*wanted.groups())} more were wanted)" if wanted else ""
            return f"not enough memory{size}; ask for fewer or shorter trajectories, or a smaller batch"
        cause = cause.__cause__
    return None


def told(error: BaseException) -> str:
    """The message of an error, or the words for a want of memory behind it."""
    return want_of_memory(error) or str(error)


_WANTED = re.compile(r"allocate ([\d.]+) ?(bytes|[KMGTPE]iB)")


def _wants_memory(error: BaseException) -> bool:
    if isinstance(error, RuntimeError):
        return "allocate memory" in str(error) or "out of memory" in str(error)
    return isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM)


def _in_gib(count: str, unit: str) -> str:
    return f"{int(count) / 1024**3:.2f} GiB" if unit == "bytes" else f"{count} {unit}"
