"""Straight lines through points: least squares over all of them, and in a moving window."""

from __future__ import annotations

import numpy as np

from spivae.errors import SpivaeError
from spivae.estimators.rows import Array


def line(x: Array, y: Array) -> tuple[Array, Array]:
    """Slope and intercept (...,) of least-squares lines through x (k,) and y (..., k)."""
    centre = x.mean()
    weights = x - centre
    weights = weights / (weights @ weights)
    slope = np.asarray(y @ weights)
    return slope, np.asarray(y.mean(axis=-1) - slope * centre)


def ensemble_slope(x: Array, y: Array) -> tuple[float, float]:
    """Slope of log mean y against log x for y (n, k) of n members of an ensemble, with its standard error.

    The logarithm is taken of the mean, since that of each member is biased by its scatter; the error is first
    order in that scatter, which members share between different x, and NaN for a single member.
    """
    mean = y.mean(axis=0)
    at = np.log(x)
    slope, _ = line(at, np.log(mean))
    weights = at - at.mean()
    influence = (y / mean) @ weights / (weights @ weights)
    error = influence.std(ddof=1) / np.sqrt(len(y)) if len(y) > 1 else np.nan
    return float(slope), float(error)


def moving_slope(x: Array, y: Array, width: float) -> Array:
    """Local slope (..., k) of log y against log x, by least squares over the points around each.

    x (k,) ascends and is positive; y is (..., k). The window around a point reaches `width` / 2 decades to
    either side; it is cut at the ends. Values of y that are not finite and positive are left out, and where
    fewer than two are left the slope is NaN. Raises SpivaeError for other x and for windows of no width.
    """
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if x.ndim != 1 or y.shape[-1:] != x.shape or not x.size:
        raise SpivaeError(f"slope: x has shape {x.shape} and y {y.shape}; need (k,) and (..., k)")
    if not (np.isfinite(x).all() and x[0] > 0 and (np.diff(x) > 0).all()):
        raise SpivaeError("slope: x needs positive, ascending values")
    if not width > 0:
        raise SpivaeError(f"slope: needs a window wider than 0 decades, not {width}")
    at = np.log(x)
    reach = width * np.log(10) / 2 * (1 + 1e-12)  # points at exactly the end belong to it
    first = np.searchsorted(at, at - reach, side="left")
    last = np.searchsorted(at, at + reach, side="right")
    at = at - at.mean()
    known = np.isfinite(y) & (y > 0)
    logs = np.log(np.where(known, y, 1.0))
    weight = known.astype(np.float64)

    def windowed(values: Array) -> Array:
        sums = np.zeros((*values.shape[:-1], values.shape[-1] + 1))
        np.cumsum(values, axis=-1, out=sums[..., 1:])
        return sums[..., last] - sums[..., first]

    count = windowed(weight)
    enough = count >= 2
    count = np.where(enough, count, 1.0)
    mean_x = windowed(weight * at) / count
    spread = windowed(weight * at**2) - count * mean_x**2
    product = windowed(logs * at) - mean_x * windowed(logs)
    return np.where(enough, product / np.where(enough, spread, 1.0), np.nan)
