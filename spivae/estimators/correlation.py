"""Correlation of a trajectory's displacements with its later ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from spivae.errors import SpivaeError
from spivae.estimators.rows import Array, blocks, trajectories, whole_lags


def displacement_correlation(displacements: Array, lags: Sequence[int] | Array) -> tuple[Array, Array]:
    """Normalised autocorrelation of displacements (n, L) of one ensemble, and its standard error, both (k,).

    C(lag) = <dx(t) dx(t + lag)> / <dx^2>, averaged over t and trajectories after subtracting the ensemble's
    mean at each t. The error is that of a ratio of means over independent trajectories (first order), so
    C(0) is 1 without error. Raises SpivaeError for fewer than 3 trajectories and for lags outside 0..L - 1.
    """
    dx = trajectories(displacements, 2, "displacements", "a correlation")
    if len(dx) < 3:  # two are mirror images of each other about their mean
        raise SpivaeError(f"correlation: its standard error takes 3 trajectories or more, not {len(dx)}")
    length = dx.shape[1]
    steps = whole_lags(lags, length - 1)
    mean = dx.mean(axis=0, dtype=np.float64)
    products, squares = np.empty((len(dx), len(steps))), np.empty(len(dx))
    for rows in blocks(len(dx), length):
        centred = dx[rows] - mean
        squares[rows] = np.einsum("ij,ij->i", centred, centred) / length
        for column, lag in enumerate(steps.tolist()):
            earlier, later = centred[:, : length - lag], centred[:, lag:]
            products[rows, column] = np.einsum("ij,ij->i", earlier, later) / (length - lag)
    power = squares.mean()
    if not power > 0:
        raise SpivaeError("correlation: these displacements do not vary, so that they have none")
    ratio = products.mean(axis=0) / power
    scatter = products - ratio * squares[:, None]
    error = np.sqrt(np.einsum("ij,ij->j", scatter, scatter) / (len(dx) - 1) / len(dx)) / power
    return ratio, error
