"""Samples of processes, and how far their averages are from theory, in standard errors."""

from __future__ import annotations

import numpy as np

from spivae.process import Process


def draw(process: Process, theta: list[float], n: int, steps: int, seed: int = 1) -> np.ndarray:
    """Displacements (n, steps) in double precision, all with the same parameters."""
    x = process.displacements(np.random.default_rng(seed), np.tile(theta, (n, 1)), steps)
    return x.astype(float)


def errors_away(samples: np.ndarray, wanted: np.ndarray | float) -> np.ndarray:
    """How many standard errors the mean over the first axis is away from theory.

    Where all samples are equal, a difference of rounding is none, and any other is infinite.
    """
    off = np.abs(samples.mean(axis=0) - wanted)
    error = samples.std(axis=0, ddof=1) / np.sqrt(len(samples))
    exact = off <= 1e-6 * np.abs(wanted)
    return np.where(exact, 0.0, off / np.where(error > 1e-9 * np.abs(wanted), error, 1e-300))


def msd_errors_away(process: Process, theta: list[float], x: np.ndarray) -> np.ndarray:
    """Of mean squared displacements at log-spaced times, from the process's own `msd`."""
    t = np.unique(np.geomspace(1, x.shape[1], 12).round().astype(int))
    squares = np.cumsum(x, axis=1)[:, t - 1] ** 2
    return errors_away(squares, process.msd(np.array([theta]), t)[0])


def kurtosis_errors_away(x: np.ndarray, wanted: float) -> float:
    """Of <x^4> / <x^2>^2 of independent numbers, by the delta method."""
    squares, fourth = (x**2).mean(), (x**4).mean()
    found = fourth / squares**2
    influence = x**4 / squares**2 - 2 * found * x**2 / squares
    return abs(found - wanted) / (influence.std() / np.sqrt(len(x)))
