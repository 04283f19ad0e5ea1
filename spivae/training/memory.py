"""The memory that a training needs, and the memory that there is."""

from __future__ import annotations

import math

from spivae.cgroups import memory_left
from spivae.errors import WorkFailed
from spivae.model.base import Arguments
from spivae.process import Process
from spivae.training.data import recipe_grid
from spivae.training.recipe import Recipe

# Python with torch; measured, as are the numbers below, as the peak of trainings of several shapes of both
# architectures
_BASE = 360 << 20
_ROWS = 25600  # displacements that a thread of the fast path holds at once: see spivae.model.fast.step
# of a displacement: while those of the next epoch are made; read in float64 and kept in 32
_BYTES_OF_FRESH, _BYTES_OF_FILE = 8, 24


def needed_memory(recipe: Recipe, process: Process, threads: int, fast: bool) -> int:
    """Bytes that a training takes at its peak, on the safe side: up to a third above what is measured."""
    args, table = recipe.model_args, recipe.dataset
    cells = len(recipe_grid(recipe, process).cells)
    train, validation = (share * cells for share in recipe.shares(cells))
    if table.file is not None:
        data = _BYTES_OF_FILE * (train + validation)
    else:
        data = _BYTES_OF_FRESH * train + 4 * validation
    batch = args.o_dim * recipe.training.batch
    if fast:
        # for parts of a batch, and smaller ones of the last batch of the validation set
        activations = 1.5 * _numbers_kept(args) * min(batch, threads * max(_ROWS, args.o_dim))
    else:
        activations = _numbers(args) * batch
    weights = sum(math.prod(shape) for shape in recipe.architecture.shapes(args).values())
    # of every weight: itself, its gradient and the optimizer's two means
    return _BASE + args.o_dim * data + int(4 * activations) + 16 * weights


def _numbers(args: Arguments) -> int:
    """Numbers that a pass keeps for each displacement, and the gradients of some of them."""
    blocks = args.layer_size * args.stack_size
    encoder: tuple[int, ...] = getattr(args, "nf", ())
    return 2 * (6 * blocks * args.res_channels + 4 * args.skip_channels + 3 * sum(encoder))


def _numbers_kept(args: Arguments) -> int:
    """The same of the fast path, which has places for all gradients, but shares those of the blocks."""
    res, skip = args.res_channels, args.skip_channels
    encoder: tuple[int, ...] = getattr(args, "nf", ())
    return args.layer_size * (4 * res + args.c_channels + 2) + 4 * (res + skip + sum(encoder)) + 24


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
