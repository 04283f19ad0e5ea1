"""Exponent and diffusion coefficient of single trajectories, by lines on logarithmic axes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from spivae.errors import SpivaeError
from spivae.estimators.expectations import Expectations
from spivae.estimators.msd import positions_of, ta_msd
from spivae.estimators.rows import Array, blocks, trajectories
from spivae.estimators.slopes import line
from spivae.process import Process

_LAGS = np.arange(1, 11)
MEAN_LOG_CHI2 = -(np.euler_gamma + np.log(2))  # of the square of a standard normal number


def ta_msd_fit(displacements: Array, lags: Sequence[int] | Array = range(1, 11)) -> Array:
    """[alpha, ln D] (n, 2) from the line of the log TA-MSD of each trajectory (n, L) against log lag.

    With MSD = 2 D lag^alpha, so for processes whose TA-MSD follows the ensemble's, such as FBM. Lags are 1 to
    10 by default. Rows whose MSD vanishes at a lag are NaN. Raises SpivaeError for fewer than two lags.
    """
    steps = trajectories(displacements, 2, "displacements", "a line through two lags")
    at = np.unique(np.asarray(lags))
    if len(at) < 2:
        raise SpivaeError(f"lags: a line needs at least 2 different ones, not {len(at)}")
    if at[0] < 1:
        raise SpivaeError(f"lag {at[0]}: has no logarithm; give lags of 1 and more")
    found = np.empty((len(steps), 2))
    for rows in blocks(len(steps), 2 * steps.shape[1]):
        msd = ta_msd(positions_of(steps[rows]), at)
        found[rows, 0], found[rows, 1] = line(np.log(at), np.log(np.where(msd > 0, msd, np.nan) / 2))
    return found


def log_square_fit(displacements: Array, start: float = 0.0) -> Array:
    """[alpha, ln D] (n, 2) of SBM from the line of log dx^2 of each trajectory (n, L) against log time.

    D(t) = alpha D t^(alpha - 1) makes the slope alpha - 1; the time of a step is its middle, and the first
    begins at `start`. The mean log of a squared normal number, -(gamma + ln 2), is taken off. Rows that hold
    a displacement of 0 are NaN. ln D is NaN where the slope is -1 or less: no D makes such a process. Raises
    SpivaeError for a single displacement and for a start before time 0.
    """
    steps = trajectories(displacements, 2, "displacements", "a line through two times")
    if not start >= 0:
        raise SpivaeError(f"start: the process begins at time 0, so not at {start}")
    at = np.log(start + np.arange(steps.shape[1]) + 0.5)
    found = np.empty((len(steps), 2))
    for rows in blocks(len(steps), steps.shape[1]):
        squares = steps[rows].astype(np.float64) ** 2
        found[rows, 0], found[rows, 1] = line(at, np.log(np.where(squares > 0, squares, np.nan)))
    found[:, 0] += 1
    alpha = np.where(found[:, 0] > 0, found[:, 0], np.nan)
    found[:, 1] -= MEAN_LOG_CHI2 + np.log(2 * alpha)
    return found


def ensemble_fit(process: Process, displacements: Array, start: float = 0.0) -> tuple[float, float] | None:
    """alpha and D of trajectories (n, L) that share them, by the fit that is right for their process.

    Independent displacements: the log squares against time, averaged over the ensemble. Stationary ones: the
    mean TA-MSD over lags 1 to 10. Displacements of exactly 0 are left out of the log squares. None for a
    process without alpha and D, or with neither kind of memory.
    """
    fit = EnsembleFit(process, start)
    fit.add(displacements)
    return fit.found()


class EnsembleFit:
    """`ensemble_fit` of an ensemble that comes in parts."""

    def __init__(self, process: Process, start: float = 0.0) -> None:
        self._memory = Expectations(process).memory if {"alpha", "D"} <= set(process.names) else None
        self._start = start
        self._sum: Array = np.zeros(1)
        self._count: Array = np.zeros(1)

    def add(self, displacements: Array) -> None:
        """Take further trajectories (n, L) of the ensemble. Raises SpivaeError for too few displacements."""
        if self._memory is None:
            return
        steps = trajectories(displacements, 11, "displacements", "a line through lags 1 to 10")
        for rows in blocks(len(steps), steps.shape[1]):
            some = steps[rows]
            if self._memory == "independent":
                # single precision has exact zeros, about one in ten million normal numbers: without logarithm
                moved = some != 0
                logs = np.log(np.abs(some), where=moved, out=np.zeros(some.shape), dtype=np.float64)
                self._sum, self._count = self._sum + logs.sum(axis=0), self._count + moved.sum(axis=0)
            else:
                self._sum = self._sum + ta_msd(positions_of(some), _LAGS).sum(axis=0)
                self._count = self._count + len(some)

    def found(self) -> tuple[float, float] | None:
        """alpha and D of all that were added; NaN of none."""
        if self._memory is None:
            return None
        with np.errstate(invalid="ignore"):  # of a time at which nothing moved there is no mean
            mean = self._sum / self._count
        if not self._count.any():
            return np.nan, np.nan
        if self._memory == "independent":
            alpha, log_d = log_square_fit(np.exp(mean)[None], self._start)[0]
        else:
            alpha, log_d = line(np.log(_LAGS), np.log(mean / 2))
        return float(alpha), float(np.exp(log_d))
