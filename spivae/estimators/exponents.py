"""The anomalous exponent from how squared displacements change with time, as the seed reads it for SBM.

For each k = 1, 2, ..., the squared displacement of two steps, (x(k + 2) - x(k))^2, is put against a time on
logarithmic axes; a line through the last 55 % of the points has the slope alpha - 1. The seed puts k itself,
as if a generated trajectory began at time 0. It begins at `start`, where R zeros of history and one dropped
step have passed: the two steps then lie around start + k + 1, and only that reads the true exponent.
"""

from __future__ import annotations

import numpy as np

from spivae.estimators.rows import Array, blocks, trajectories
from spivae.estimators.slopes import line

LATE = 0.55  # of the points, counted from the end
LOG_OF_ZERO = -27.0  # what a squared displacement of 0 counts as
_FEWEST = 6  # displacements: two late points make a line


def exponent(displacements: Array, start: float) -> Array:
    """Exponents (n,) of trajectories (n, L) whose first displacement begins at time `start` of the process.

    For trajectories that a model generates, start = R + 1: R is the receptive field, and step k (counted
    from 1) is displacement k + R + 1. One trajectory of 400 steps has a standard deviation near 0.7: average
    over many. Raises SpivaeError for fewer than 6 displacements.
    """
    return _late_exponents(displacements, start + 1.0)


def exponent_seed(displacements: Array) -> Array:
    """Exponents (n,) as the seed reads them, which takes the first generated step for the process's first.

    A perfect generator with a receptive field of 32 reads 0.360 and 1.640 over 200 steps for 0.2 and 1.8.
    """
    return _late_exponents(displacements, 0.0)


def tea_msd_exponent(displacements: Array, start: float = 0.0) -> float:
    """The exponent of an ensemble (n, L): `exponent` of the squares averaged over its trajectories.

    All of them share one exponent. The average over time is that over the two steps of each square.
    """
    steps = trajectories(displacements, _FEWEST, "displacements", "a line through late times")
    return _of_mean_squares(_summed_squares(steps) / len(steps), start)


class TeaMsd:
    """`tea_msd_exponent` of an ensemble of up to `count` trajectories that comes in parts, with its error.

    The standard error is that of leaving out one of up to `groups` groups of trajectories (jackknife).
    """

    def __init__(self, count: int, groups: int = 20) -> None:
        sizes = [len(group) for group in np.array_split(np.arange(count), min(count, groups))]
        self._ends = np.cumsum(sizes)
        self._counts = np.zeros(len(sizes), dtype=int)
        self._squares: list[Array | float] = [0.0] * len(sizes)

    def add(self, displacements: Array) -> None:
        """Take further trajectories (n, L) of it. Raises SpivaeError for fewer than 6 displacements."""
        steps = trajectories(displacements, _FEWEST, "displacements", "a line through late times")
        groups = np.searchsorted(self._ends, self._counts.sum() + np.arange(len(steps)), side="right")
        for group in np.unique(groups):
            members = steps[groups == group]
            self._squares[group] += _summed_squares(members)
            self._counts[group] += len(members)

    def exponent(self, start: float = 0.0) -> tuple[float, float]:
        """The exponent of all that were added, and its standard error; NaN of fewer than two groups."""
        known = np.flatnonzero(self._counts)
        if len(known) < 2:
            return np.nan, np.nan
        counts, squares = self._counts[known], np.stack([self._squares[group] for group in known])
        without = np.array(
            [
                # not the difference from the sum of all: of one that ran far away, it would keep the rounding
                _of_mean_squares(
                    np.delete(squares, k, axis=0).sum(axis=0) / np.delete(counts, k).sum(), start
                )
                for k in range(len(known))
            ]
        )
        error = np.sqrt((len(known) - 1) * np.mean((without - without.mean()) ** 2))
        return _of_mean_squares(squares.sum(axis=0) / counts.sum(), start), float(error)


def _summed_squares(displacements: Array) -> Array:
    total = np.zeros(displacements.shape[1] - 2)
    for rows in blocks(len(displacements), displacements.shape[1]):
        total += _squares(displacements[rows]).sum(axis=0)
    return total


def _of_mean_squares(squares: Array, start: float) -> float:
    return float(_late_slope(squares[None], start + 1.0)[0]) + 1.0


def _late_exponents(displacements: Array, offset: float) -> Array:
    steps = trajectories(displacements, _FEWEST, "displacements", "a line through late times")
    found = np.empty(len(steps))
    for rows in blocks(len(steps), steps.shape[1]):
        found[rows] = _late_slope(_squares(steps[rows]), offset)
    return found + 1.0


def _squares(displacements: Array) -> Array:
    """(x(k + 2) - x(k))^2 for k = 1, 2, ..., (n, L - 2); x(k) is the sum of the first k displacements."""
    steps = displacements.astype(np.float64)
    return np.asarray((steps[:, 1:-1] + steps[:, 2:]) ** 2)


def _late_slope(squares: Array, offset: float) -> Array:
    """Slopes (n,) of log squares (n, K) against log(k + offset), over the last points."""
    late = int(LATE * squares.shape[1])
    kept = squares[:, -late:]
    logs = np.full(kept.shape, LOG_OF_ZERO)
    np.log(kept, out=logs, where=kept != 0)
    k = np.arange(squares.shape[1] - late, squares.shape[1]) + 1.0
    return line(np.log(k + offset), logs)[0]
