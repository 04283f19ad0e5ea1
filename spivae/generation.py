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


def encode_parameters(model: WaveNetVAE, process: Process, theta: Array, rng: np.random.Generator) -> Array:
    """Latents mu (n, Z) of one fresh trajectory of the process for each row of theta (n, p)."""
    import torch

    x = simulate(process, theta, model.args.o_dim, rng).displacements
    with torch.inference_mode():
        return np.asarray(model.encode(torch.from_numpy(x))[0].numpy())


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
