"""New trajectories from a model: of given latents, or of trajectories with given parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spivae.dataset import simulate_in_parts
from spivae.errors import SpivaeError
from spivae.process import Process

if TYPE_CHECKING:
    import torch

    from spivae.model.vae import WaveNetVAE

Array = npt.NDArray[Any]

# Trajectories whose noise is drawn together, and which are generated side by side: hundreds take little
# longer than one, but their conditioning (numbers, 64 MB) must fit, and the decoder makes it a few rows at a
# time, since its layers may be wider than its output.
_ROWS_AT_ONCE = 1024
_CONDITIONING_AT_ONCE = 16_000_000
_DECODED_AT_ONCE = 4_000_000
_ENCODED_AT_ONCE = 1024
_GENERATED_AT_ONCE = 8_000_000  # displacements (32 MB) between two looks at them


def encode_parameters(model: WaveNetVAE, process: Process, theta: Array, rng: np.random.Generator) -> Array:
    """Latents mu (n, Z) of one fresh trajectory of the process for each row of theta (n, p)."""
    mu = np.empty((len(theta), model.args.latents), dtype=np.float32)
    for rows, made in simulate_in_parts(process, theta, model.args.o_dim, rng):
        mu[rows] = encode(model, made.displacements[:, 0])[0]
    return mu


def encode(model: WaveNetVAE, displacements: Array) -> tuple[Array, Array]:
    """Latents mu and log-variances (n, Z) of displacements (n, L).

    Raises SpivaeError where L is not the model's, or where it has no latents.
    """
    import torch

    from spivae.model.moving import device_of, to_device, to_numpy

    x = np.asarray(displacements, dtype=np.float32)
    if not model.args.latents:
        raise SpivaeError("this model has no latents: it is a WaveNet alone")
    if x.ndim != 2 or x.shape[1] != model.args.o_dim:
        raise SpivaeError(f"displacements: need shape (n, {model.args.o_dim}), not {x.shape}")
    mu, logvar = (np.empty((len(x), model.args.latents), dtype=np.float32) for _ in range(2))
    with torch.inference_mode():
        for start in range(0, len(x), _ENCODED_AT_ONCE):
            rows = slice(start, start + _ENCODED_AT_ONCE)
            found = model.encode(to_device(torch.from_numpy(x[rows, None]), device_of(model)))
            mu[rows], logvar[rows] = map(to_numpy, found)
    return mu, logvar


def generate(
    model: WaveNetVAE,
    z: Array,
    length: int,
    generator: torch.Generator,
    progress: Callable[[int, int], None] | None = None,
) -> Array:
    """Displacements (n, length) float32, one trajectory for each row of latents z (n, Z)."""
    out = np.empty((len(z), max(0, length)), dtype=np.float32)
    for rows, made in generate_in_parts(model, z, length, generator, progress):
        out[rows] = made
    return out


def generate_in_parts(
    model: WaveNetVAE,
    z: Array,
    length: int,
    generator: torch.Generator,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[tuple[slice, Array]]:
    """What `generate` makes, in order: which rows, and their displacements (rows, length)."""
    import torch

    from spivae.model.moving import device_of, to_device, to_numpy
    from spivae.model.sampler import conditioning_length, draw_noise, sample

    z = np.asarray(z, dtype=np.float32)
    if z.ndim != 2 or z.shape[1] != model.args.latents or not len(z):
        raise SpivaeError(f"latents: need shape (n, {model.args.latents}), not {z.shape}")
    if length < 1:
        raise SpivaeError(f"length: needs at least 1, not {length}")
    full, device = conditioning_length(model, length), device_of(model)
    drawn = min(_ROWS_AT_ONCE, max(1, _CONDITIONING_AT_ONCE // (full * max(model.c_channels, 1))))
    for start in range(0, len(z), drawn):
        given = to_device(torch.from_numpy(z[start : start + drawn]), device)
        noise = draw_noise(length, len(given), generator)
        for rows, c in _conditionings(model, given, full):
            count, before = rows.stop - rows.start, (start + rows.start) * length

            def advance(step: int, _: int, count: int = count, before: int = before) -> None:
                if progress is not None:
                    progress(before + step * count, len(z) * length)

            made = sample(model, c, length, noise=noise[:, rows], count=count, progress=advance)
            yield slice(start + rows.start, start + rows.stop), to_numpy(made)


def _conditionings(
    model: WaveNetVAE, z: torch.Tensor, length: int
) -> Iterator[tuple[slice, torch.Tensor | None]]:
    """The conditioning (rows, C, length) of latents z (n, Z), as many rows at a time as memory allows.

    Every part is written over the one before. None where there is no VAE.
    """
    import torch

    if model.vae is None:
        yield slice(0, len(z)), None
        return
    with torch.inference_mode():
        channels = model.vae.decode(z[:1], length).shape[1]  # a scaled model's carries more than c_channels
    at_once = max(1, _CONDITIONING_AT_ONCE // (length * channels))
    decoded = max(1, _DECODED_AT_ONCE // (length * channels))
    whole = z.new_empty(min(at_once, len(z)), channels, length)
    for start in range(0, len(z), at_once):
        some = z[start : start + at_once]
        c = whole[: len(some)]
        with torch.inference_mode():
            for part, latents in zip(torch.split(c, decoded), torch.split(some, decoded), strict=True):
                part.copy_(model.vae.decode(latents, length))
        yield slice(start, start + len(some)), c


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
