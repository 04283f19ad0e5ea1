"""The true law of a process on a grid, as a model's losses are compared with it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from spivae.dataset import Dataset, Grid
from spivae.limits import conditional_log_likelihood, entropies
from spivae.process import Process

Array = npt.NDArray[Any]


class Exact:
    """Likelihood and entropy of the steps after the first `given` ones, in nats per step.

    `entropy` (cells,) is that given all the past, the expectation of `nll`; `window_entropy` (cells,) that
    given no more than the `window` steps before, which is what a model with that receptive field can reach.
    """

    def __init__(self, process: Process, grid: Grid, steps: int, given: int, window: int) -> None:
        self._process = process
        self._given = given
        self.steps = steps - given
        self.entropy = entropies(process, grid.cells, steps, given)
        self.window_entropy = entropies(process, grid.cells, steps, given, window)

    def nll(self, dataset: Dataset) -> Array:
        """The true NLL per step (n,) of each trajectory."""
        x = dataset.displacements[:, 0]
        found = conditional_log_likelihood(self._process, x, dataset.theta, self._given)
        return np.asarray(-found / self.steps)
