"""Arrays in .npy and .npz files, a few rows at a time: none has to be whole in memory."""

from __future__ import annotations

import contextlib
import math
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from typing_extensions import Self

Array = npt.NDArray[Any]

_READ = 1 << 22  # bytes at a time
_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def put(archive: zipfile.ZipFile, name: str, array: Any) -> None:
    """Write an array into an .npz file, whatever its name. Raises ValueError for one that holds objects."""
    with _entry(archive, name) as entry:
        np.lib.format.write_array(entry, np.asarray(array), allow_pickle=False)


def put_rows(
    archive: zipfile.ZipFile, name: str, shape: tuple[int, ...], dtype: Any, parts: Iterable[Array | bytes]
) -> None:
    """The same of an array whose rows, or their bytes, come in parts."""
    header = {"descr": np.lib.format.dtype_to_descr(np.dtype(dtype)), "fortran_order": False, "shape": shape}
    with _entry(archive, name) as entry:
        np.lib.format.write_array_header_1_0(entry, header)
        for part in parts:
            entry.write(part if isinstance(part, bytes) else np.asarray(part, dtype).tobytes())


def _entry(archive: zipfile.ZipFile, name: str) -> IO[bytes]:
    # by its name alone it bears no time of day: the same arrays are the same file
    return archive.open(f"{name}.npy", "w", force_zip64=True)


class Columns:
    """Columns that grow together and wait for an .npz file, which wants one after the other, on disk.

    They wait in files without a name in the file's own folder, which go with this process.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open = contextlib.ExitStack()
        self._files: dict[str, IO[bytes]] = {}
        self._like: dict[str, Array] = {}
        self._rows = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def add(self, rows: Mapping[str, Array]) -> None:
        """More rows of every column, (n, ...) each."""
        for name, values in rows.items():
            if name not in self._files:
                unnamed = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115  # closed on leaving
                self._files[name] = self._open.enter_context(unnamed)
                self._like[name] = values[:0].copy()
            self._files[name].write(values.tobytes())
        self._rows += len(next(iter(rows.values())))

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        return {name: (self._rows, *like.shape[1:]) for name, like in self._like.items()}

    def put(self, archive: zipfile.ZipFile) -> None:
        """Write all of them."""
        for name, file in self._files.items():
            file.seek(0)
            parts = iter(lambda file=file: file.read(_READ), b"")  # type: ignore[misc]
            put_rows(archive, name, self.shapes[name], self._like[name].dtype, parts)


@dataclass(frozen=True)
class Stored:
    """What an .npy file says of its array, and the file, which stands at the array's first byte."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    by_columns: bool
    file: IO[bytes]

    @classmethod
    def of(cls, file: IO[bytes]) -> Stored:
        """Read a header. Raises ValueError for what is none, and for an array of objects."""
        version = np.lib.format.read_magic(file)
        if version not in _HEADERS:
            raise ValueError(f"version {version} of the format is not known")
        shape, by_columns, dtype = _HEADERS[version](file)
        if dtype.hasobject:
            raise ValueError("it holds objects, not numbers")
        return cls(shape, dtype, by_columns and len(shape) > 1, file)

    def parts(self) -> Iterator[Array]:
        """The rows in order, a few at a time; all at once where columns lie together. No rows are one part.

        Raises ValueError where the file ends too early.
        """
        row = math.prod(self.shape[1:]) * self.dtype.itemsize
        at_once = max(1, self.shape[0] if self.by_columns else _READ // max(1, row))
        for start in range(0, max(1, self.shape[0]), at_once):
            shape = (min(at_once, self.shape[0] - start), *self.shape[1:])
            data = self.file.read(shape[0] * row)
            if len(data) < shape[0] * row:
                raise ValueError("it is cut short")
            yield np.ndarray(shape, self.dtype, data, order="F" if self.by_columns else "C")
