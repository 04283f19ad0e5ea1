"""What the estimators read on average on exact trajectories of a Gaussian process, from its covariance."""

from __future__ import annotations

from typing import Literal

import numpy as np

from spivae.capacity import check_capacity
from spivae.estimators.rows import Array, blocks
from spivae.limits.moments import covariances, has_limits, means
from spivae.process import Process

Memory = Literal["independent", "stationary"]

_PROBED = 16  # displacements whose covariance tells how a process remembers


class Expectations:
    """Averages over exact trajectories whose first displacement begins at time `start` of the process.

    `memory` says how they are known: displacements are "independent", each with a variance of its own, or
    "stationary", when their covariance depends on the lag alone. It is None where neither holds or the
    process gives no covariance: then every method returns None.
    """

    def __init__(self, process: Process) -> None:
        self.process = process
        self.memory = _memory_of(process)

    def mean(self, theta: Array, length: int, start: int = 0) -> Array | None:
        """Mean displacements (n, length) for rows of parameters theta (n, p)."""
        if self.memory is None:
            return None
        found = means(self.process, theta, start + length)
        return np.zeros((len(theta), length)) if found is None else found[:, start:]

    def variance(self, theta: Array, length: int, start: int = 0) -> Array | None:
        """Variances (n, length) of the displacements."""
        if self.memory is None:
            return None
        if self.memory == "independent":
            return covariances(self.process, theta, start + length)[:, start:]
        return np.repeat(covariances(self.process, theta, 1)[:, :, 0], length, axis=1)

    def window_squares(
        self, theta: Array, length: int, start: int, window: int
    ) -> tuple[Array, Array] | None:
        """The mean square of the displacements in successive windows of whole steps, as a random number.

        Its mean and its standard deviation for one trajectory, both (n, length // window).
        """
        mean, variance = self.mean(theta, length, start), self.variance(theta, length, start)
        if mean is None or variance is None:
            return None
        mean, variance = (windows(values, window) for values in (mean, variance))
        # the variance of a sum of squares of correlated normal numbers, the diagonal first
        spread = (2 * variance**2 + 4 * mean**2 * variance).sum(axis=-1)
        if self.memory == "stationary":
            beside = covariances(self.process, theta, window)[:, None] * (1 - np.eye(window))
            spread = spread + 2 * np.square(beside).sum(axis=(-2, -1))
            spread = spread + 4 * np.einsum("nwi,nwij,nwj->nw", mean, beside, mean)
        return (variance + mean**2).mean(axis=-1), np.sqrt(spread) / window

    def correlation(self, theta: Array, lags: Array) -> Array | None:
        """Normalised autocorrelation (n, k) of the displacements at whole lags (k,)."""
        lags = np.asarray(lags)
        if self.memory is None:
            return None
        if self.memory == "independent":
            return np.repeat((lags == 0)[None].astype(float), len(theta), axis=0)
        steps = int(lags.max()) + 1
        found = self.process.autocovariance(theta, steps)
        if found is None:
            # one row at a time: each is a square matrix, and its lags another
            check_capacity(steps, steps, 6, "rows of a covariance", "shorter lags")
            found = np.concatenate([covariances(self.process, row[None], steps)[:, 0] for row in theta])
        return np.asarray(found[:, lags] / found[:, :1])

    def ta_msd(self, theta: Array, lags: Array, length: int, start: int = 0) -> Array | None:
        """Mean TA-MSD (n, k) of `length` displacements at whole lags (k,).

        Overlapping windows, as `spivae.estimators.ta_msd` averages them.
        """
        return self._msd(theta, np.asarray(lags), np.full(len(lags), length), start)

    def ea_msd(self, theta: Array, times: Array, start: int = 0) -> Array | None:
        """EA-MSD (n, k) from the first position to whole times (k,) after it."""
        return self._msd(theta, np.asarray(times), np.asarray(times), start)

    def _msd(self, theta: Array, lags: Array, lengths: Array, start: int) -> Array | None:
        """<(x(t + lag) - x(t))^2> over all windows of `lags` (k,) steps in the first `lengths` (k,)."""
        if self.memory is None:
            return None
        if self.memory == "stationary":
            found = self.process.msd(theta, lags)
            return None if found is None else np.asarray(found)
        longest = int(lengths.max())
        out = np.empty((len(theta), len(lags)))
        for rows in blocks(len(theta), longest):
            variance, mean = (
                self.variance(theta[rows], longest, start),
                self.mean(theta[rows], longest, start),
            )
            assert variance is not None
            assert mean is not None
            spread, drift = _cumulative(variance), _cumulative(mean)
            for column, (lag, length) in enumerate(zip(lags.tolist(), lengths.tolist(), strict=True)):
                ends, begins = slice(lag, length + 1), slice(0, length + 1 - lag)
                moved = drift[:, ends] - drift[:, begins]
                out[rows, column] = (spread[:, ends] - spread[:, begins] + moved**2).mean(axis=1)
        return out


def windows(values: Array, width: int) -> Array:
    """Values (..., T) as (..., T // width, width): successive windows, without an incomplete last one."""
    count = values.shape[-1] // width
    return values[..., : count * width].reshape(*values.shape[:-1], count, width)


def _memory_of(process: Process) -> Memory | None:
    if not has_limits(process):
        return None
    ends = np.array([[p.low for p in process.parameters], [p.high for p in process.parameters]])
    found = covariances(process, ends, _PROBED)
    if found.ndim == 2:
        return "independent"
    variances = found.diagonal(axis1=1, axis2=2)
    same = np.allclose(found[:, 1:, 1:], found[:, :-1, :-1], rtol=1e-9, atol=1e-12 * variances.max())
    return "stationary" if same else None


def _cumulative(values: Array) -> Array:
    sums = np.zeros((len(values), values.shape[1] + 1))
    np.cumsum(values, axis=1, out=sums[:, 1:])
    return sums
