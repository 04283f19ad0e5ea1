"""The past of a long training from a few of its lines: only what is plotted is decoded.

A million steps are a third of a gigabyte, of which a plot shows a thousandth. Lines are taken at evenly
spread places of metrics.jsonl, and all ends of epochs, which are found by their mark; the newest steps are
read one by one as ever. What lies between the places is looked through a piece at a time afterwards, for the
spikes that samples miss.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from io import FileIO
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from spivae.following.records import Epoch, Step, is_whole

LONG = 8 << 20  # bytes of a file that is sampled; a shorter one is read whole in a moment
PLACES = 1024
TAIL = 256 << 10  # bytes at the end that are read whole
_LINES = 24  # at each place
_CELLS = 128  # epochs of which the parameter cells are decoded
_EPOCH = b'{"kind":"epoch"'
_MOST_LINE = 1 << 20
_PLACE = 32 << 10  # bytes that are read at each place
_BLOCK = 4 << 20  # bytes of a search for epochs

Array = npt.NDArray[np.float64]


class _Loss(msgspec.Struct):
    """What is looked for between the samples."""

    kind: str = ""
    step: int = 0
    epoch: float = 0.0
    loss: float | None = None


_step = msgspec.json.Decoder(Step)
_loss = msgspec.json.Decoder(_Loss)
_epoch = msgspec.json.Decoder(Epoch)
_record = msgspec.json.Decoder(dict[str, Any])


class Past(msgspec.Struct):
    """Steps at evenly spread places, newest last; ends of epochs as records; where in the file it ends."""

    places: list[list[Step]]
    epochs: list[dict[str, Any]]
    end: int  # byte after the last line that is in it


def read_past(path: Path) -> Past | None:
    """A long file's past; None for a file that is short enough to be read whole, or for none at all.

    Raises OSError where it cannot be read. It is not mapped into memory: a file that is cut meanwhile would
    then end this process.
    """
    try:
        with open(path, "rb", buffering=0) as file:
            descriptor, size = file.fileno(), os.fstat(file.fileno()).st_size
            if size < LONG:
                return None
            last = os.pread(descriptor, _MOST_LINE, size - TAIL - _MOST_LINE)
            places, end = _places(descriptor, size - TAIL - len(last) + last.rfind(b"\n") + 1)
            return Past(places, _epochs(file, end), end) if places else None
    except FileNotFoundError:
        return None


def _places(descriptor: int, end: int) -> tuple[list[list[Step]], int]:
    """The steps at each place, the newest attempt's where some were repeated; the byte after the last."""
    kept: list[list[Step]] = []
    seen = 0
    for at in np.linspace(0, end, PLACES, endpoint=False, dtype=np.int64).tolist():
        steps, after = _steps(descriptor, at, end)
        if steps:
            while kept and kept[-1][-1].step >= steps[0].step:
                kept.pop()
            kept.append(steps)
            seen = after
    return kept, seen


def _steps(descriptor: int, at: int, end: int) -> tuple[list[Step], int]:
    """The steps of the next whole lines, and the byte after them."""
    size = _PLACE
    while True:
        data = os.pread(descriptor, min(size, end - at), at)
        found, after = _steps_of(data, data.find(b"\n") + 1 if at else 0)
        if found or len(data) < size or size >= _MOST_LINE:
            return found, at + after
        size *= 8  # an epoch with many cells is in the way


def _steps_of(data: bytes, at: int) -> tuple[list[Step], int]:
    """The steps of lines from a byte on, without those that are torn or something else; the byte after."""
    found: list[Step] = []
    for _ in range(_LINES):
        stop = data.find(b"\n", at)
        if stop < 0:
            break
        if data[at : at + len(_EPOCH)] != _EPOCH:
            try:
                step = _step.decode(data[at:stop])
            except (msgspec.DecodeError, UnicodeError):
                pass
            else:
                if found and step.step <= found[-1].step:
                    break  # a later attempt begins
                found.append(step)
        at = stop + 1
    return found, at


def _epochs(file: FileIO, end: int) -> list[dict[str, Any]]:
    """All ends of epochs, the newest of each; some evenly spread ones, and the last, with their cells."""
    spans = list(_epoch_spans(file, end))
    whole = set(np.linspace(0, len(spans) - 1, min(len(spans), _CELLS)).round().astype(int).tolist())
    found: list[dict[str, Any]] = []
    for number, (first, last) in enumerate(spans):
        try:
            line = os.pread(file.fileno(), last - first, first)
            record = _record.decode(line) if number in whole else msgspec.structs.asdict(_epoch.decode(line))
        except (msgspec.DecodeError, UnicodeError):
            continue
        if not is_whole(record):
            continue
        while found and found[-1]["epoch"] >= record["epoch"]:
            found.pop()  # a later attempt has repeated it
        found.append(record)
    return found


def _epoch_spans(file: FileIO, end: int) -> Iterator[tuple[int, int]]:
    """Where the records of epochs begin and end."""
    block, begin = bytearray(_BLOCK), 0
    while begin < end and file.seek(begin) == begin and (count := file.readinto(block)):
        lines = block.rfind(b"\n", 0, min(count, end - begin)) + 1
        at = block.find(_EPOCH, 0, lines)
        while at >= 0:
            stop = block.find(b"\n", at, lines)
            yield begin + at, begin + stop
            at = block.find(_EPOCH, stop, lines)
        begin += lines or count  # a line as long as all this is passed over


class Between:
    """Looks through a file for losses, from its end to its beginning.

    Backwards, because what a later attempt repeats supersedes what stands before it. `done` is the share
    that has been looked through.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.end = os.stat(path).st_size
        self._at = self.end  # what stands from here on has been looked through
        self._next = 2**62  # the first step of what stands behind

    @property
    def done(self) -> float:
        return 1.0 - self._at / self.end if self.end else 1.0

    def read(self, size: int = 1 << 20) -> tuple[Array, Array] | None:
        """Epochs, rising, and losses (n,) of the steps in about `size` bytes more; None after the last."""
        if not self._at:
            return None
        try:
            with open(self.path, "rb") as file:
                begin = max(0, self._at - size)
                file.seek(begin)
                data = file.read(self._at - begin)
        except FileNotFoundError:
            self._at = 0
            return None
        if begin:
            first = data.find(b"\n") + 1
            data, begin = data[first:], begin + first
            if not data:  # a line as long as all this: pass over it
                self._at = max(0, begin - first)
                return np.zeros(0), np.zeros(0)
        self._at = begin
        steps = [line for line in _losses(data) if line.kind == "step"]
        number = np.array([line.step for line in steps], dtype=np.int64)
        behind = np.minimum.accumulate(np.append(number, self._next)[::-1])[::-1]
        self._next = int(behind[0])
        kept = number < behind[1:]
        epochs = np.array([line.epoch for line in steps], dtype=np.float64)
        losses = np.array([line.loss for line in steps], dtype=np.float64)  # numpy reads None as NaN
        return epochs[kept], losses[kept]


def _losses(data: bytes) -> list[_Loss]:
    """The records of whole lines, all at once where none of them is torn."""
    try:
        return _loss.decode_lines(data)
    except (msgspec.DecodeError, UnicodeError):
        return [line for text in data.splitlines() if (line := _loss_of(text)) is not None]


def _loss_of(line: bytes) -> _Loss | None:
    try:
        return _loss.decode(line)
    except (msgspec.DecodeError, UnicodeError):  # a torn line
        return None
