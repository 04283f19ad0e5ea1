"""What a checkpoint is, whichever file format it came from."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import msgspec

from spivae.errors import SpivaeError
from spivae.model.architectures import WAVENET_VAE, architecture, known
from spivae.model.base import Arguments

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Weights = dict[str, npt.NDArray[np.generic]]

# bytes of one element, for every dtype that a checkpoint may hold
ITEMSIZE = {
    "float64": 8,
    "float32": 4,
    "float16": 2,
    "bfloat16": 2,
    "int64": 8,
    "int32": 4,
    "int16": 2,
    "int8": 1,
    "uint64": 8,
    "uint32": 4,
    "uint16": 2,
    "uint8": 1,
    "bool": 1,
}


class TensorInfo(msgspec.Struct, frozen=True):
    """Name, shape and dtype (as numpy calls it, or "bfloat16") of one tensor."""

    name: str
    shape: tuple[int, ...]
    dtype: str

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)


class Checkpoint(msgspec.Struct, kw_only=True, eq=False):
    """A trained model and how it came to be. `weights` is None where only the header was read.

    `format` is "spivae", "original" or a plugin's own. `model_args` and `ds_args` hold plain values (lists,
    numbers, strings). `metrics` holds validation figures: nll (per step), kl (nats), neg_elbo (per step),
    kl_latents, surviving, beta, epoch, step. `computed` says how it was trained to its last step: device,
    code_path, threads (of each process) and processes.
    """

    path: str = ""
    format: str = "spivae"
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
    tensors: list[TensorInfo] = []
    weights: Weights | None = None

    def __post_init__(self) -> None:
        if self.weights is not None and not self.tensors:
            self.tensors = [
                TensorInfo(name, tuple(array.shape), array.dtype.name) for name, array in self.weights.items()
            ]

    @property
    def parameters(self) -> int:
        """Number of weights."""
        return sum(tensor.size for tensor in self.tensors)

    @property
    def receptive_field(self) -> int:
        """Displacements before a step that the WaveNet sees; 0 where the architecture is not known."""
        return self.arguments.receptive_field if self.architecture in known() else 0

    @property
    def arguments(self) -> Arguments:
        """The model's arguments, typed. Raises SpivaeError where the architecture is not known."""
        try:
            return architecture(self.architecture).from_table(self.model_args)
        except SpivaeError as error:
            raise SpivaeError(f"{self.path}: {error}") from None

    @property
    def beta(self) -> float | None:
        """Weight of the KL divergence at the end of training, where the file says."""
        beta = self.metrics.get("beta", self.model_args.get("beta"))
        return None if beta is None else float(beta)


class NotThisFormat(SpivaeError):
    """The file is sound but of another format, which a plugin may know."""
