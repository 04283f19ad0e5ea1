"""Means over balanced cells and spreads within them, of numbers that come in parts."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


class CellSums:
    """What is left of v numbers of each trajectory, where every cell has as many trajectories.

    `count` is the number of trajectories in each cell, `mean` (cells, v) theirs, and `within` (v, v) the
    products of deviations from the mean of the own cell, summed over all trajectories. Parts are merged as
    Chan, Golub and LeVeque do (Am. Stat. 37, 242 (1983)), so that no large sums are subtracted.
    """

    def __init__(self, cells: int, numbers: int) -> None:
        self.count = 0
        self.mean = np.zeros((cells, numbers))
        self.within = np.zeros((numbers, numbers))

    def add(self, part: Array) -> None:
        """More trajectories (cells, k, v)."""
        more, mean = part.shape[1], part.mean(axis=1, dtype=np.float64)
        inside = (part - mean[:, None]).reshape(-1, part.shape[2])
        shift, total = mean - self.mean, self.count + more
        self.within += inside.T @ inside + self.count * more / total * (shift.T @ shift)
        self.mean += shift * (more / total)
        self.count = total

    @property
    def n(self) -> int:
        """Trajectories of all cells."""
        return len(self.mean) * self.count

    @property
    def variance(self) -> Array:
        """The mean variance (v,) within cells; NaN with one trajectory in each."""
        free = self.n - len(self.mean)
        return self.within.diagonal() / free if free else np.full(len(self.within), np.nan)

    @property
    def error(self) -> Array:
        """The standard error (v,) of the mean over all cells."""
        return np.asarray(np.sqrt(self.variance / self.n))

    @property
    def total_variance(self) -> Array:
        """The variance (v,) of all trajectories together, divided by their number."""
        return np.asarray(self.within.diagonal() / self.n + self.mean.var(axis=0))
