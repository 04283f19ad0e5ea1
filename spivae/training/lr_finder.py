"""The learning-rate finder: a short training at a rate that grows until it is too large, and its suggestion.

The test is Smith's (arXiv:1506.01186, section 3.3); sweep, smoothing and suggestions are those of fastai's
`Learner.lr_find`.
"""

from __future__ import annotations

import itertools
import math
from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from spivae.errors import SpivaeError, WorkFailed
from spivae.process import Process
from spivae.training.data import TrainingData
from spivae.training.recipe import Recipe
from spivae.training.schedule import LEAST_MOMENTUM

Array = npt.NDArray[np.float64]

LOW, HIGH, STEPS = 1e-7, 1.0, 100
FEWEST_STEPS = 10
SMOOTHING = 0.98  # what the smoothed loss keeps of its past at a step
DIVERGED = 4.0  # it has diverged where it is so many times the best, as `find_lr` tells
_LAST = 5  # steps at the end that suggestions leave out, as they do the first tenth
_SHORTEST_VALLEY = 3


@dataclass(frozen=True)
class Sweep:
    """Learning rates, the loss of each step and the smoothed loss (k,); k is below `steps` where it diverged.

    `phase` is the recipe's phase, counted from 0, whose `beta` weighs the KL in the loss.
    """

    lrs: Array
    losses: Array
    smooth: Array
    steps: int
    stopped: Literal["finished", "diverged"]
    phase: int
    beta: float

    def _judged(self) -> slice:
        return slice(self.steps // 10, max(0, len(self.lrs) - _LAST))

    @property
    def valley(self) -> float | None:
        """The suggested rate; None where the loss never fell for long enough."""
        part = self._judged()
        return valley(self.lrs[part], self.smooth[part])

    @property
    def steepest(self) -> float | None:
        """The rate at which the loss falls most quickly, often a bold one; None where it never falls."""
        part = self._judged()
        return steepest(self.lrs[part], self.smooth[part])

    def to_json(self) -> dict[str, Any]:
        """Plain values: lrs, losses, smooth, valley, steepest, steps, stopped, phase, beta."""
        return {
            "lrs": self.lrs.tolist(),
            "losses": self.losses.tolist(),
            "smooth": self.smooth.tolist(),
            "valley": self.valley,
            "steepest": self.steepest,
            "steps": self.steps,
            "stopped": self.stopped,
            "phase": self.phase,
            "beta": self.beta,
        }


def valley(lrs: Array, losses: Array) -> float | None:
    """The rate in the middle of the longest valley of smoothed losses (k,); None where there is none.

    The valley ends where the longest strictly falling subsequence of the losses does, at the first such
    place, and is as many steps long as that has members. The suggestion is a third and half a third of its
    length after its beginning: `valley` of fastai 2 (fastai/callback/schedule.py).
    """
    lengths = _falling_lengths(losses)
    longest = max(lengths, default=0)
    if longest < _SHORTEST_VALLEY:
        return None
    end = lengths.index(longest)
    third = longest / 3
    return float(lrs[end - longest + int(third) + int(third / 2)])


def _falling_lengths(losses: Array) -> list[int]:
    """For each value, how many members the longest strictly falling subsequence that ends with it has."""
    # ends[n] is the least negative loss with which a subsequence of n + 1 members can end
    ends: list[float] = []
    lengths = []
    for loss in losses.tolist():
        place = bisect_left(ends, -loss)
        ends[place : place + 1] = [-loss]
        lengths.append(place + 1)
    return lengths


def steepest(lrs: Array, losses: Array) -> float | None:
    """The rate after which smoothed losses (k,) fall most steeply along log lr; None where they never do."""
    slopes = np.diff(losses) / np.diff(np.log(lrs))
    if not slopes.size or not slopes.min() < 0:
        return None
    return float(lrs[slopes.argmin()])


def find_lr(
    recipe: Recipe,
    process: Process,
    *,
    phase: int = 0,
    low: float = LOW,
    high: float = HIGH,
    steps: int = STEPS,
    progress: Callable[[int, int], None] | None = None,
) -> Sweep:
    """Train a fresh model for `steps` steps at rates from `low` to `high`, evenly spaced in their logarithm.

    Weights, trajectories, batch size, clipping and momentum are those of the recipe, and beta that of `phase`
    (counted from 0); equal recipes give equal sweeps. It ends early where the loss is not finite, or the
    smoothed one has risen by as much as makes a best of 1 nat per step, or more, `DIVERGED` times as large: a
    log-likelihood has no natural zero. `progress(done, total)` is called after each step, and may raise to
    stop. Raises SpivaeError for bounds, steps or a phase that cannot be, WorkFailed where the first loss is
    not finite.
    """
    check_sweep(recipe, phase, low, high, steps)
    import torch

    from spivae.training.step import make_optimizer, set_rates, train_step

    beta, clip = recipe.training.phase[phase].betas[0], recipe.training.clip
    model = recipe.architecture.build(recipe.model_args, torch.Generator().manual_seed(recipe.training.seed))
    optimizer = make_optimizer(model, low)
    rates = np.geomspace(low, high, steps)
    losses: list[float] = []
    smooth: list[float] = []
    mean, best, stopped = 0.0, math.inf, False
    for rate, (x, noise) in zip(rates.tolist(), _batches(recipe, process, steps), strict=False):
        set_rates(optimizer, (rate, LEAST_MOMENTUM))
        loss = train_step(model, optimizer, torch.from_numpy(x), torch.from_numpy(noise), beta, clip).loss
        if not math.isfinite(loss):
            if not losses:
                raise WorkFailed(
                    f"the loss is not finite at the first step, with a learning rate of {rate:g}: look at "
                    "the recipe's data, or try another training.seed"
                )
            stopped = True
            break
        mean = SMOOTHING * mean + (1 - SMOOTHING) * loss
        losses.append(loss)
        smooth.append(mean / (1 - SMOOTHING ** len(losses)))  # without the bias of its start
        best = min(best, smooth[-1])
        if progress is not None:
            progress(len(losses), steps)
        if smooth[-1] > best + (DIVERGED - 1) * max(abs(best), 1.0):
            stopped = True
            break
    return Sweep(
        lrs=rates[: len(losses)],
        losses=np.array(losses),
        smooth=np.array(smooth),
        steps=steps,
        stopped="diverged" if stopped else "finished",
        phase=phase,
        beta=beta,
    )


def check_sweep(recipe: Recipe, phase: int, low: float, high: float, steps: int) -> None:
    """Refuse a sweep that cannot be made. Raises SpivaeError."""
    count = len(recipe.training.phase)
    if not 0 <= phase < count:
        there = "phase 0 alone" if count == 1 else f"phases 0 to {count - 1}"
        raise SpivaeError(f"phase: there is no phase {phase}; the recipe has {there}")
    if steps < FEWEST_STEPS:
        raise SpivaeError(f"steps: needs at least {FEWEST_STEPS}, not {steps}")
    if not 0 < low < math.inf or not math.isfinite(high):
        raise SpivaeError(f"low, high: need numbers above 0, not {low:g} and {high:g}")
    if low >= high:
        raise SpivaeError(f"low: {low:g} is not below high ({high:g})")


def _batches(recipe: Recipe, process: Process, steps: int) -> Iterator[tuple[Any, Any]]:
    """Batches of the recipe's training, epoch after epoch; no more is simulated than `steps` of them need."""
    table = recipe.dataset
    if table.file is None:
        needed = math.ceil(steps * recipe.training.batch / (1 - table.validation))
        table = msgspec.structs.replace(table, trajectories=min(table.trajectories, needed))
    data = TrainingData.prepare(msgspec.structs.replace(recipe, dataset=table), process)
    for epoch in itertools.count():
        yield from data.batches(epoch)
