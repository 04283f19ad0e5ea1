"""What a training will cost on this machine: time by a short probe, memory and disk by counting."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import msgspec
import numpy as np
import torch

from spivae.blocks import limit_threads
from spivae.cores import usable_threads
from spivae.dataset import simulate
from spivae.layout import Wanted, read_npz
from spivae.model.moving import to_device
from spivae.model.paths import losses, path_of, why_plain
from spivae.observation import observed
from spivae.process import Process
from spivae.training.cells import KEPT_EPOCHS, MAX_CELLS, MAX_MEANS
from spivae.training.data import example, recipe_grid, sizes
from spivae.training.device import AUTO, usable_device
from spivae.training.memory import check_memory, free_memory, memory_of_weights, needed_memory, weights_of
from spivae.training.recipe import Recipe, to_table
from spivae.training.step import make_optimizer, train_step
from spivae.training.threads import check_threads, choose, free_threads, step_seconds

_SECONDS = 2.0  # of training steps; the other probes are shorter
# trajectories on which their making is timed: at most so many, and so many displacements
_MADE, _MADE_DISPLACEMENTS = 4096, 1 << 21
# bytes of text: a record without its lists, a number with all its digits, a rounded one of a cell, and the
# entry of a tensor in a header
_RECORD, _NUMBER, _OF_CELL, _OF_TENSOR = 230, 21, 8, 120


@dataclass(frozen=True)
class Cost:
    """Times in seconds, memory and disk in bytes."""

    parameters: int
    receptive_field: int
    device: str
    code_path: str
    why_plain: str | None
    threads: int
    epochs: int
    steps_per_epoch: int
    seconds_per_step: float
    seconds_per_epoch: float
    seconds: float
    memory: int
    memory_free: int
    disk: int


def estimate(
    recipe: Recipe,
    process: Process,
    threads: int | None = None,
    seconds: float = _SECONDS,
    device: str = AUTO,
) -> Cost:
    """Train a little on examples, about `seconds` long, and tell from it what the whole recipe costs.

    `threads` are chosen as a training chooses them where they are not given. Raises SpivaeError where a batch
    is larger than the training set, or the `device` is not to be had; WorkFailed where the memory does not
    suffice.
    """
    check_threads(threads)
    limit_threads(threads or 1)
    device = usable_device(device)
    args, table, batch = recipe.model_args, recipe.training, recipe.training.batch
    cells = len(recipe_grid(recipe, process).cells)
    train, validation = sizes(recipe, cells)
    recipe.check_batch(train)
    check_memory(memory_of_weights(recipe))
    model = recipe.architecture.build(args, torch.Generator().manual_seed(table.seed)).to(device)
    fast = path_of(model) == "fast"
    check_memory(needed_memory(recipe, process, threads or usable_threads(), fast))
    x, noise = (to_device(torch.from_numpy(array), device) for array in example(recipe, process))
    optimizer = make_optimizer(model, 1e-6)

    def step() -> None:
        train_step(model, optimizer, x, noise, table.phase[-1].betas[1], table.clip, table.mean_lr)

    # beside a GPU, threads do nothing but make data
    threads = threads or (choose(step, free_threads()) if device == "cpu" else free_threads())
    limit_threads(threads)
    of_step = step_seconds(step, [threads], seconds)[threads]
    of_validation = step_seconds(lambda: float(losses(model, x, noise).loss.mean()), [threads])[threads]

    steps = train // batch
    of_epoch = steps * of_step + math.ceil(validation / batch) * of_validation
    if recipe.dataset.file is not None:
        before = (train + validation) * _seconds_of_reading(recipe, process)
    else:
        of_trajectory = _seconds_of_making(recipe, process)
        before = validation * of_trajectory
        if recipe.dataset.fresh:
            of_epoch += train * of_trajectory
        else:
            before += train * of_trajectory
    return Cost(
        parameters=weights_of(recipe),
        receptive_field=args.receptive_field,
        device=device,
        code_path=path_of(model),
        why_plain=why_plain(model),
        threads=threads,
        epochs=recipe.epochs,
        steps_per_epoch=steps,
        seconds_per_step=of_step,
        seconds_per_epoch=of_epoch,
        seconds=before + recipe.epochs * of_epoch,
        memory=needed_memory(recipe, process, threads, fast),
        memory_free=free_memory(),
        disk=_disk(recipe, steps, cells),
    )


def _seconds_of_making(recipe: Recipe, process: Process) -> float:
    """What a new trajectory takes, among many."""
    process = observed(process, recipe.observation.noise, recipe.observation.blur)
    cells = recipe_grid(recipe, process).cells
    steps, rng = recipe.dataset.steps, np.random.default_rng(recipe.dataset.seed)
    count = max(1, min(_MADE, _MADE_DISPLACEMENTS // steps))
    theta = cells[np.arange(count) % len(cells)]
    begin = time.perf_counter()
    simulate(process, theta, steps, rng)
    return (time.perf_counter() - begin) / count


def _seconds_of_reading(recipe: Recipe, process: Process) -> float:
    """What a trajectory of the file takes, by the first ones. Raises SpivaeError where these do not fit."""
    table, grid = recipe.dataset, recipe_grid(recipe, process)
    assert table.file is not None
    per_cell, rows, begin = sum(recipe.shares(len(grid.cells))), 0, time.perf_counter()
    for part in read_npz(table.file, process.names, Wanted(grid, per_cell, table.steps)):
        rows += len(part)
        if rows >= _MADE:
            break
    return (time.perf_counter() - begin) / rows


def _disk(recipe: Recipe, steps: int, cells: int) -> int:
    """Of a run just before its end: checkpoints, each with its history, the state, and the metrics.

    Checkpoints are one a phase, the best and the final one; the last one and the state come where there are
    more steps than those between two of them. The largest file counts twice: a new one is written beside it.
    """
    latents, epochs = recipe.model_args.latents, recipe.epochs
    record = _RECORD + _NUMBER * latents
    of_cells = _OF_CELL * cells if cells <= MAX_CELLS else 0
    of_means = latents * of_cells if latents * cells <= MAX_MEANS else 0
    metrics = epochs * (steps * record + record + of_cells + of_means)
    history = epochs * record + min(epochs, KEPT_EPOCHS) * of_cells + of_means
    table, parameters = recipe.training, weights_of(recipe)
    weights = len(recipe.architecture.shapes(recipe.model_args))
    recipe_text = len(msgspec.json.encode(to_table(recipe)))
    checkpoint = 4 * parameters + recipe_text + _OF_TENSOR * weights + history
    count, state = len(table.phase) + 2, 0
    if epochs * steps >= table.checkpoint_every:
        count += 1
        state = 12 * parameters + 4 * _OF_TENSOR * weights + 8 * steps
    return metrics + count * checkpoint + state + max(checkpoint, state)
