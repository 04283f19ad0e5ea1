"""What the original's pickle may name, each with an inert stand-in, and how it becomes plain values.

No stand-in is the real thing, imports anything or can be given attributes: a tensor is a description of
where its numbers lie, an array is its bytes.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from typing import Any

from spivae.errors import SpivaeError

MAX_VALUES = 1_000_000
MAX_DEPTH = 32


class Storage:
    """A run of `numel` elements, kept in the archive under `key`."""

    __slots__ = ("dtype", "key", "numel")

    def __init__(self, dtype: str, key: str, numel: int) -> None:
        self.dtype, self.key, self.numel = dtype, key, numel


class Tensor:
    """A strided view of a storage; offset and stride count elements."""

    __slots__ = ("offset", "shape", "storage", "stride")

    def __init__(
        self, storage: Storage, offset: int, shape: tuple[int, ...], stride: tuple[int, ...]
    ) -> None:
        self.storage, self.offset, self.shape, self.stride = storage, offset, shape, stride


class Global:
    """A stand-in for a global of the allow-list; `call` is ours, or None where it is only an argument."""

    __slots__ = ("call", "name")

    def __init__(self, name: str, call: Callable[[tuple[Any, ...]], Any] | None = None) -> None:
        self.name, self.call = name, call


class Dtype:
    """A numpy dtype: its code, such as "f8", and its byte order, filled in by BUILD."""

    __slots__ = ("code", "order")

    def __init__(self, code: str) -> None:
        self.code, self.order = code, "<"


class Array:
    """A numpy array, filled in by BUILD and decoded by `plain`."""

    __slots__ = ("data", "dtype", "fortran", "shape")

    def __init__(self) -> None:
        self.shape: tuple[int, ...] = (0,)
        self.dtype = Dtype("f8")
        self.fortran = False
        self.data = b""


def refused(what: str) -> SpivaeError:
    return SpivaeError(f"refused: {what}")


def _sizes(values: object) -> tuple[int, ...]:
    """A tuple of non-negative integers, or an error."""
    if type(values) is tuple:
        for value in values:
            if type(value) is not int or value < 0:
                break
        else:
            return values
    raise refused("a shape or stride that is no tuple of sizes")


def _rebuild_tensor(args: tuple[Any, ...]) -> Tensor:
    if not 6 <= len(args) <= 7 or type(args[0]) is not Storage or type(args[1]) is not int or args[1] < 0:
        raise refused("a tensor that is not described as torch does it")
    storage, offset, shape, stride = args[0], args[1], _sizes(args[2]), _sizes(args[3])
    if len(shape) != len(stride) or len(shape) > MAX_DEPTH:
        raise refused(f"a tensor with {len(shape)} dimensions and {len(stride)} strides")
    size = math.prod(shape)
    last = offset
    for n, step in zip(shape, stride, strict=True):
        last += (n - 1) * step
    # a stride of 0 would let a small storage claim a huge tensor
    if size and (last >= storage.numel or size > storage.numel):
        raise refused(
            f"a tensor of shape {shape} that reaches outside its storage of {storage.numel} elements"
        )
    return Tensor(storage, offset, shape, stride)


def _rebuild_parameter(args: tuple[Any, ...]) -> Tensor:
    if len(args) != 3 or type(args[0]) is not Tensor:
        raise refused("a parameter that is not described as torch does it")
    return args[0]


def _ordered_dict(args: tuple[Any, ...]) -> dict[Any, Any]:
    if args:
        raise refused("an OrderedDict with arguments")
    return {}


def _reconstruct(args: tuple[Any, ...]) -> Array:
    if len(args) != 3 or type(args[0]) is not Global or args[0].name != "numpy.ndarray":
        raise refused("an array of another type than numpy.ndarray")
    return Array()


def _dtype(args: tuple[Any, ...]) -> Dtype:
    if not args or type(args[0]) is not str or args[0] not in _FORMATS:
        code = args[0] if args and type(args[0]) is str else "?"
        raise refused(f"a numpy dtype that is no number: {code[:20]!r}")
    return Dtype(args[0])


def _scalar(args: tuple[Any, ...]) -> Any:
    if len(args) != 2 or type(args[0]) is not Dtype or type(args[1]) is not bytes:
        raise refused("a numpy scalar that is not described as numpy does it")
    return _numbers(args[0], args[1], 1)[0]


def _encode(args: tuple[Any, ...]) -> bytes:
    if len(args) != 2 or type(args[0]) is not str or args[1] not in ("latin1", "latin-1"):
        raise refused("_codecs.encode with anything but latin1 text")
    return args[0].encode("latin-1")


def _no_bytes(args: tuple[Any, ...]) -> bytes:
    if args:
        raise refused("builtins.bytes with arguments")
    return b""


_FORMATS = {
    "f8": "d", "f4": "f", "f2": "e", "b1": "?",
    "i8": "q", "i4": "i", "i2": "h", "i1": "b",
    "u8": "Q", "u4": "I", "u2": "H", "u1": "B",
}  # fmt: skip

_STORAGES = {
    "torch.DoubleStorage": "float64",
    "torch.FloatStorage": "float32",
    "torch.HalfStorage": "float16",
    "torch.BFloat16Storage": "bfloat16",
    "torch.LongStorage": "int64",
    "torch.IntStorage": "int32",
    "torch.ShortStorage": "int16",
    "torch.CharStorage": "int8",
    "torch.ByteStorage": "uint8",
    "torch.BoolStorage": "bool",
}

_GLOBALS: dict[str, Global] = {
    entry.name: entry
    for entry in (
        Global("torch._utils._rebuild_tensor_v2", _rebuild_tensor),
        Global("torch._utils._rebuild_parameter", _rebuild_parameter),
        Global("collections.OrderedDict", _ordered_dict),
        Global("numpy.core.multiarray._reconstruct", _reconstruct),
        Global("numpy._core.multiarray._reconstruct", _reconstruct),
        Global("numpy.core.multiarray.scalar", _scalar),
        Global("numpy._core.multiarray.scalar", _scalar),
        Global("numpy.dtype", _dtype),
        Global("numpy.ndarray"),
        Global("_codecs.encode", _encode),
        Global("__builtin__.bytes", _no_bytes),  # the data of an empty array
        *(Global(name) for name in _STORAGES),
    )
}

# modules that pickles call by the name of their implementation
_ALIASES = {"posix": "os", "nt": "os", "__builtin__": "builtins"}


def find_global(module: str, name: str) -> Global:
    found = _GLOBALS.get(f"{module}.{name}")
    if found is None:
        alias = f" ({_ALIASES[module]}.{name})" if module in _ALIASES else ""
        shown = f"{module}.{name}{alias}"[:200]
        raise SpivaeError(f"refused: its pickle names {shown!r}, which no checkpoint needs; nothing was run")
    return found


def persistent_load(pid: object) -> Storage:
    """The storage that a persistent id stands for: ("storage", type, key, location, number of elements)."""
    if type(pid) is tuple and len(pid) == 5:
        tag, kind, key, location, numel = pid
        if (
            type(tag) is str
            and tag == "storage"
            and type(kind) is Global
            and kind.name in _STORAGES
            and type(key) is str
            and type(location) is str
            and type(numel) is int
            and numel >= 0
        ):
            return Storage(_STORAGES[kind.name], key, numel)
    raise refused("a persistent id that is no torch storage")


def build(target: object, state: object) -> None:
    """What BUILD may do: fill an array or a dtype. State of a dict (torch's version numbers) is dropped."""
    if type(target) is Array:
        if type(state) is not tuple or len(state) != 5 or type(state[2]) is not Dtype:
            raise refused("an array that is not described as numpy does it")
        if type(state[4]) is not bytes:
            raise refused("a numpy array that does not hold plain numbers")
        target.shape, target.dtype = _sizes(state[1]), state[2]
        target.fortran, target.data = bool(state[3] is True), state[4]
    elif type(target) is Dtype:
        if type(state) is not tuple or len(state) < 2 or state[1] not in ("<", ">", "|", "="):
            raise refused("a dtype that is not described as numpy does it")
        target.order = ">" if state[1] == ">" else "<"
    elif type(target) is not dict:
        raise refused("state for an object that takes none")


def _numbers(dtype: Dtype, data: bytes, count: int) -> tuple[Any, ...]:
    if len(data) != count * int(dtype.code[1:]):
        raise refused(f"an array of {count} values in {len(data)} bytes")
    return struct.unpack(f"{dtype.order}{count}{_FORMATS[dtype.code]}", data)


def plain(value: object, where: str) -> Any:
    """The value as plain lists, dicts, numbers and strings; SpivaeError, naming `where`, for others."""
    budget = [MAX_VALUES]

    def spend(count: int) -> None:
        budget[0] -= count
        if budget[0] < 0:
            raise SpivaeError(f"refused: {where} holds more than {MAX_VALUES:,} values")

    def convert(item: Any, name: str, depth: int) -> Any:
        spend(1)
        kind = type(item)
        if item is None or kind in (bool, float, str):
            return item
        if kind is int:
            if not -(2**63) <= item < 2**64:
                raise SpivaeError(f"refused: {name} is a number past 64 bits")
            return item
        if depth > MAX_DEPTH:
            raise SpivaeError(f"refused: {where} is nested deeper than {MAX_DEPTH} levels")
        if kind in (list, tuple):
            return [convert(part, name, depth + 1) for part in item]
        if kind is dict:
            return {str(key): convert(part, f"{name}.{key}", depth + 1) for key, part in item.items()}
        if kind is Array:
            # counts a dimension of 0 as 1: (10**9, 0) has no elements, but 10**9 empty rows
            spend(math.prod(max(n, 1) for n in item.shape))
            if len(item.shape) > MAX_DEPTH:
                raise SpivaeError(f"refused: {name} has {len(item.shape)} dimensions")
            return _nested(item)
        raise SpivaeError(f"refused: {name} is no plain value but {kind.__name__.strip('_').lower()}")

    return convert(value, where, 0)


def _nested(array: Array) -> Any:
    """An array's values as nested lists (a number where it has no dimensions)."""
    shape = array.shape
    flat = _numbers(array.dtype, array.data, math.prod(shape))
    if len(shape) == 1:
        return list(flat)
    axes = range(len(shape))
    strides = [math.prod(shape[:axis] if array.fortran else shape[axis + 1 :]) for axis in axes]

    def rows(axis: int, start: int) -> Any:
        if axis == len(shape):
            return flat[start]
        return [rows(axis + 1, start + i * strides[axis]) for i in range(shape[axis])]

    return rows(0, 0)
