"""The native checkpoint: safetensors with one JSON document in its header, and no pickle anywhere.

The layout is an 8-byte little-endian length, that many bytes of JSON {name: {dtype, shape, data_offsets}},
and the tensors' bytes back to back. Ours adds `__metadata__: {"spivae": "<JSON>"}`, so that every tool that
reads safetensors reads these too.
"""

from __future__ import annotations

import datetime
import math
import os
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import msgspec

from spivae.checkpoint.arrays import decode
from spivae.checkpoint.structs import ITEMSIZE, Checkpoint, NotThisFormat, TensorInfo
from spivae.checkpoint.validate import check_tensors, check_weights
from spivae.errors import SpivaeError, WorkFailed
from spivae.model.architectures import WAVENET_VAE

if TYPE_CHECKING:
    from spivae.checkpoint.structs import Weights

FORMAT_VERSION = 1
MAX_HEADER = 100 * 2**20

_DTYPES = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16",
    "I64": "int64", "I32": "int32", "I16": "int16", "I8": "int8",
    "U64": "uint64", "U32": "uint32", "U16": "uint16", "U8": "uint8",
    "BOOL": "bool",
}  # fmt: skip
_CODES = {name: code for code, name in _DTYPES.items()}


_Size = Annotated[int, msgspec.Meta(ge=0)]


class _Document(msgspec.Struct, kw_only=True):
    """What the header says beside the tensors. Unknown fields of later versions are passed over."""

    format_version: int
    process: str = ""
    architecture: str = WAVENET_VAE.name
    model_args: dict[str, Any] = {}
    ds_args: dict[str, Any] = {}
    recipe: dict[str, Any] = {}
    metrics: dict[str, Any] = {}
    history: list[dict[str, Any]] = []
    versions: dict[str, Any] = {}
    computed: dict[str, Any] = {}
    created: str = ""


class _Entry(msgspec.Struct):
    """A tensor in the header, or (for `__metadata__`) our document."""

    dtype: str = ""
    shape: tuple[_Size, ...] = ()
    data_offsets: tuple[_Size, _Size] = (0, 0)
    spivae: str | None = None


_header_decoder = msgspec.json.Decoder(dict[str, _Entry])
_document = msgspec.json.Decoder(_Document)
_COPIED = tuple(field for field in _Document.__struct_fields__ if field != "format_version")


def load(file: IO[bytes], size: int, weights: bool) -> Checkpoint:
    """Read a native checkpoint from an open file of `size` bytes, with or without its weights.

    Raises SpivaeError that says what is wrong; NotThisFormat for a safetensors file of another program.
    """
    header, start = _header(file, size)
    metadata = header.pop("__metadata__", None)
    if metadata is None or metadata.spivae is None:
        raise NotThisFormat(
            "a safetensors file, but not a spivae checkpoint: its header has no 'spivae' entry"
        )
    spans = _spans(header, size - start)
    try:
        document = _document.decode(metadata.spivae)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise SpivaeError(f"damaged header: {error}") from None
    if document.format_version > FORMAT_VERSION:
        raise SpivaeError(
            f"written by a later spivae (format {document.format_version}, this one reads {FORMAT_VERSION}); "
            "upgrade spivae"
        )
    infos, repeats = check_tensors(
        document.architecture, document.model_args, [info for info, _ in spans.values()]
    )
    checkpoint = Checkpoint(
        format="spivae", tensors=infos, **{name: getattr(document, name) for name in _COPIED}
    )
    if weights:
        arrays = check_weights(_arrays(file, start, size, spans), repeats)
        checkpoint.weights = {info.name: arrays[info.name] for info in infos}
    return checkpoint


def _header(file: IO[bytes], size: int) -> tuple[dict[str, _Entry], int]:
    """The JSON header, and where the tensors' bytes start."""
    file.seek(0)
    length = int.from_bytes(file.read(8), "little")
    if length > min(size - 8, MAX_HEADER):
        raise SpivaeError(f"damaged or cut short: its header claims {length:,} bytes, the file has {size:,}")
    content = file.read(length)
    try:
        return _header_decoder.decode(content), 8 + length
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        # the metadata of another program may be anything
        kind = SpivaeError if b'"spivae"' in content else NotThisFormat
        raise kind(f"damaged header: {error}") from None


