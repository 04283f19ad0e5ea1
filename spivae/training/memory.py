"""The memory that a training needs, and the memory that there is."""

from __future__ import annotations

import math
import tracemalloc
from collections.abc import Callable

import numpy as np

from spivae.cgroups import memory_left
from spivae.dataset import simulate
from spivae.errors import WorkFailed
from spivae.model.base import Arguments
from spivae.model.fast.step import ROWS
from spivae.model.fast.threads import parts
from spivae.observation import observed
from spivae.process import Array, Process
from spivae.training.data import recipe_grid, sizes
from spivae.training.recipe import Recipe

# Python with torch; measured, as are the numbers below, as the peak of trainings of several shapes of both
# architectures
_BASE = 380 << 20
_SIZES = 3  # of parts for which a thread of the fast path keeps places: see spivae.model.fast.plans
# of a weight: itself, its gradient and the optimizer's two means; and four copies of what is saved of these
_BYTES_OF_WEIGHT = 16 + 48
# trajectories that are drawn to see what they take: at most so many, and so many displacements
_DRAWN, _DRAWN_DISPLACEMENTS = 8192, 1 << 22
_BYTES_OF_FILE = 8  # of a displacement, while those of cells are joined, and while they are split


def needed_memory(recipe: Recipe, process: Process, threads: int, fast: bool) -> int:
    """Bytes that a training takes at its peak, on the safe side: up to a third above what is measured.

    A few trajectories are drawn for that. Raises as the process does.
    """
    args = recipe.model_args
    threads = min(threads, recipe.training.batch)  # more have no rows
    if fast:
        numbers = _displacements_kept(recipe, process, threads) * _numbers_kept(args)
        numbers += (threads + 1) * weights_of(recipe)  # the gradients of each thread, and their sums
    else:
        numbers = args.o_dim * recipe.training.batch * _numbers(args)
    return memory_of_weights(recipe) + _data(recipe, process) + int(4 * numbers)


def memory_of_weights(recipe: Recipe) -> int:
    """What it takes at least, whatever its data: Python, torch, and the model as it is trained and saved."""
    return _BASE + _BYTES_OF_WEIGHT * weights_of(recipe)


def weights_of(recipe: Recipe) -> int:
    """How many weights the model has."""
    return sum(math.prod(shape) for shape in recipe.architecture.shapes(recipe.model_args).values())


def _data(recipe: Recipe, process: Process) -> int:
    """Bytes of the trajectories: of those of the validation set, and of the others while they are made."""
    seen = observed(process, recipe.observation.noise, recipe.observation.blur)
    cells, steps = recipe_grid(recipe, seen).cells, recipe.dataset.steps
    train, validation = sizes(recipe, len(cells))
    order = train * (8 + 4 * recipe.model_args.latents)  # of an epoch, with its latent noise
    if recipe.dataset.file is not None:
        return order + _BYTES_OF_FILE * steps * (train + validation)
    drawn = _while_drawn(seen, cells, train, steps)
    return order + int(max(drawn * validation, 4 * steps * validation + drawn * train))


def _while_drawn(process: Process, cells: Array, total: int, steps: int) -> float:
    """Bytes that are held for each trajectory while so many are drawn, as many in every cell.

    By what is held while some of them are, evenly spread, because neighbours in a cell may share numbers.
    """
    count = min(total, _DRAWN, max(1, _DRAWN_DISPLACEMENTS // steps))
    theta = cells[np.linspace(0, total - 1, count).astype(int) * len(cells) // total]
    return peak(lambda: simulate(process, theta, steps, np.random.default_rng(0))) / count


def peak(work: Callable[[], object]) -> int:
    """The most that Python and NumPy hold at a time for some work, in bytes; torch's own is not seen."""
    traced = tracemalloc.is_tracing()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        work()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        if not traced:
            tracemalloc.stop()


def _numbers(args: Arguments) -> int:
    """Numbers that a pass keeps for each displacement, and the gradients of some of them."""
    blocks = args.layer_size * args.stack_size
    encoder: tuple[int, ...] = getattr(args, "nf", ())
    return 2 * (6 * blocks * args.res_channels + 4 * args.skip_channels + 3 * sum(encoder))


def _numbers_kept(args: Arguments) -> float:
    """The same of the fast path, which has places for all gradients, but shares those of the blocks."""
    res, skip = args.res_channels, args.skip_channels
    encoder: tuple[int, ...] = getattr(args, "nf", ())
    trunk = 5 * args.layer_size * res + 4 * (res + skip) + 3 * args.num_mixtures
    given = 2 * (args.c_channels + args.res_kernel_size + 8)
    return 1.1 * (trunk + given + 3 * sum(encoder)) + getattr(args, "linear", 0)


def _displacements_kept(recipe: Recipe, process: Process, threads: int) -> int:
    """For how many displacements the fast path has places: a thread keeps them for several sizes of parts.

    Batches, and the last one of the validation set, are shared out, and each share is cut into parts.
    """
    args, batch = recipe.model_args, recipe.training.batch
    _, validation = sizes(recipe, len(recipe_grid(recipe, process).cells))
    # where the first steps are learnt too, there are as many more before them
    learnt = args.o_dim + (args.receptive_field if getattr(args, "whole", False) else 0)
    judged = {batch, validation % batch} - {0}
    passes = [(batch, learnt), *((size, args.o_dim) for size in judged)]
    total = 0
    for thread in range(threads):
        kept = {
            (part.stop - part.start) * length
            for size, length in passes
            if thread < size  # or it has no rows
            for part in parts(_share(size, thread, threads), max(1, ROWS // args.o_dim))
        }
        total += sum(sorted(kept)[-_SIZES:])
    return total


def _share(rows: int, thread: int, threads: int) -> slice:
    threads = min(threads, rows)
    return slice(*(rows * k // threads for k in (thread, thread + 1)))


def free_memory() -> int:
    """Bytes that this process may still take, by the system and by its groups (container, job, session)."""
    import psutil

    told = memory_left()
    of_system = int(psutil.virtual_memory().available)
    return of_system if told is None else min(told, of_system)


def check_memory(needed: int) -> None:
    """Raise WorkFailed where less memory is free than is needed."""
    free = free_memory()
    if needed > free:
        raise WorkFailed(
            f"not enough memory: this training needs about {_size(needed)}, and {_size(free)} are free; "
            "lower dataset.trajectories or training.batch, or end other programs"
        )


def _size(count: int) -> str:
    return f"{count / 1e9:.2g} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"
