"""What a training will cost on this machine: time by a short probe, memory and disk by counting."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import msgspec
import numpy as np
import torch

from spivae.dataset import simulate
from spivae.model.moving import to_device
from spivae.model.paths import losses, path_of, why_plain
from spivae.process import Process
from spivae.training.cells import KEPT_EPOCHS, MAX_CELLS, MAX_MEANS
from spivae.training.data import example, recipe_grid
from spivae.training.device import AUTO, usable_device
from spivae.training.memory import free_memory, needed_memory
from spivae.training.recipe import Recipe, to_table
from spivae.training.step import make_optimizer, train_step
from spivae.training.threads import check_threads, choose, free_threads, step_seconds

_SECONDS = 2.0  # of training steps; the other probes are shorter
_MADE = 4096  # trajectories on which their making is timed
# bytes of text: a record without its lists, a number with all its digits, and a rounded one of a cell
_RECORD, _NUMBER, _OF_CELL = 230, 21, 8


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
    is larger than the training set, or the `device` is not to be had.
    """
    check_threads(threads)
    device = usable_device(device)
    args, table, batch = recipe.model_args, recipe.training, recipe.training.batch
    cells = len(recipe_grid(recipe, process).cells)
    train, validation = (share * cells for share in recipe.shares(cells))
    recipe.check_batch(train)
    model = recipe.architecture.build(args, torch.Generator().manual_seed(table.seed)).to(device)
    x, noise = (to_device(torch.from_numpy(array), device) for array in example(recipe, process))
    optimizer = make_optimizer(model, 1e-6)

    def step() -> None:
        train_step(model, optimizer, x, noise, table.phase[-1].betas[1], table.clip, table.mean_lr)

    # beside a GPU, threads do nothing but make data
    threads = threads or (choose(step, free_threads()) if device == "cpu" else free_threads())
    of_step = step_seconds(step, [threads], seconds)[threads]
    of_validation = step_seconds(lambda: float(losses(model, x, noise).loss.mean()), [threads])[threads]

    steps = train // batch
    of_epoch = steps * of_step + math.ceil(validation / batch) * of_validation
    if recipe.dataset.fresh and recipe.dataset.file is None:
        of_epoch += train * _seconds_of_making(recipe, process)
    path = path_of(model)
    parameters = sum(weight.numel() for weight in model.parameters())
    return Cost(
        parameters=parameters,
        receptive_field=args.receptive_field,
        device=device,
        code_path=path,
        why_plain=why_plain(model),
        threads=threads,
        epochs=recipe.epochs,
        steps_per_epoch=steps,
        seconds_per_step=of_step,
        seconds_per_epoch=of_epoch,
        seconds=recipe.epochs * of_epoch,
        memory=needed_memory(recipe, process, threads, path == "fast"),
        memory_free=free_memory(),
        disk=_disk(recipe, parameters, steps, cells),
    )


def _seconds_of_making(recipe: Recipe, process: Process) -> float:
    """What a new trajectory takes, among many."""
    cells = recipe_grid(recipe, process).cells
    theta, rng = cells[np.arange(_MADE) % len(cells)], np.random.default_rng(recipe.dataset.seed)
    begin = time.perf_counter()
    simulate(process, theta, recipe.dataset.steps, rng)
    return (time.perf_counter() - begin) / _MADE


def _disk(recipe: Recipe, parameters: int, steps: int, cells: int) -> int:
    """Checkpoints (one a phase, the best and the final one, each with its history) and metrics."""
    latents, epochs = recipe.model_args.latents, recipe.epochs
    record = _RECORD + _NUMBER * latents
    of_cells = _OF_CELL * cells if cells <= MAX_CELLS else 0
    of_means = latents * of_cells if latents * cells <= MAX_MEANS else 0
    metrics = epochs * (steps * record + record + of_cells + of_means)
    history = epochs * record + min(epochs, KEPT_EPOCHS) * of_cells + of_means
    checkpoint = (
        4 * parameters
        + len(msgspec.json.encode(to_table(recipe)))
        + 120 * len(recipe.architecture.shapes(recipe.model_args))
    )
    return metrics + (len(recipe.training.phase) + 2) * (checkpoint + history)
