"""New trajectories from a model: of given latents, or of trajectories with given parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spivae.dataset import simulate
from spivae.errors import SpivaeError
from spivae.process import Process

if TYPE_CHECKING:
    import torch

    from spivae.model.vae import WaveNetVAE

Array = npt.NDArray[Any]

# trajectories generated at once, so that the conditioning of long ones stays small
_CHUNK_POSITIONS = 4_000_000
_ENCODED_AT_ONCE = 1024


def encode_parameters(model: WaveNetVAE, process: Process, theta: Array, rng: np.random.Generator) -> Array:
    """Latents mu (n, Z) of one fresh trajectory of the process for each row of theta (n, p)."""
    return encode(model, simulate(process, theta, model.args.o_dim, rng).displacements[:, 0])[0]


def encode(model: WaveNetVAE, displacements: Array) -> tuple[Array, Array]:
    """Latents mu and log-variances (n, Z) of displacements (n, L).

    Raises SpivaeError where L is not the model's, or where it has no latents.
    """
    import torch

    x = np.asarray(displacements, dtype=np.float32)
    if not model.args.latents:
        raise SpivaeError("this model has no latents: it is a WaveNet alone")
    if x.ndim != 2 or x.shape[1] != model.args.o_dim:
        raise SpivaeError(f"displacements: need shape (n, {model.args.o_dim}), not {x.shape}")
    parts = []
    with torch.inference_mode():
        for start in range(0, max(len(x), 1), _ENCODED_AT_ONCE):
            rows = torch.from_numpy(x[start : start + _ENCODED_AT_ONCE, None])
            parts.append([part.numpy() for part in model.encode(rows)])
    mu, logvar = (np.concatenate(part) for part in zip(*parts, strict=True))
    return mu, logvar


def generate(
    model: WaveNetVAE,
    z: Array,
    length: int,
    generator: torch.Generator,
    progress: Callable[[int, int], None] | None = None,
) -> Array:
    """Displacements (n, length) float32, one trajectory for each row of latents z (n, Z)."""
    import torch

    from spivae.model.sampler import conditioning_length, sample

    z = np.asarray(z, dtype=np.float32)
    if z.ndim != 2 or z.shape[1] != model.args.latents or not len(z):
        raise SpivaeError(f"latents: need shape (n, {model.args.latents}), not {z.shape}")
    if length < 1:
        raise SpivaeError(f"length: needs at least 1, not {length}")
    full = conditioning_length(model, length)
    at_once = max(1, _CHUNK_POSITIONS // (full * max(model.c_channels, 1)))
    parts = []
    for start in range(0, len(z), at_once):
        rows = torch.from_numpy(z[start : start + at_once])
        with torch.inference_mode():
            c = model.decode(rows, full)

        def advance(step: int, steps: int, start: int = start, count: int = len(rows)) -> None:
            if progress is not None:
                progress(start * length + step * count, len(z) * length)

        made = sample(model, c, length, generator=generator, count=len(rows), progress=advance)
        parts.append(made.numpy())
    return np.concatenate(parts)
