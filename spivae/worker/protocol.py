"""What the app and its worker say to each other: frames of a 4-byte length and MessagePack."""

from __future__ import annotations

import struct
from typing import IO, Any

import msgspec

MAX_FRAME = 256 * 1024 * 1024
_LENGTH = struct.Struct(">I")


class Submit(msgspec.Struct, frozen=True, tag=True):
    """Do `op` ("warm", "analyze", "export" or "find_rate") and answer under this job's number."""

    job: int
    op: str
    payload: dict[str, Any] = {}


class Cancel(msgspec.Struct, frozen=True, tag=True):
    """Forget a job, running or waiting."""

    job: int


class Analyze(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The payload of "analyze": options of the analysis, and the fields of DataOptions under `data`.

    `fresh` asks for it to be computed, whatever is remembered.
    """

    checkpoint: str
    analysis: str
    options: dict[str, Any] = {}
    data: dict[str, Any] = {}
    fresh: bool = False


class Export(Analyze, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The payload of "export": what to analyze, and the file that the answer is written to."""

    path: str


class FindRate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The payload of "find_rate": a recipe as tables, and the phase whose beta the sweep has, from 0."""

    recipe: dict[str, Any]
    phase: int = 0


class Progress(msgspec.Struct, frozen=True, tag=True):
    """`done` of `total` parts of a job, and what is being done ("simulating", "predicting", ...)."""

    done: int
    total: int
    what: str


class Finished(msgspec.Struct, frozen=True, tag=True):
    """A job is done: the figure as spivae.figure.spec.encode wrote it (empty for "warm" and "export").

    The scalars of "export" are the `path` of the file.
    """

    figure: bytes
    scalars: dict[str, Any]
    seconds: float


class Failed(msgspec.Struct, frozen=True, tag=True):
    """A job could not be done; the message is one line for a person."""

    message: str


class Cancelled(msgspec.Struct, frozen=True, tag=True):
    """A job was cancelled; nothing more comes of it."""


class Reply(msgspec.Struct, frozen=True):
    """One event of one job, as it travels from the worker to the app."""

    job: int
    event: Progress | Finished | Failed | Cancelled


class BrokenFrame(Exception):
    """The stream holds something that is no frame."""


def read_frame(stream: IO[bytes]) -> bytes | None:
    """The next frame's bytes, or None where the stream has ended. Raises BrokenFrame for a bad length."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    if length > MAX_FRAME:
        raise BrokenFrame(f"a frame of {length} bytes")
    body = stream.read(length)
    return body if len(body) == length else None


def write_frame(stream: IO[bytes], body: bytes) -> None:
    """Send one frame at once. Raises OSError where the other side is gone."""
    if len(body) > MAX_FRAME:
        raise BrokenFrame(f"a frame of {len(body)} bytes")
    stream.write(_LENGTH.pack(len(body)) + body)
    stream.flush()
