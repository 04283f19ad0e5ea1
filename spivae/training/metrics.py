"""metrics.jsonl: one JSON record a line, appended by the trainer and followed by any number of viewers.

A training that is resumed repeats the steps since its last state. Every record bears the number of its
`attempt`; the first record of a later one supersedes those of its step or epoch and of all after it.
"""

from __future__ import annotations

import contextlib
import errno
import math
import os
from pathlib import Path
from typing import Any

import msgspec

from spivae.errors import WorkFailed

_EPOCH = b'"kind":"epoch"'


class MetricsWriter:
    """Appends records, each in one write, so that a killed trainer leaves at most one torn line."""

    def __init__(self, path: Path, marks: dict[str, Any] | None = None) -> None:
        """`marks` are put into every record."""
        self.path = path
        self._marks = marks or {}
        self._encoder = msgspec.json.Encoder()
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)
            self._end_torn_line()
        except OSError as error:
            raise WorkFailed(f"{path}: cannot be written ({error.strerror})") from error

    def _end_torn_line(self) -> None:
        size = os.fstat(self._descriptor).st_size
        if size and os.pread(self._descriptor, 1, size - 1) != b"\n":
            os.write(self._descriptor, b"\n")

    def write(self, record: dict[str, Any]) -> None:
        """Append one record; numbers that are not finite become null and `diverged` is set."""
        finite = {key: _finite(value) for key, value in record.items()}
        if finite != record:
            finite["diverged"] = True
        line = self._encoder.encode(finite | self._marks) + b"\n"
        try:
            written = os.write(self._descriptor, line)
        except OSError as error:
            raise WorkFailed(f"{self.path}: cannot be written ({error.strerror})") from error
        if written < len(line):
            raise WorkFailed(f"{self.path}: cannot be written ({os.strerror(errno.ENOSPC)})")

    def sync(self) -> None:
        """Have all records on disk. Raises WorkFailed."""
        try:
            os.fsync(self._descriptor)
        except OSError as error:
            raise WorkFailed(f"{self.path}: cannot be written ({error.strerror})") from error

    def close(self) -> None:
        os.close(self._descriptor)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return [_finite(item) for item in value] if isinstance(value, list) else value


class MetricsReader:
    """Follows a metrics file: each `poll` decodes only the lines that are new and complete.

    The file is opened anew at each poll (a stale handle on a network file system never sees new data), and
    read from the start where it has shrunk or been replaced. Lines that are not JSON are skipped.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._offset = 0
        self._inode = 0
        self._decoder = msgspec.json.Decoder(dict[str, Any])

    @property
    def offset(self) -> int:
        """How many bytes of the file have been taken in."""
        return self._offset

    def begin_at(self, offset: int) -> None:
        """Pass over the lines before this one, of the file that is there now."""
        self._offset, self._inode = offset, os.stat(self.path).st_ino

    def poll(self, limit: int | None = None) -> list[dict[str, Any]]:
        """The new complete records: all of them, or those in about the next `limit` bytes."""
        try:
            with open(self.path, "rb") as file:
                status = os.fstat(file.fileno())
                if status.st_ino != self._inode or status.st_size < self._offset:
                    self._offset, self._inode = 0, status.st_ino
                if status.st_size == self._offset:
                    return []
                file.seek(self._offset)
                data = file.read() if limit is None else file.read(limit) + file.readline()
        except FileNotFoundError:
            return []
        complete = data.rfind(b"\n") + 1
        self._offset += complete
        return [record for line in data[:complete].splitlines() if (record := self._decode(line)) is not None]

    def _decode(self, line: bytes) -> dict[str, Any] | None:
        try:
            return self._decoder.decode(line)
        except (msgspec.DecodeError, UnicodeError):  # a torn line, as a kill leaves it
            return None


def epochs_so_far(path: Path, count: int) -> list[dict[str, Any]]:
    """The records of the first `count` epochs, without those that were superseded."""
    found: dict[int, dict[str, Any]] = {}
    decode = msgspec.json.Decoder(dict[str, Any]).decode
    with contextlib.suppress(FileNotFoundError), open(path, "rb") as file:
        for line in file:
            if _EPOCH in line:
                with contextlib.suppress(msgspec.DecodeError):  # a torn line
                    record = decode(line)
                    found[int(record["epoch"])] = record
    return [found[epoch] for epoch in sorted(found) if epoch <= count]
