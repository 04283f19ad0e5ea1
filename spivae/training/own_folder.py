"""A temporary folder that goes with its process; where that was killed, the next such process removes it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

_HELD = "held"  # a file in the folder that its process has locked, for as long as it lives


@contextlib.contextmanager
def own_folder(prefix: str) -> Iterator[str]:
    """A new folder for the files of this process; those with this prefix whose process is gone are removed.

    Where the file system knows no locks, what a killed process has left stays.
    """
    _remove_left(prefix)
    with tempfile.TemporaryDirectory(prefix=prefix) as folder, open(f"{folder}/.{_HELD}", "wb") as file:
        with contextlib.suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # locked before it has its name: nobody takes this folder for one that was left
            os.rename(file.name, f"{folder}/{_HELD}")
        yield folder


def _remove_left(prefix: str) -> None:
    for folder in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        # it is in use, another user's, or none of these
        with contextlib.suppress(OSError), open(folder / _HELD, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder)
