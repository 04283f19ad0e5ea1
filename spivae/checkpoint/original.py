"""The original's checkpoint `NAME.tar`: a zip that torch.save wrote, read without torch or pickle."""

from __future__ import annotations

import math
import struct
import zipfile
from functools import lru_cache
from typing import IO, TYPE_CHECKING, Any

from spivae.checkpoint import restricted_pickle
from spivae.checkpoint.arrays import Order, decode
from spivae.checkpoint.pickle_values import Storage, Tensor, plain
from spivae.checkpoint.structs import ITEMSIZE, Checkpoint, NotThisFormat, TensorInfo
from spivae.checkpoint.validate import check_tensors, check_weights
from spivae.errors import SpivaeError
from spivae.model.architectures import WAVENET_VAE

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from spivae.checkpoint.structs import Weights

# a real one has 10 kB; in memory it may grow sixtyfold
MAX_PICKLE = 2 * 2**20
MAX_DIRECTORY = 8 * 2**20
_CACHED_PICKLE = 2**16

# all that zipfile may raise for a damaged archive
_DAMAGED = (
    zipfile.BadZipFile,
    struct.error,
    EOFError,
    KeyError,
    IndexError,
    NotImplementedError,
    OverflowError,
    RuntimeError,
    ValueError,
)


def load(file: IO[bytes], size: int, weights: bool) -> Checkpoint:
    """Read the original's checkpoint from an open file of `size` bytes, with or without its weights.

    Raises SpivaeError that says what is wrong; NotThisFormat for a zip of another kind.
    """
    _check_directory(file, size)
    try:
        with zipfile.ZipFile(file) as archive:
            return _load(archive, size, weights)
    except _DAMAGED as error:
        raise SpivaeError(f"damaged or cut short ({_reason(error)})") from None


def _load(archive: zipfile.ZipFile, size: int, weights: bool) -> Checkpoint:
    names = archive.namelist()
    prefix = names[0].partition("/")[0] + "/" if names else ""
    if f"{prefix}data.pkl" not in names:
        raise NotThisFormat("a zip, but not one that torch.save wrote: it holds no data.pkl")
    entries = _checked_entries(archive, size)
    pickle = entries[f"{prefix}data.pkl"]
    if pickle.file_size > MAX_PICKLE:
        raise SpivaeError(f"refused: its pickle has {pickle.file_size:,} bytes, more than {MAX_PICKLE:,}")
    content = archive.read(pickle)
    # checkpoints of one training often differ in their weights alone, so that their pickles are equal
    top = _loads_small(content) if len(content) <= _CACHED_PICKLE else restricted_pickle.loads(content)
    model_args, ds_args = _arguments(top, "model_args"), _arguments(top, "ds_args")
    state = _state_dict(top)
    infos = []
    for name, tensor in state.items():
        _check_storage(name, tensor.storage, entries.get(f"{prefix}data/{tensor.storage.key}"))
        infos.append(TensorInfo(name, tensor.shape, tensor.storage.dtype))
    infos, repeats = check_tensors(WAVENET_VAE.name, model_args, infos)
    process = ds_args.get("model", "")
    checkpoint = Checkpoint(
        format="original",
        process=process if isinstance(process, str) else "",
        model_args=model_args,
        ds_args=ds_args,
        tensors=infos,
    )
    if weights:
        arrays = _arrays(archive, entries, prefix, state, size)
        arrays = check_weights(arrays, repeats)
        checkpoint.weights = {info.name: arrays[info.name] for info in infos}
    return checkpoint


@lru_cache(maxsize=64)
def _loads_small(content: bytes) -> Any:
    return restricted_pickle.loads(content)


def _check_directory(file: IO[bytes], size: int) -> None:
    """Refuse an archive that is cut short or whose directory would fill the memory, before it is parsed."""
    file.seek(max(0, size - 98))
    tail = file.read(98)
    if tail[-22:-18] != b"PK\x05\x06":
        raise SpivaeError("damaged or cut short (the zip does not end as torch.save ends it)")
    directory = struct.unpack_from("<I", tail, len(tail) - 10)[0]
    if tail[-42:-38] == b"PK\x06\x07":
        if tail[:4] != b"PK\x06\x06":
            raise SpivaeError("damaged (the zip's directory is not where it should be)")
        directory = max(struct.unpack_from("<Q", tail, 40)[0], directory if directory != 2**32 - 1 else 0)
    if directory > min(size, MAX_DIRECTORY):
        raise SpivaeError(f"refused: the zip's directory claims {directory:,} bytes")


