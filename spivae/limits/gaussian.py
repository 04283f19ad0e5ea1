"""Exact likelihoods of trajectories under a Gaussian process.

A trajectory's likelihood is the product of the normal densities of its steps given all steps before; the
Cholesky factor of the covariance holds them all.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from spivae.errors import SpivaeError
from spivae.limits.moments import (
    AT_ONCE,
    Factor,
    checked_displacements,
    checked_first,
    checked_theta,
    factors,
    require_limits,
)
from spivae.limits.shapes import shapes_of
from spivae.process import Process

Array = npt.NDArray[Any]


def log_likelihood(process: Process, x: Array, cells: Array, first: int = 0) -> Array:
    """ln p (n, m) of trajectories x (n, L) at each of m rows of parameters, in nats.

    Of the steps after the `first` ones, given those. Raises SpivaeError where the process has no covariance
    or shapes do not fit.
    """
    out = np.empty((len(x), len(cells)))
    for rows, part in likelihoods(process, x, cells, first):
        out[rows] = part
    return out


def likelihoods(process: Process, x: Array, cells: Array, first: int = 0) -> Iterator[tuple[slice, Array]]:
    """What `log_likelihood` answers, in parts: which rows of x, and their (rows, m)."""
    require_limits(process)
    x, cells = checked_displacements(x), checked_theta(process, cells)
    steps = x.shape[1] - checked_first(first, x.shape[1])
    if not len(cells):
        raise SpivaeError("needs at least one row of parameters")
    shapes = shapes_of(process, cells, x.shape[1])
    inverse = np.exp(-shapes.log_scale)
    # a factorisation serves all trajectories of a block
    for block in parts(len(x), AT_ONCE // x.shape[1]):
        columns = x[block].T.astype(np.float64)
        sums = [_sums(factor, columns, first) for factor in factors(process, shapes.rows, x.shape[1])]
        squares, cross, constant = (np.stack(part, axis=-1) for part in zip(*sums, strict=True))
        # of each cell, what does not depend on the trajectory
        constant = constant[shapes.index] + steps * (math.log(2 * math.pi) + shapes.log_scale)
        for rows in parts(columns.shape[1], AT_ONCE // len(cells)):
            part = squares[rows][:, shapes.index]
            part *= inverse
            part += constant
            if cross.any():
                part -= 2 * cross[rows][:, shapes.index] * np.sqrt(inverse)
            part *= -0.5
            yield slice(block.start + rows.start, block.start + rows.stop), part


def conditional_log_likelihood(process: Process, x: Array, theta: Array, first: int) -> Array:
    """ln p (n,) of the steps of each trajectory x (n, L) after the `first` ones, given those, in nats.

    Each is taken at its own row of parameters theta (n, p), with all the past known. Raises SpivaeError where
    the process has no covariance or shapes do not fit.
    """
    require_limits(process)
    x, theta = checked_displacements(x), checked_theta(process, theta)
    if len(x) != len(theta):
        raise SpivaeError(f"{len(x)} trajectories, but {len(theta)} rows of parameters")
    steps = x.shape[1] - checked_first(first, x.shape[1])
    shapes = shapes_of(process, theta, x.shape[1])
    order = np.argsort(shapes.index, kind="stable")
    bounds = np.searchsorted(shapes.index[order], np.arange(len(shapes.rows) + 1))
    out = np.empty(len(x))
    for k, factor in enumerate(factors(process, shapes.rows, x.shape[1])):
        same = order[bounds[k] : bounds[k + 1]]
        for part in parts(len(same), AT_ONCE // x.shape[1]):
            rows = same[part]
            squares, cross, constant = _sums(factor, x[rows].T.astype(np.float64), first)
            log_scale = shapes.log_scale[rows]
            out[rows] = -0.5 * (
                squares * np.exp(-log_scale)
                - 2 * cross * np.exp(-log_scale / 2)
                + constant
                + steps * (math.log(2 * math.pi) + log_scale)
            )
    return out


def parts(n: int, at_once: int) -> Iterator[slice]:
    """Slices of at most `at_once` (or 1) that make up range(n)."""
    step = max(1, at_once)
    for start in range(0, n, step):
        yield slice(start, min(start + step, n))


def _sums(factor: Factor, columns: Array, first: int) -> tuple[Array, Array, Array]:
    """Whitened squares (n,) of trajectories (L, n), products with the mean (n,), and what all share."""
    white = factor.whiten(columns)[first:]
    squares = np.einsum("tn,tn->n", white, white)
    constant = 2 * factor.log_sd[first:].sum()
    if factor.mean is None:
        return squares, np.zeros(len(squares)), np.asarray(constant)
    mean = factor.mean[first:]
    return squares, mean @ white, np.asarray(constant + mean @ mean)
