"""Peaks of functions that are known on a lattice, found between its points."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from spivae.limits.axes import Axis

Array = npt.NDArray[Any]


def peak(height: Array, follow: Array, axes: Sequence[Axis]) -> tuple[Array, Array]:
    """Where each of n functions (n, size of each axis) is highest (n, d), between the ends of the axes.

    That is the top of the parabola through the highest point and its neighbours, no further than those
    reach. Also the value there (n,) of `follow`, a second function of the same shape.
    """
    n = len(height)
    height, follow = height.reshape(n, -1), follow.reshape(n, -1)
    where = np.tile([axis.points[0] for axis in axes], (n, 1))
    free = [k for k, axis in enumerate(axes) if axis.size > 1]
    if not free:
        return where, follow[:, 0]
    lattice = _Lattice([axes[k] for k in free], height.argmax(axis=1))
    _, slope, curvature = lattice.parabola(height)
    concave = np.linalg.eigvalsh(curvature)[:, -1] < 0
    curvature[~concave] = -np.eye(len(free))
    move = np.where(concave[:, None], _top(slope, curvature, *lattice.reach), lattice.highest)
    value, slope, curvature = lattice.parabola(follow)
    where[:, free] = lattice.middle + move
    followed = value + (slope * move).sum(axis=1) + 0.5 * np.einsum("ni,nij,nj->n", move, curvature, move)
    return where, followed


class _Lattice:
    """For each of n functions, the highest point of the lattice and its neighbours.

    `middle` (n, d) is a point with neighbours on both sides, at distances `below` and `above`; `highest` is
    where the highest point is from there, and `reach` how far, below and above, its neighbours' parts go.
    """

    def __init__(self, axes: Sequence[Axis], highest: Array) -> None:
        self.sizes = tuple(axis.size for axis in axes)
        best = np.stack(np.unravel_index(highest, self.sizes), axis=1)
        self.index = np.clip(best, 1, np.array(self.sizes) - 2)

        def at(index: Array) -> Array:
            return np.stack([axis.at(column) for axis, column in zip(axes, index.T, strict=True)], axis=1)

        self.middle = at(self.index)
        self.below, self.above = self.middle - at(self.index - 1), at(self.index + 1) - self.middle
        self.highest = at(best) - self.middle
        self.reach = at(self.index - 1.5) - self.middle, at(self.index + 1.5) - self.middle

    def parabola(self, values: Array) -> tuple[Array, Array, Array]:
        """Value (n,), slope (n, d) and curvature (n, d, d) in the middle of functions (n, points)."""
        n, d = self.index.shape

        def at(offset: Array) -> Array:
            flat = np.ravel_multi_index(tuple((self.index + offset).T), self.sizes)
            return np.asarray(values[np.arange(n), flat])

        unit, value = np.eye(d, dtype=int), at(np.zeros(d, dtype=int))
        slope, curvature = np.empty((n, d)), np.empty((n, d, d))
        width = self.below + self.above
        for i in range(d):
            left = (value - at(-unit[i])) / self.below[:, i]
            right = (at(unit[i]) - value) / self.above[:, i]
            curvature[:, i, i] = 2 * (right - left) / width[:, i]
            slope[:, i] = (left * self.above[:, i] + right * self.below[:, i]) / width[:, i]
        for i, j in itertools.combinations(range(d), 2):
            mixed = (
                at(unit[i] + unit[j]) + at(-unit[i] - unit[j]) - at(unit[i] - unit[j]) - at(unit[j] - unit[i])
            )
            curvature[:, i, j] = curvature[:, j, i] = mixed / (width[:, i] * width[:, j])
        return value, slope, curvature


def _top(slope: Array, curvature: Array, low: Array, high: Array) -> Array:
    """Where concave parabolas (n, d) are highest between bounds (n, d)."""
    move = np.clip(-np.linalg.solve(curvature, slope[..., None])[..., 0], low, high)
    # where one coordinate had to stop, the others have their best elsewhere
    for k in list(range(move.shape[1])) * 20:
        rest = slope[:, k] + np.einsum("nj,nj->n", curvature[:, k], move) - curvature[:, k, k] * move[:, k]
        move[:, k] = np.clip(-rest / curvature[:, k, k], low[:, k], high[:, k])
    return move
