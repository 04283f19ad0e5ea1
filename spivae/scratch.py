"""Arrays that are too large for memory: in files without a name, of which the system holds what it can."""

from __future__ import annotations

import math
import mmap
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import platformdirs

from spivae.errors import SpivaeError, WorkFailed

Array = npt.NDArray[Any]

IN_MEMORY = 256 * 1024**2  # bytes of an array; more are on disk
_GIB = 1024**3


def empty(shape: tuple[int, ...], dtype: Any = np.float32) -> Array:
    """A new array, in memory or on disk; the file of one on disk goes with it.

    Raises WorkFailed where the disk has no room for it.
    """
    kind = np.dtype(dtype)
    size = math.prod(shape) * kind.itemsize
    if size <= IN_MEMORY:
        return np.empty(shape, kind)
    where = folder()
    try:
        with tempfile.TemporaryFile(dir=where) as file:
            # all of it at once: room that is wanting later would end the process without a word
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, size)
            else:
                file.truncate(size)
            whole = mmap.mmap(file.fileno(), size)
    except OSError as error:
        raise WorkFailed(f"{where}: has no room for {size / _GIB:.1f} GiB ({error.strerror})") from error
    return np.frombuffer(whole, kind).reshape(shape)


def check_room(rows: int, steps: int, arrays: int, what: str, advice: str) -> None:
    """Raise SpivaeError where `arrays` of (rows, steps) float32 numbers fit neither into memory nor on disk.

    `what` the rows are and `advice` on what to choose instead are part of its message.
    """
    each = 4 * arrays * max(steps, 1)
    if rows * each <= arrays * IN_MEMORY:
        return
    free = shutil.disk_usage(folder()).free
    if rows * each > free:
        raise SpivaeError(
            f"{rows:,} {what} of {steps:,} displacements need {rows * each / _GIB:.1f} GiB on disk; "
            f"at most {free // each:,} fit into the {free / _GIB:.1f} GiB that are free in {folder()}: "
            f"choose {advice}"
        )


def folder() -> Path:
    """Where arrays on disk are: not among the system's temporary files, which may be in memory."""
    found = platformdirs.user_cache_path("spivae") / "arrays"
    try:
        found.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WorkFailed(f"{found}: cannot be made ({error.strerror})") from None
    return found