def _checked_entries(archive: zipfile.ZipFile, size: int) -> dict[str, zipfile.ZipInfo]:
    """The archive's entries by name, and the folder that torch put them in.

    torch.save compresses nothing, so an entry that would inflate is refused, and so are entries that
    together claim more than the file holds.
    """
    entries: dict[str, zipfile.ZipInfo] = {}
    total = 0
    for entry in archive.infolist():
        name = entry.filename
        if name in entries:
            raise SpivaeError(f"refused: the zip holds {name[:100]!r} twice")
        if name.startswith("/") or "\\" in name or ".." in name.split("/"):
            raise SpivaeError(f"refused: the zip holds an entry outside its folder, {name[:100]!r}")
        if entry.flag_bits & 0x1:
            raise SpivaeError(f"refused: the zip's entry {name[:100]!r} is encrypted")
        if entry.compress_type != zipfile.ZIP_STORED or entry.compress_size != entry.file_size:
            raise SpivaeError(
                f"refused: the zip's entry {name[:100]!r} is compressed ({entry.compress_size:,} bytes that "
                f"claim to be {entry.file_size:,}); torch.save never compresses"
            )
        total += entry.file_size
        entries[name] = entry
    if total > size:
        raise SpivaeError(f"refused: the zip's entries claim {total:,} bytes, more than the file's {size:,}")
    return entries


def _arguments(top: Any, key: str) -> dict[str, Any]:
    if type(top) is not dict or key not in top:
        raise SpivaeError(f"not a checkpoint of the original: it has no {key!r}")
    arguments = plain(top[key], key)
    if not isinstance(arguments, dict):
        raise SpivaeError(f"{key} is no table of arguments")
    return arguments


def _state_dict(top: dict[str, Any]) -> dict[str, Tensor]:
    state = top.get("network_state_dict")
    if type(state) is not dict or not state:
        raise SpivaeError("not a checkpoint of the original: it has no 'network_state_dict' with weights")
    for name, tensor in state.items():
        if type(name) is not str or type(tensor) is not Tensor:
            raise SpivaeError(f"network_state_dict: {str(name)[:100]!r} is no tensor")
    return state


def _check_storage(name: str, storage: Storage, entry: zipfile.ZipInfo | None) -> None:
    if entry is None:
        raise SpivaeError(f"the numbers of tensor {name!r} are missing from the zip")
    declared = storage.numel * ITEMSIZE[storage.dtype]
    if entry.file_size != declared:
        raise SpivaeError(
            f"tensor {name!r} needs {declared:,} bytes ({storage.numel} x {storage.dtype}), "
            f"but the zip holds {entry.file_size:,}"
        )


def _arrays(
    archive: zipfile.ZipFile,
    entries: dict[str, zipfile.ZipInfo],
    prefix: str,
    state: dict[str, Tensor],
    size: int,
) -> Weights:
    """The tensors as arrays in this machine's byte order; names that share a view share its array."""
    from numpy.lib.stride_tricks import as_strided

    order: Order = "<"
    if f"{prefix}byteorder" in entries:
        text = archive.read(entries[f"{prefix}byteorder"])
        if text not in (b"little", b"big"):
            raise SpivaeError(f"its byte order is {text[:20]!r}, neither little nor big")
        order = "<" if text == b"little" else ">"
    storages: dict[tuple[str, str], npt.NDArray[np.generic]] = {}
    views: dict[tuple[Any, ...], npt.NDArray[np.generic]] = {}
    arrays: Weights = {}
    total = 0
    for name, tensor in state.items():
        storage = tensor.storage
        key = (storage.key, storage.dtype)
        view = (*key, tensor.offset, tensor.shape, tensor.stride)
        if view not in views:
            total += math.prod(tensor.shape) * ITEMSIZE[storage.dtype]
            if total > size:  # tensors that overlap could be many times as large as the file
                raise SpivaeError("refused: its tensors claim more numbers than the file holds")
            if key not in storages:
                content = archive.read(entries[f"{prefix}data/{storage.key}"])
                storages[key] = decode(content, storage.dtype, order)
            flat = storages[key][tensor.offset :]
            # the bounds were checked when the pickle was read
            strides = tuple(step * flat.itemsize for step in tensor.stride)
            views[view] = as_strided(flat, tensor.shape, strides, writeable=False).copy()
        arrays[name] = views[view]
    return arrays


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__
