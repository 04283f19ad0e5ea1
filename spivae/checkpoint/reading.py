"""Reading any checkpoint: the format is recognised by content, never by the file's name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from spivae.checkpoint import native
from spivae.checkpoint.opening import one_line, opened
from spivae.checkpoint.structs import Checkpoint, NotThisFormat
from spivae.errors import SpivaeError

Foreign = Callable[[Path], Checkpoint | None]
OWN_FORMATS = ("spivae", "original")  # are one file each; of a plugin's format nobody knows that


def read_header(path: Path | str, foreign: Foreign | None = None) -> Checkpoint:
    """All that a checkpoint says except its weights, in well under a millisecond and without numpy.

    `foreign` is asked where the file is neither the native nor the original's format. Raises SpivaeError,
    naming `path`, for a file that is missing, damaged, dangerous or not what its arguments describe.
    """
    return _read(path, foreign, weights=False)


def read(path: Path | str, foreign: Foreign | None = None) -> Checkpoint:
    """A checkpoint with its weights as numpy arrays.

    Raises SpivaeError as `read_header` does, and for weights that are not finite.
    """
    return _read(path, foreign, weights=True)


def _read(path: Path | str, foreign: Foreign | None, *, weights: bool) -> Checkpoint:
    try:
        with opened(path) as (file, size):
            try:
                checkpoint = _recognised(file.read(9))(file, size, weights)
            except SpivaeError as error:
                raise type(error)(one_line(f"{path}: {error}")) from None
    except NotThisFormat:
        found = foreign(Path(path)) if foreign is not None else None
        if found is None:
            raise
        return found
    checkpoint.path = str(path)
    checkpoint.process = one_line(checkpoint.process)
    return checkpoint


def _recognised(head: bytes) -> Callable[..., Checkpoint]:
    """The reader for a file that begins so."""
    if head.startswith(b"PK\x03\x04"):
        from spivae.checkpoint import original

        return original.load
    if head[8:9] == b"{":
        return native.load
    if head.startswith((b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")):
        raise NotThisFormat("a bare pickle, which is never opened; save it with torch >= 1.6 as a zip")
    raise NotThisFormat(
        "neither a spivae checkpoint (.safetensors) nor one of the original (.tar), or cut short"
    )
