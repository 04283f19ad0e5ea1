"""Trajectories that a user hands over: an .npy file, an .npz file, or a dataset in the seed's layout."""

from __future__ import annotations

import contextlib
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from spivae.checkpoint import Checkpoint
from spivae.cli import common
from spivae.dataset import Dataset
from spivae.errors import SpivaeError
from spivae.layout import Wanted, read_npz
from spivae.npz import Stored

KEY = "displacements"


@dataclass(frozen=True)
class Given:
    """How many trajectories a file holds, what parameters are told with them, and they, a few at a time."""

    count: int
    names: tuple[str, ...]
    parts: Iterator[Dataset]


@contextlib.contextmanager
def opened(path: Path, header: Checkpoint) -> Iterator[Given]:
    """The trajectories of a file, as long as it is open; a dataset's are cut to what the model takes.

    Raises SpivaeError for what is no such file or has no such shape, and `parts` for what only reading tells.
    """
    with contextlib.ExitStack() as files:
        with _told(path):
            file: IO[bytes] = files.enter_context(path.open("rb"))
            if file.peek(2)[:2] == b"PK":  # type: ignore[attr-defined]  # a buffered reader has it
                archive = files.enter_context(zipfile.ZipFile(file))
                if f"{KEY}.npy" not in archive.namelist():
                    given = _layout(path, archive, header)
                else:
                    given = _array(path, files.enter_context(archive.open(f"{KEY}.npy")))
            else:
                given = _array(path, file)
        if not given.count:
            raise SpivaeError(f"{path}: holds no trajectories")
        yield given


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    """What goes wrong with reading, in words."""
    try:
        yield
    except FileNotFoundError:
        raise SpivaeError(f"{path}: no such file") from None
    except (OSError, ValueError, EOFError, OverflowError, zipfile.BadZipFile) as error:
        raise SpivaeError(f"{path}: not a readable .npy or .npz file ({error})") from None


def _array(path: Path, file: IO[bytes]) -> Given:
    stored = Stored.of(file)
    if stored.dtype.kind not in "fiu":
        raise SpivaeError(f"{path}: holds {stored.dtype} values, not numbers")
    shape = stored.shape
    if len(shape) == 3 and shape[1] == 1:
        shape = (shape[0], shape[2])
    if len(shape) != 2 or 0 in shape:
        raise SpivaeError(f"{path}: displacements have shape {shape}, not (trajectories, steps)")

    def parts() -> Iterator[Dataset]:
        with _told(path):
            for values in stored.parts():
                if not np.isfinite(values).all():
                    raise SpivaeError(f"{path}: holds displacements that are not finite")
                rows = np.array(values.reshape(len(values), 1, -1), dtype=np.float32, order="C")
                yield Dataset(rows, np.zeros((len(rows), 0)), ())

    return Given(shape[0], (), parts())


def _layout(path: Path, archive: zipfile.ZipFile, header: Checkpoint) -> Given:
    from spivae.worker.trajectories import model_steps

    process = common.plugins().process(header.process)
    steps = model_steps(header.arguments, header.ds_args)
    count = 0
    for name in archive.namelist():
        with archive.open(name) as entry:
            count += sum(Stored.of(entry).shape[:1])
    return Given(count, process.names, read_npz(path, process.names, Wanted(steps=steps), process.name))
