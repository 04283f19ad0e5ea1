"""Mean squared displacements: averaged over time, and over the ensemble."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from spivae.estimators.rows import Array, blocks, trajectories, whole_lags


def positions_of(displacements: Array) -> Array:
    """Positions (n, L + 1) in float64 of trajectories that start at 0, from their displacements (n, L)."""
    steps = trajectories(displacements, 1, "displacements", "a position")
    positions = np.zeros((len(steps), steps.shape[1] + 1))
    np.cumsum(steps, axis=1, dtype=np.float64, out=positions[:, 1:])
    return positions


def ta_msd(positions: Array, lags: Sequence[int] | Array) -> Array:
    """Time-averaged mean squared displacement (n, len(lags)) of each trajectory of positions (n, T).

    Averages (x(t + lag) - x(t))^2 over all t, overlapping. Many lags at once go through a Fourier transform
    (S2 of Calandrini et al., Collection SFN 12, 201 (2011)). Its error is 1e-15 times the trajectory's mean
    square distance from its start: 1e-10 of the result or less, unless displacements cancel.
    Raises SpivaeError for lags that are not between 0 and T - 1.
    """
    x = trajectories(positions, 2, "positions", "a displacement")
    length = x.shape[1]
    steps = whole_lags(lags, length - 1)
    size = fft_size(length + int(steps.max()))
    # a difference takes as long as a number does in one stage of the transforms, 1.6 ns
    average = _directly if (length - steps).sum() <= size * math.log2(size) else _by_fft
    out = np.empty((len(x), len(steps)))
    for rows in blocks(len(x), size):
        moved = x[rows].astype(np.float64)
        moved -= moved[:, :1].copy()  # an offset would cost digits
        average(moved, steps, size, out[rows])
    return out


def ea_msd(positions: Array) -> Array:
    """Ensemble-averaged mean squared displacement (T,) from the start; entry t is that of time t."""
    x = trajectories(positions, 2, "positions", "a displacement")
    total = np.zeros(x.shape[1])
    for rows in blocks(len(x), x.shape[1]):
        moved = x[rows].astype(np.float64)
        moved -= moved[:, :1].copy()
        total += np.einsum("ij,ij->j", moved, moved)
    return total / len(x)


def spread_lags(first: int, last: int, count: int = 40) -> Array:
    """Up to `count` whole lags from `first` to `last`, evenly spread on a logarithmic axis."""
    return np.unique(np.geomspace(first, last, count).round().astype(int))


def fft_size(at_least: int) -> int:
    """The smallest number without prime factors above 5 that is not below `at_least`."""
    best = 1 << max(at_least - 1, 0).bit_length()
    five = 1
    while five < best:
        three = five
        while three < best:
            rest = -(-at_least // three)
            best = min(best, three * (1 << max(rest - 1, 0).bit_length()))
            three *= 3
        five *= 5
    return best


def _directly(x: Array, lags: Array, size: int, out: Array) -> None:
    """Difference by difference."""
    length = x.shape[1]
    buffer = np.empty(x.size)
    for column, lag in enumerate(lags.tolist()):
        moved = buffer[: len(x) * (length - lag)].reshape(len(x), length - lag)
        np.subtract(x[:, lag:], x[:, : length - lag], out=moved)
        out[:, column] = np.einsum("ij,ij->i", moved, moved) / (length - lag)


def _by_fft(x: Array, lags: Array, size: int, out: Array) -> None:
    """From (a - b)^2 = a^2 + b^2 - 2 a b: squares by running sums, products by autocorrelation."""
    length = x.shape[1]
    spectrum = np.fft.rfft(x, size)
    power = spectrum.real**2
    power += spectrum.imag**2
    products = np.fft.irfft(power, size)[:, lags]
    sums = np.zeros((len(x), length + 1))
    np.cumsum(np.square(x), axis=1, out=sums[:, 1:])
    out[:] = sums[:, length - lags]
    out += sums[:, -1:] - sums[:, lags]
    out -= 2 * products
    out /= length - lags
    np.maximum(out, 0, out=out)  # rounding must not make a square negative
