"""What an analysis says, and its bytes for the disk: MessagePack, and nothing in it that can run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from spivae.analysis import Result
from spivae.figure.showing import show, text_of
from spivae.figure.spec import Figure, decode_array, encode_array


@dataclass(frozen=True, repr=False)
class Answer:
    """What an analysis says; `trajectories` is how many it looked at, None where it needs none.

    Printing it draws its figure as text; `show` draws it in colour where the output is a terminal.
    """

    figure: Figure
    result: Result
    process: str
    trajectories: int | None

    def show(self, width: int | None = None, height: int | None = None) -> None:
        """Draw the figure on the standard output, in `width` columns and pages of `height` rows."""
        show(self.figure, width, height)

    def __str__(self) -> str:
        return text_of(self.figure)

    def __repr__(self) -> str:
        count = "" if self.trajectories is None else f", {self.trajectories:,} trajectories"
        panels = f"{len(self.figure.panels)} panels of {self.process}{count}"
        return f"<Answer {self.figure.title!r}: {panels}; print it to draw it>"


class _Stored(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An answer as it is written, with the key that it answers."""

    key: str
    figure: Figure
    arrays: dict[str, np.ndarray]
    scalars: dict[str, Any]
    process: str
    trajectories: int | None


class Damaged(Exception):
    """Bytes that are no answer to this key."""


class Unfit(Exception):
    """An answer that cannot be written so that reading gives it back."""


def pack(key: str, answer: Answer) -> bytes:
    """The bytes of an answer. Raises Unfit for one that holds more than numbers, text and lists of them."""
    arrays = dict(answer.result.arrays)
    # subclasses may know more than their bytes, as masked arrays do
    if any(type(array) is not np.ndarray for array in arrays.values()):
        raise Unfit("its arrays are not all plain ones")
    stored = _Stored(
        key, answer.figure, arrays, dict(answer.result.scalars), answer.process, answer.trajectories
    )
    try:
        body = msgspec.msgpack.encode(stored, enc_hook=encode_array)
    except (TypeError, ValueError, OverflowError, NotImplementedError, RecursionError) as error:
        raise Unfit(str(error)) from None
    try:
        unpack(key, body)
    except Damaged as error:
        raise Unfit(str(error)) from None
    return body


def unpack(key: str, body: bytes) -> Answer:
    """The answer that `pack` wrote for this key. Raises Damaged for anything else."""
    try:
        stored = msgspec.msgpack.decode(body, type=_Stored, dec_hook=decode_array)
    except (msgspec.MsgspecError, TypeError, ValueError, OverflowError, RecursionError) as error:
        raise Damaged(str(error)) from None
    if stored.key != key:
        raise Damaged("answers something else")
    return Answer(stored.figure, Result(stored.arrays, stored.scalars), stored.process, stored.trajectories)
