"""Axes of a fine grid, on which smooth functions are integrated nearly exactly."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.polynomial import chebyshev

Array = npt.NDArray[Any]


class Axis:
    """Chebyshev points of a range: what is known there is known between them, and up to its ends.

    Points -cos(pi (i + 1/2) / size) over [low, high] lie at most pi / 2 as wide as even ones. A function on
    them is read as a polynomial, so that an integral converges faster than any power of their number, also
    where the function is cut off by an end (Fejér's rule). A range without width is a single known value.
    """

    def __init__(self, low: float, high: float, size: int) -> None:
        self.low, self.high = low, high
        self.size = size if low < high else 1
        self.points = self.at(np.arange(self.size))
        # the integral of a polynomial through the points, from -1 to the edges of `parts` parts
        parts = 8 * self.size
        angles = np.pi * (np.arange(self.size) + 0.5) / self.size
        coefficients = 2 / self.size * np.cos(np.outer(np.arange(self.size), np.pi - angles))
        coefficients[0] /= 2
        integral = chebyshev.chebint(coefficients, lbnd=-1)
        self._edges = -np.cos(np.pi * np.arange(parts + 1) / parts)
        self._integral = chebyshev.chebval(self._edges, integral)  # (size, parts + 1)
        self.measure = self._integral[:, -1]

    def at(self, index: Array) -> Array:
        """The values between points, from `low` at index -1/2 to `high` at size - 1/2."""
        return self._value(-np.cos(np.pi * (index + 0.5) / self.size))

    def quantiles(self, density: Array, levels: tuple[float, ...]) -> Array:
        """Where densities (n, size), not normalised, reach each of m levels (n, m)."""
        below = density @ self._integral
        found = np.empty((len(density), len(levels)))
        for column, level in enumerate(levels):
            target = level * below[:, -1:]
            part = np.clip((below < target).sum(axis=1, keepdims=True), 1, below.shape[1] - 1)
            left, right = (np.take_along_axis(below, part - k, axis=1) for k in (1, 0))
            share = np.clip((target - left) / np.where(right > left, right - left, 1), 0, 1)
            edge = self._edges[part - 1] + share * (self._edges[part] - self._edges[part - 1])
            found[:, column] = self._value(edge)[:, 0]
        return found

    def _value(self, relative: Array) -> Array:
        """Values in [low, high] of relative ones in [-1, 1]."""
        return np.asarray(self.low + (self.high - self.low) * (relative + 1) / 2)
