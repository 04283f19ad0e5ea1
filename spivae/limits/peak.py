"""Peaks of functions that are known on a lattice, found between its points."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def peak(height: Array, follow: Array) -> tuple[Array, Array]:
    """Where each of n functions (n, k_1, ..., k_d) is highest, as fractional indices (n, d).

    That is the top of the parabola through the highest point and its neighbours, at most half a spacing
    outside the lattice. Also the value there of `follow`, a second function of the same shape.
    """
    n, sizes = len(height), height.shape[1:]
    height, follow = height.reshape(n, -1), follow.reshape(n, -1)
    free = [k for k, size in enumerate(sizes) if size > 1]
    where = np.zeros((n, len(sizes)))
    if not free:
        return where, follow[:, 0]
    lattice = tuple(sizes[k] for k in free)
    best = np.stack(np.unravel_index(height.argmax(axis=1), lattice), axis=1)
    centre = np.clip(best, 1, np.array(lattice) - 2)
    _, slope, curvature = _parabola(height, centre, lattice)
    concave = np.linalg.eigvalsh(curvature)[:, -1] < 0
    curvature[~concave] = -np.eye(len(free))
    move = -np.linalg.solve(curvature, slope[..., None])[..., 0]
    move = np.where(concave[:, None], np.clip(move, -1.5, 1.5), best - centre)
    value, slope, curvature = _parabola(follow, centre, lattice)
    where[:, free] = centre + move
    followed = value + (slope * move).sum(axis=1) + 0.5 * np.einsum("ni,nij,nj->n", move, curvature, move)
    return where, followed


def _parabola(values: Array, centre: Array, lattice: tuple[int, ...]) -> tuple[Array, Array, Array]:
    """Value (n,), slope (n, d) and curvature (n, d, d) at centres (n, d) of functions (n, product of k)."""
    n, d = centre.shape

    def at(offset: Array) -> Array:
        return np.asarray(values[np.arange(n), np.ravel_multi_index(tuple((centre + offset).T), lattice)])

    unit, middle = np.eye(d, dtype=int), at(np.zeros(d, dtype=int))
    slope, curvature = np.empty((n, d)), np.empty((n, d, d))
    for i in range(d):
        above, below = at(unit[i]), at(-unit[i])
        slope[:, i], curvature[:, i, i] = (above - below) / 2, above + below - 2 * middle
    for i, j in itertools.combinations(range(d), 2):
        mixed = at(unit[i] + unit[j]) + at(-unit[i] - unit[j]) - at(unit[i] - unit[j]) - at(unit[j] - unit[i])
        curvature[:, i, j] = curvature[:, j, i] = mixed / 4
    return middle, slope, curvature
