"""How well estimates meet the parameters that made the trajectories, whoever estimates.

Parameters are drawn uniformly from the training range, each on its own scale, and judged on that scale: ln D
for a D with a log scale. On the cells of a grid, a regression that has seen the cells would look better than
any estimator can be.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from spivae.dataset import Grid
from spivae.errors import SpivaeError
from spivae.process import Array, Process
from spivae.regression import regress


@dataclass(frozen=True)
class Accuracy:
    """Mean absolute error, R^2 and efficiency of one parameter's estimates, on the parameter's own scale.

    The efficiency is the mean squared error of the Bayes posterior mean over that of the estimates, on the
    same trajectories; None where the posterior is not known. All are of the trajectories that have an
    estimate, which are the share `answered`.
    """

    mae: float
    r2: float
    efficiency: float | None = None
    answered: float = 1.0


def scaled_names(process: Process) -> tuple[str, ...]:
    """The parameters' names on their own scales: alpha, lnD."""
    return tuple(f"ln{p.name}" if p.scale == "log" else p.name for p in process.parameters)


def scaled(process: Process, theta: Array) -> Array:
    """Parameters (n, p) on their own scales: the logarithm of those with a log scale."""
    columns = zip(process.parameters, np.asarray(theta, dtype=float).T, strict=True)
    return np.stack([parameter.to_scale(column) for parameter, column in columns], axis=1)


def uniform(process: Process, n: int, rng: np.random.Generator, grid: Grid | None = None) -> Array:
    """Parameters (n, p), uniform on their own scales between the ends of a grid, or else of their ranges."""
    columns = []
    for parameter in process.parameters:
        ends = [parameter.low, parameter.high] if grid is None else grid.values[parameter.name]
        on_scale = parameter.to_scale(np.asarray(ends))
        columns.append(parameter.from_scale(rng.uniform(on_scale.min(), on_scale.max(), n)))
    return np.stack(columns, axis=1)


def accuracy(
    process: Process, estimates: Array, truth: Array, bayes: Array | None = None
) -> dict[str, Accuracy]:
    """The accuracy of each parameter's estimates (n, p) of `truth` (n, p), all on the parameters' own scales.

    An estimate that is NaN or infinite is none. `bayes` (n, p) are the posterior means on the same
    trajectories, where they are known. Raises SpivaeError where the shapes differ.
    """
    for what, values in (("estimates", estimates), ("posterior means", bayes)):
        if values is not None and values.shape != truth.shape:
            raise SpivaeError(f"{what}: need shape {truth.shape}, as the true parameters, not {values.shape}")
    found = {}
    for k, name in enumerate(scaled_names(process)):
        answered = np.isfinite(estimates[:, k])
        target = truth[answered, k]
        error = estimates[answered, k] - target
        limit = None if bayes is None else bayes[answered, k] - target
        found[name] = Accuracy(
            mae=_mean(np.abs(error)),
            r2=1 - _over(_mean(error**2), _mean((target - _mean(target)) ** 2)),
            efficiency=None if limit is None else _over(_mean(limit**2), _mean(error**2)),
            answered=_mean(answered),
        )
    return found


def _mean(values: Array) -> float:
    return float(np.mean(values)) if len(values) else math.nan


def _over(part: float, whole: float) -> float:
    return part / whole if whole > 0 else math.nan


def learned(features: Array, truth: Array, rng: np.random.Generator, folds: int = 5) -> Array:
    """Estimates (n, p) of `truth` (n, p) from features (n, d), such as surviving latents: see `regress`."""
    return np.stack([regress(features, column, folds, rng) for column in truth.T], axis=1)
