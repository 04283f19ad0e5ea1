"""A model's bound on fresh trajectories beside the limits of the process, and the gap between them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from spivae.dataset import Grid
from spivae.evaluation.bound import Bound, measure
from spivae.evaluation.exact import Exact
from spivae.evaluation.gap import Gap
from spivae.limits import Limits, has_limits, limits
from spivae.process import Process

if TYPE_CHECKING:
    from spivae.model.vae import WaveNetVAE

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Comparison:
    """A model's bound on a grid; `limits` and `gap` are None for a process without exact limits."""

    grid: Grid
    bound: Bound
    limits: Limits | None
    gap: Gap | None


def compare(
    model: WaveNetVAE,
    process: Process,
    grid: Grid,
    n: int,
    seed: int,
    *,
    beta: float | None = None,
    progress: Progress = lambda done, total, what: None,
) -> Comparison:
    """Judge a model on at least n fresh trajectories, as many in each cell of the grid.

    `beta` is the weight of the KL term in its training, where that is known. The same seed gives the same
    figures, whatever else is computed. Raises SpivaeError for a grid of another process.
    """
    import torch

    args, grid = model.args, grid.ordered(process)
    exact = known = None
    if has_limits(process):
        progress(0, 1, "finding the limits")
        given, window = args.first_predicted, model.receptive_field
        exact = Exact(process, grid, args.o_dim, given, window)
        known = limits(process, grid, args.o_dim, given, np.random.default_rng([seed, 0]), n=n, window=window)
    bound = measure(
        model,
        process,
        grid,
        max(1, math.ceil(n / len(grid.cells))),
        np.random.default_rng([seed, 1]),
        torch.Generator().manual_seed(seed),
        exact,
        lambda done, total: progress(done, total, "evaluating"),
    )
    return Comparison(grid, bound, known, None if known is None else Gap.of(bound, known, beta))
