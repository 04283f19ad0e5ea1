"""The least that a model can lose: the entropy of the steps, and the information about the parameters.

With H the mean entropy per step given the true parameters, I the information a trajectory holds about its
cell of the grid, and R given steps of L, the entropy of the rest is (L - R) H + I - I_R (the chain rule): no
-ELBO on fresh trajectories is below `floor`. A latent code that tells all that the trajectory knows, and is
paid for in full, reaches `bound`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from spivae.cell_sums import CellSums
from spivae.dataset import Grid, rows_at_once, simulate_grid
from spivae.errors import SpivaeError
from spivae.limits.gaussian import likelihoods, parts
from spivae.limits.moments import AT_ONCE, checked_first, checked_theta, covariances, require_limits, root_of
from spivae.limits.shapes import Shapes, shapes_of
from spivae.process import Process

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Limits:
    """Exact limits of a process on a grid, for trajectories of L `steps` of which the first R are given.

    `entropy` is the mean over the grid of the entropy of a step, given the parameters and the `window` steps
    before it (what a model sees); `entropy_all_past` given all before it: both exact, in nats per step.
    `information` (of L steps) and `information_first` (of the first R) are nats, by Monte Carlo over `n`
    trajectories, with standard errors.
    """

    process: str
    steps: int
    receptive_field: int
    window: int
    cells: int
    n: int
    entropy: float
    entropy_all_past: float
    information: float
    information_se: float
    information_first: float
    information_first_se: float
    floor_se: float

    @property
    def predicted(self) -> int:
        """L - R, the number of steps that a model predicts."""
        return self.steps - self.receptive_field

    @property
    def floor(self) -> float:
        """No -ELBO per step is below it on average: H + (I - I_R) / (L - R) with all the past known."""
        return self.entropy_all_past + (self.information - self.information_first) / self.predicted

    @property
    def bound(self) -> float:
        """-ELBO per step of a model that sees `window` steps and pays for all it knows: H + I / (L - R)."""
        return self.entropy + self.information / self.predicted

    @property
    def bound_se(self) -> float:
        """The standard error of `bound`."""
        return self.information_se / self.predicted


def limits(
    process: Process,
    grid: Grid,
    steps: int,
    receptive_field: int,
    rng: np.random.Generator,
    *,
    n: int = 4000,
    window: int | None = None,
) -> Limits:
    """The limits of a process on a grid, from at least n trajectories, as many (2 or more) in every cell.

    `window` is how many steps a model sees before the one it predicts, the receptive field unless told
    otherwise. Raises SpivaeError where the process has no covariance, the grid is another process's, or the
    receptive field leaves no steps.
    """
    require_limits(process)
    cells = grid.ordered(process).cells
    checked_first(receptive_field, steps)
    window = receptive_field if window is None else window
    per_cell = max(2, math.ceil(n / len(cells)))
    sums = CellSums(len(cells), 3)
    for block in parts(per_cell, rows_at_once(steps) // len(cells)):
        count = block.stop - block.start
        x = simulate_grid(process, grid, count, steps, rng).displacements[:, 0]
        whole, first = information(process, x, cells), np.zeros(len(x))
        if receptive_field:
            first = information(process, x[:, :receptive_field], cells)
        sums.add(np.stack([whole, first, whole - first], axis=-1).reshape(len(cells), count, 3))
    mean, error = sums.mean.mean(axis=0), sums.error
    return Limits(
        process=process.name,
        steps=steps,
        receptive_field=receptive_field,
        window=window,
        cells=len(cells),
        n=sums.n,
        entropy=float(entropies(process, cells, steps, receptive_field, window).mean()),
        entropy_all_past=float(entropies(process, cells, steps, receptive_field).mean()),
        information=float(mean[0]),
        information_se=float(error[0]),
        information_first=float(mean[1]),
        information_first_se=float(error[1]),
        floor_se=float(error[2]) / (steps - receptive_field),
    )


def entropies(process: Process, theta: Array, steps: int, first: int = 0, window: int | None = None) -> Array:
    """Mean entropy (n,) of the steps after the `first` ones, in nats per step, at parameters theta (n, p).

    Each step's is that given the `window` steps before it, or all of them where window is None; exact.
    """
    shapes, deviations = _deviations(process, theta, steps, window, first)
    mean = np.fromiter((log_sd[first:].mean() for log_sd in deviations), float, len(shapes.rows))
    return np.asarray(0.5 * (math.log(2 * math.pi * math.e) + shapes.log_scale) + mean[shapes.index])


def step_deviations(process: Process, theta: Array, steps: int, window: int | None = None) -> Array:
    """Standard deviations (n, steps) of each step, given the `window` steps before it and theta (n, p).

    Given all steps before it where window is None; exact. It is what the best prediction is off by. Raises
    SpivaeError where the process has no covariance.
    """
    shapes, deviations = _deviations(process, theta, steps, window)
    log_sd = np.stack(list(deviations)) if len(shapes.rows) else np.empty((0, steps))
    return np.asarray(np.exp(log_sd[shapes.index] + shapes.log_scale[:, None] / 2))


def _deviations(
    process: Process, theta: Array, steps: int, window: int | None, first: int = 0
) -> tuple[Shapes, Iterator[Array]]:
    """The shapes of theta (n, p), and for each the logarithms of the standard deviations of its steps."""
    require_limits(process)
    theta = checked_theta(process, theta)
    checked_first(first, steps)
    if window is not None and window < 0:
        raise SpivaeError(f"window: needs to be 0 or more, not {window}")
    shapes = shapes_of(process, theta, steps)
    at_once = max(1, AT_ONCE // steps**2)

    def each() -> Iterator[Array]:
        for start in range(0, len(shapes.rows), at_once):
            rows = shapes.rows[start : start + at_once]
            for row, covariance in zip(rows, covariances(process, rows, steps), strict=True):
                yield _log_sd(process, row, covariance, window)

    return shapes, each()


def information(process: Process, x: Array, cells: Array) -> Array:
    """What each trajectory x (n, L) tells about which of `cells` (m, p) it is from, in nats (n,).

    It is the divergence of the posterior on the cells from the uniform prior. Its mean over trajectories of
    all cells alike is the mutual information; other than ln p(x | cell) / p(x), which has the same mean, it
    does not vary with the true cell.
    """
    out = np.empty(len(x))
    for rows, part in likelihoods(process, x, cells):
        part -= part.max(axis=1, keepdims=True)
        weight = np.exp(part)
        total = weight.sum(axis=1)
        out[rows] = math.log(len(cells)) + np.einsum("nm,nm->n", weight, part) / total - np.log(total)
    return out


def optimal_nll(limits: Limits, d: float, weight: float) -> float:
    """NLL per step of the best model with d informative latents, beta times the predicted steps = weight.

    Second order in the latents' posterior width, so near weight 1: H - (d / 2) (1 - weight) / (L - R).
    """
    return limits.entropy - d / 2 * (1 - weight) / limits.predicted


def optimal_kl(limits: Limits, d: float, weight: float) -> float:
    """KL divergence in nats of the same model: I - (d / 2) ln(weight)."""
    if weight <= 0:
        raise SpivaeError(f"weight: needs to be above 0, not {weight}")
    return limits.information - d / 2 * math.log(weight)


def _log_sd(process: Process, theta: Array, covariance: Array, window: int | None) -> Array:
    """Logarithm of each step's standard deviation (L,), given up to `window` steps before it."""
    root = root_of(process, theta, covariance)
    if root.ndim == 1:
        return np.asarray(np.log(root))
    log_sd = np.array(np.log(root.diagonal()))
    if window is None or window + 1 >= len(log_sd):
        return log_sd
    # blocks (L - window, window + 1, window + 1) along the diagonal; each ends with the step it is about
    blocks = np.lib.stride_tricks.sliding_window_view(covariance, (window + 1, window + 1))
    blocks = blocks.diagonal().transpose(2, 0, 1)
    if np.array_equal(covariance[1:, 1:], covariance[:-1, :-1]):
        log_sd[window:] = np.log(root_of(process, theta, blocks[0])[-1, -1])
        return log_sd
    at_once = max(1, AT_ONCE // (window + 1) ** 2)
    for start in range(0, len(blocks), at_once):
        part = root_of(process, theta, blocks[start : start + at_once])[:, -1, -1]
        log_sd[window + start : window + start + len(part)] = np.log(part)
    return log_sd
