"""Archives as torch.save writes them, with whatever inside; made without torch."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from spivae.model.arguments import ModelArgs, expected_shapes

DATA = Path(__file__).parents[1] / "data"
ORIGINALS = sorted(DATA.glob("original_*.tar"))
TRAINED = DATA / "original_sbm_trained.tar"

# a tiny model, for tests that need many files
SMALL = {
    "o_dim": 20, "nc_in": 1, "nc_out": 2, "nf": [2], "avg_size": 1, "encoder": [2], "z_dim": 1,
    "decoder": [2], "in_channels": 1, "res_channels": 2, "skip_channels": 2, "c_channels": 2, "g_channels": 0,
    "res_kernel_size": 2, "layer_size": 2, "stack_size": 1, "out_distribution": "Normal", "num_mixtures": 1,
    "use_pad": False,
}  # fmt: skip


def small_weights(rng: np.random.Generator, **changes: Any) -> dict[str, np.ndarray]:
    shapes = expected_shapes(ModelArgs.from_mapping({**SMALL, **changes}))
    return {name: rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}


class _Named:
    """Pickles as a global of any name, whether it exists or not."""

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name


class _Call:
    """Pickles as a call of a global."""

    def __init__(self, function: _Named, *args: Any, state: Any = None) -> None:
        self.function, self.args, self.state = function, args, state


class _Id:
    """Pickles as a persistent id."""

    def __init__(self, pid: Any) -> None:
        self.pid = pid


class _Pickler(pickle._Pickler):  # the one in Python, which can be taught
    dispatch = pickle._Pickler.dispatch.copy()

    def persistent_id(self, item: Any) -> Any:
        return item.pid if isinstance(item, _Id) else None

    def save_named(self, item: _Named) -> None:
        self.write(b"c" + f"{item.module}\n{item.name}\n".encode())

    def save_call(self, item: _Call) -> None:
        self.save(item.function)
        self.save(item.args)
        self.write(b"R")
        if item.state is not None:
            self.save(item.state)
            self.write(b"b")

    dispatch[_Named] = save_named
    dispatch[_Call] = save_call


def named(module: str, name: str) -> Any:
    return _Named(module, name)


def call(module: str, name: str, *args: Any, state: Any = None) -> Any:
    return _Call(_Named(module, name), *args, state=state)


def storage(key: str, numel: Any, kind: str = "FloatStorage") -> Any:
    return _Id(("storage", _Named("torch", kind), key, "cpu", numel))


def persistent(pid: Any) -> Any:
    return _Id(pid)


def tensor(stored: Any, shape: Any, stride: Any = None, offset: Any = 0) -> Any:
    if stride is None:
        stride = tuple(int(np.prod(shape[axis + 1 :])) for axis in range(len(shape)))
    hooks = call("collections", "OrderedDict")
    return call("torch._utils", "_rebuild_tensor_v2", stored, offset, shape, stride, False, hooks)


def dumps(item: Any, protocol: int = 2) -> bytes:
    import io

    buffer = io.BytesIO()
    _Pickler(buffer, protocol).dump(item)
    return buffer.getvalue()


def write_archive(
    path: Path,
    content: bytes,
    storages: dict[str, bytes] | None = None,
    *,
    byteorder: str | None = "little",
    compression: int = zipfile.ZIP_STORED,
    folder: str = "model",
) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr(f"{folder}/data.pkl", content)
        if byteorder is not None:
            archive.writestr(f"{folder}/byteorder", byteorder)
        for key, data in (storages or {}).items():
            archive.writestr(f"{folder}/data/{key}", data)
        archive.writestr(f"{folder}/version", "3\n")
    return path


def top(state: dict[str, Any], model_args: Any = None, ds_args: Any = None) -> dict[str, Any]:
    return {
        "model_args": SMALL if model_args is None else model_args,
        "ds_args": {"model": "sbm"} if ds_args is None else ds_args,
        "network_state_dict": dict(state),
    }


def write_original(path: Path, weights: dict[str, np.ndarray], *, order: str = "<", **arguments: Any) -> Path:
    """The weights in the original's format; equal objects among them share their storage."""
    keys: dict[int, str] = {}
    storages, state = {}, {}
    for name, array in weights.items():
        key = keys.setdefault(id(array), str(len(keys)))
        storages[key] = array.astype(array.dtype.newbyteorder(order)).tobytes()
        state[name] = tensor(storage(key, array.size), array.shape)
    content = dumps(top(state, {**SMALL, **arguments}))
    return write_archive(path, content, storages, byteorder={"<": "little", ">": "big"}[order])
