"""Exact samples of processes, of one parameter set each."""

from __future__ import annotations

import numpy as np


def sbm(rng, alpha, d, count, steps, start=0):
    """Displacements (count, steps) of scaled Brownian motion, the first of which begins at time `start`."""
    t = np.arange(start, start + steps + 1, dtype=float)
    return rng.standard_normal((count, steps)) * np.sqrt(2 * d * np.diff(t**alpha))


def fbm(rng, alpha, d, count, steps):
    """Displacements (count, steps) of fractional Brownian motion, by the root of their covariance."""
    k = np.arange(steps, dtype=float)
    column = d * ((k + 1) ** alpha - 2 * k**alpha + np.abs(k - 1) ** alpha)
    covariance = column[np.abs(np.subtract.outer(np.arange(steps), np.arange(steps)))]
    return rng.standard_normal((count, steps)) @ np.linalg.cholesky(covariance).T


def standard_errors(values, truth):
    """How many standard errors the mean of values (n,) is away from the truth."""
    return abs(np.mean(values) - truth) / (np.std(values, ddof=1) / np.sqrt(len(values)))
