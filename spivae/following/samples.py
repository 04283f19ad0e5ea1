"""The past of a long training from a few of its lines: only what is plotted is decoded.

A million steps are a third of a gigabyte, of which a plot shows a thousandth. Lines are taken at evenly
spread places of metrics.jsonl, and all ends of epochs, which are found by their mark; the newest steps are
read one by one as ever. What lies between the places is looked through a piece at a time afterwards, for the
spikes that samples miss.
"""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

LONG = 8 << 20  # bytes of a file that is sampled; a shorter one is read whole in a moment
PLACES = 1024
TAIL = 256 << 10  # bytes at the end that are read whole
_LINES = 24  # at each place
_CELLS = 128  # epochs of which the parameter cells are decoded
_EPOCH = b'{"kind":"epoch"'
_MOST_LINE = 1 << 20

Array = npt.NDArray[np.float64]


class Step(msgspec.Struct):
    """What is drawn of a step."""

    step: int
    epoch: float
    kl: list[float | None]
    lr: float
    beta: float
    seconds: float
    loss: float | None = None
    kind: str = ""
    phase: int = 0


class _Epoch(msgspec.Struct):
    """An epoch without its cells, which are passed over in a tenth of the time."""

    epoch: int
    step: int
    seconds: float
    phase: int = 0
    train_loss: float | None = None
    nll: float | None = None
    kl: list[float | None] = []
    neg_elbo: float | None = None
    surviving: list[int] = []
    beta: float | None = None
    kind: str = "epoch"


class _Loss(msgspec.Struct):
    """What is looked for between the samples."""

    kind: str = ""
    step: int = 0
    epoch: float = 0.0
    loss: float | None = None


_step = msgspec.json.Decoder(Step)
_loss = msgspec.json.Decoder(_Loss)
_epoch = msgspec.json.Decoder(_Epoch)
_record = msgspec.json.Decoder(dict[str, Any])


class Past(msgspec.Struct):
    """Steps at evenly spread places, newest last; ends of epochs as records; where in the file it ends."""

    places: list[list[Step]]
    epochs: list[dict[str, Any]]
    end: int  # byte after the last line that is in it


def read_past(path: Path) -> Past | None:
    """A long file's past; None for a file that is short enough to be read whole, or for none at all."""
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size < LONG:
                return None
            with mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ) as data:
                places, end = _places(data, data.rfind(b"\n", 0, size - TAIL) + 1)
                return Past(places, _epochs(data, end), end) if places else None
    except FileNotFoundError:
        return None


def _places(data: mmap.mmap, end: int) -> tuple[list[list[Step]], int]:
    """The steps at each place, the newest attempt's where some were repeated; the byte after the last."""
    kept: list[list[Step]] = []
    seen = 0
    for at in np.linspace(0, end, PLACES, endpoint=False, dtype=np.int64).tolist():
        steps, after = _steps(data, data.find(b"\n", at, end) + 1 if at else 0, end)
        if steps:
            while kept and kept[-1][-1].step >= steps[0].step:
                kept.pop()
            kept.append(steps)
            seen = after
    return kept, seen


def _steps(data: mmap.mmap, at: int, end: int) -> tuple[list[Step], int]:
    """The steps of the next lines, without those that are torn or something else; the byte after them."""
    found: list[Step] = []
    for _ in range(_LINES):
        stop = data.find(b"\n", at, min(end, at + _MOST_LINE))
        if stop < 0:
            break
        if data[at : at + len(_EPOCH)] != _EPOCH:
            try:
                step = _step.decode(data[at:stop])
            except msgspec.DecodeError:
                pass
            else:
                if found and step.step <= found[-1].step:
                    break  # a later attempt begins
                found.append(step)
        at = stop + 1
    return found, at


def _epochs(data: mmap.mmap, end: int) -> list[dict[str, Any]]:
    """All ends of epochs, the newest of each; some evenly spread ones, and the last, with their cells."""
    spans, at = [], data.find(_EPOCH, 0, end)
    while at >= 0:
        stop = data.find(b"\n", at, end)
        spans.append((at, stop))
        at = data.find(_EPOCH, stop, end)
    whole = set(np.linspace(0, len(spans) - 1, min(len(spans), _CELLS)).round().astype(int).tolist())
    found: list[dict[str, Any]] = []
    for number, (first, last) in enumerate(spans):
        try:
            line = data[first:last]
            record = _record.decode(line) if number in whole else msgspec.structs.asdict(_epoch.decode(line))
            epoch = record["epoch"]
        except (msgspec.DecodeError, KeyError):
            continue
        while found and found[-1]["epoch"] >= epoch:
            found.pop()  # a later attempt has repeated it
        found.append(record)
    return found


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