def _spans(header: dict[str, _Entry], room: int) -> dict[str, tuple[TensorInfo, tuple[int, int]]]:
    """Each tensor's description and the bytes that it takes, which together fill `room` bytes exactly."""
    spans: dict[str, tuple[TensorInfo, tuple[int, int]]] = {}
    for name, entry in header.items():
        dtype = _DTYPES.get(entry.dtype)
        if dtype is None:
            raise SpivaeError(f"tensor {name!r} has the unknown dtype {entry.dtype[:20]!r}")
        first, last = entry.data_offsets
        if last - first != math.prod(entry.shape) * ITEMSIZE[dtype] or len(entry.shape) > 32:
            raise SpivaeError(f"damaged header: tensor {name!r} does not have the bytes that its shape needs")
        spans[name] = (TensorInfo(name, entry.shape, dtype), entry.data_offsets)
    end = 0
    for name, (_, offsets) in sorted(spans.items(), key=lambda span: span[1][1]):
        if offsets[0] != end:
            raise SpivaeError(f"damaged header: tensor {name!r} overlaps another or leaves a gap")
        end = offsets[1]
    if end != room:
        raise SpivaeError(f"damaged or cut short: its tensors need {end:,} bytes, the file has {room:,}")
    return spans


def _arrays(
    file: IO[bytes], start: int, size: int, spans: dict[str, tuple[TensorInfo, tuple[int, int]]]
) -> Weights:
    file.seek(start)
    # one buffer that can be written to, shared by all arrays
    buffer = bytearray(size - start)
    if file.readinto(buffer) != len(buffer):  # type: ignore[attr-defined]  # of every binary file
        raise SpivaeError("cut short while it was read")
    view = memoryview(buffer)
    return {
        name: decode(view[first:last], info.dtype).reshape(info.shape)
        for name, (info, (first, last)) in spans.items()
    }


def write(path: Path | str, checkpoint: Checkpoint) -> None:
    """Write a checkpoint as `path`, whole or not at all: an error leaves the old file as it was.

    Raises WorkFailed for a full disk, a forbidden folder, or weights that are not finite (they would
    replace a good file by one that no model can use); SpivaeError for weights that do not fit the model
    arguments.
    """
    import numpy as np

    from spivae.files import replacing

    if checkpoint.weights is None:
        raise SpivaeError(f"{path}: there are no weights to write; read the checkpoint with them")
    weights = {
        name: np.asarray(array, dtype=array.dtype.newbyteorder("<"), order="C")
        for name, array in checkpoint.weights.items()
    }
    infos = [TensorInfo(name, tuple(array.shape), array.dtype.name) for name, array in weights.items()]
    try:
        infos, repeats = check_tensors(checkpoint.architecture, checkpoint.model_args, infos)
    except SpivaeError as error:
        raise SpivaeError(f"{path}: not written: {error}") from None
    try:
        check_weights(weights, repeats)
    except SpivaeError as error:
        raise WorkFailed(f"{path}: not written: {error}") from None
    header = _header_bytes(path, checkpoint, infos)
    with replacing(path) as file:
        file.write(len(header).to_bytes(8, "little"))
        file.write(header)
        for info in infos:
            file.write(weights[info.name].tobytes())


def _header_bytes(path: Path | str, checkpoint: Checkpoint, infos: list[TensorInfo]) -> bytes:
    document = _Document(
        format_version=FORMAT_VERSION, **{name: getattr(checkpoint, name) for name in _COPIED}
    )
    document.created = document.created or datetime.datetime.now(datetime.timezone.utc).isoformat(
        "T", "seconds"
    )
    document.versions = document.versions or _versions()
    try:
        described = msgspec.json.encode(document, enc_hook=_plain).decode()
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise SpivaeError(
            f"{path}: not written: its arguments or metrics do not fit JSON ({error})"
        ) from None
    header: dict[str, Any] = {"__metadata__": {"format": "pt", "spivae": described}}
    end = 0
    for info in infos:
        if info.dtype not in _CODES or info.name in header:
            raise SpivaeError(f"{path}: not written: tensor {info.name!r} of {info.dtype} cannot be stored")
        start, end = end, end + info.size * ITEMSIZE[info.dtype]
        header[info.name] = {"dtype": _CODES[info.dtype], "shape": info.shape, "data_offsets": (start, end)}
    encoded = msgspec.json.encode(header)
    # the tensors start at a multiple of 8 bytes, as the format's own writer does it
    return encoded + b" " * (-len(encoded) % 8)


def _plain(value: Any) -> Any:
    """A numpy array or scalar as lists and numbers, a path as text."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    raise TypeError(f"{type(value).__name__} has no place in it")


def _versions() -> dict[str, str]:
    import platform
    import sys

    import numpy as np

    import spivae

    found = {"spivae": spivae.__version__, "python": platform.python_version(), "numpy": np.__version__}
    if "torch" in sys.modules:
        found["torch"] = str(sys.modules["torch"].__version__)
    return found
