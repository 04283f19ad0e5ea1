"""New trajectories from a model: of given latents, or of trajectories with given parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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

# Trajectories generated side by side: hundreds take little longer than one, but their conditioning (numbers,
# 64 MB) must fit, and the decoder makes it a few rows at a time, since its layers are wider than its output.
_ROWS_AT_ONCE = 1024
_CONDITIONING_AT_ONCE = 16_000_000
_DECODED_AT_ONCE = 4_000_000
_ENCODED_AT_ONCE = 1024
_GENERATED_AT_ONCE = 8_000_000  # displacements (32 MB) between two looks at them


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
    numbers = full * max(model.c_channels, 1)
    at_once = min(_ROWS_AT_ONCE, max(1, _CONDITIONING_AT_ONCE // numbers))
    parts = []
    for start in range(0, len(z), at_once):
        rows = torch.from_numpy(z[start : start + at_once])
        with torch.inference_mode():
            c = _decode(model, rows, full, max(1, _DECODED_AT_ONCE // numbers))

        def advance(step: int, steps: int, start: int = start, count: int = len(rows)) -> None:
            if progress is not None:
                progress(start * length + step * count, len(z) * length)

        made = sample(model, c, length, generator=generator, count=len(rows), progress=advance)
        parts.append(made.numpy())
    return np.concatenate(parts)


def _decode(model: WaveNetVAE, z: torch.Tensor, length: int, at_once: int) -> torch.Tensor | None:
    """The conditioning (n, C, length) of latents z (n, Z), a few rows at a time; None where there is none."""
    import torch

    if model.vae is None:
        return None
    return torch.cat([model.vae.decode(part, length) for part in torch.split(z, at_once)])


def generate_like(
    model: WaveNetVAE,
    process: Process,
    theta: Array,
    length: int,
    rng: np.random.Generator,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[tuple[slice, Array]]:
    """Generate from the latents of one fresh trajectory of the process for each row of theta (n, p).

    Yields the rows and their displacements (rows, length), in order, as many at a time as memory allows.
    Raises SpivaeError where the process makes nothing that can be encoded.
    """
    import torch

    at_once = max(1, _GENERATED_AT_ONCE // max(length, model.args.o_dim))
    for start in range(0, len(theta), at_once):
        rows = slice(start, min(start + at_once, len(theta)))
        with np.errstate(all="ignore"):  # what overflows is told in words
            z = encode_parameters(model, process, theta[rows], rng)
        if not np.isfinite(z).all():
            raise SpivaeError(f"process {process.name}: makes no trajectories there that a model can encode")

        def advance(done: int, _: int, before: int = start * length) -> None:
            if progress is not None:
                progress(before + done, len(theta) * length)

        generator = torch.Generator().manual_seed(int(rng.integers(2**63)))
        yield rows, generate(model, z, length, generator, advance)


def generate_cells(
    model: WaveNetVAE,
    process: Process,
    cells: Array,
    per_cell: int,
    length: int,
    rng: np.random.Generator,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[Array]:
    """For each row of cells (k, p) the displacements (per_cell, length) that `generate_like` makes of it."""
    of_a_cell = per_cell * length
    at_once = max(1, _GENERATED_AT_ONCE // of_a_cell)
    for start in range(0, len(cells), at_once):
        theta = np.repeat(cells[start : start + at_once], per_cell, axis=0)

        def advance(done: int, _: int, before: int = start * of_a_cell) -> None:
            if progress is not None:
                progress(before + done, len(cells) * of_a_cell)

        parts = [part for _, part in generate_like(model, process, theta, length, rng, advance)]
        yield from np.concatenate(parts).reshape(-1, per_cell, length)


def begins_at(model: WaveNetVAE) -> int:
    """The time of the process at which the first generated displacement begins: R + 1, or 0 with `use_pad`.

    Displacement k (counted from 1) is thus displacement k + R + 1 of the process: see `spivae.model.sampler`.
    """
    from spivae.model.sampler import conditioning_length

    return conditioning_length(model, 0)
