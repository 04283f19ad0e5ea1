"""Exact likelihoods of trajectories under a Gaussian process.

A trajectory's likelihood is the product of the normal densities of its steps given all steps before; the
Cholesky factor of the covariance holds them all.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
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
    if not len(cells):
        raise SpivaeError("needs at least one row of parameters")
    shapes = shapes_of(process, cells, x.shape[1])
    for block, sums in summed(process, x, shapes.rows, first):
        for rows in parts(block.stop - block.start, AT_ONCE // len(cells)):
            part = sums.take(rows).log_likelihood(shapes.index, shapes.log_scale)
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
    shapes = shapes_of(process, theta, x.shape[1])
    order = np.argsort(shapes.index, kind="stable")
    bounds = np.searchsorted(shapes.index[order], np.arange(len(shapes.rows) + 1))
    out = np.empty(len(x))
    for k in range(len(shapes.rows)):
        same = order[bounds[k] : bounds[k + 1]]
        for block, sums in summed(process, x[same], shapes.rows[k : k + 1], first):
            rows = same[block]
            out[rows] = sums.log_likelihood(np.array([0]), shapes.log_scale[rows, None])[:, 0]
    return out


@dataclass(frozen=True)
class Sums:
    """All that the likelihood of n trajectories needs to know of them, at each of s shapes (see `Shapes`).

    `squares` (n, s) are sums over `steps` steps of whitened squares, `cross` (n, s) products with the
    whitened mean (None where means are zero), `constant` (s,) what does not depend on the trajectory.
    """

    squares: Array
    cross: Array | None
    constant: Array
    steps: int

    def take(self, rows: slice) -> Sums:
        """Those of some of the trajectories."""
        cross = None if self.cross is None else self.cross[rows]
        return Sums(self.squares[rows], cross, self.constant, self.steps)

    def log_likelihood(self, index: Array, log_scale: Array) -> Array:
        """ln p (n, m) at m rows of parameters: indices of shapes (m,), and log scales (m,) or (n, m)."""
        found = self.squares[:, index]
        found *= np.exp(-log_scale)
        if self.cross is not None:
            found -= 2 * self.cross[:, index] * np.exp(-log_scale / 2)
        found += self.constant[index] + self.steps * log_scale
        found *= -0.5
        return np.asarray(found)

    def likeliest_scale(self, low: float, high: float) -> Array:
        """The log scale (n, s) between two bounds at which each shape's likelihood is largest, exactly."""
        # with v = 1 / sqrt(scale), squares v^2 - 2 cross v - 2 steps ln v is least where its slope is 0
        cross = 0 if self.cross is None else self.cross / 2
        v = (cross + np.sqrt(cross**2 + self.steps * self.squares)) / self.squares
        return np.asarray(np.clip(-2 * np.log(v), low, high))


def summed(process: Process, x: Array, shapes: Array, first: int = 0) -> Iterator[tuple[slice, Sums]]:
    """The sums over the steps of x (n, L) after the `first` ones, in blocks: which rows of x, and theirs."""
    steps = x.shape[1] - checked_first(first, x.shape[1])
    # a factorisation serves all trajectories of a block
    for block in parts(len(x), AT_ONCE // x.shape[1]):
        columns = x[block].T.astype(np.float64)
        found = [_sums(factor, columns, first) for factor in factors(process, shapes, x.shape[1])]
        squares, cross, constant = zip(*found, strict=True)
        yield (
            block,
            Sums(
                squares=np.stack(squares, axis=1),
                cross=None if cross[0] is None else np.stack(cross, axis=1),
                constant=np.array(constant) + steps * math.log(2 * math.pi),
                steps=steps,
            ),
        )


def parts(n: int, at_once: int) -> Iterator[slice]:
    """Slices of at most `at_once` (or 1) that make up range(n)."""
    step = max(1, at_once)
    for start in range(0, n, step):
        yield slice(start, min(start + step, n))


def _sums(factor: Factor, columns: Array, first: int) -> tuple[Array, Array | None, float]:
    """Whitened squares (n,) of trajectories (L, n), products with the mean (n,), and what all share."""
    white = factor.whiten(columns)[first:]
    squares = np.einsum("tn,tn->n", white, white)
    constant = 2 * float(factor.log_sd[first:].sum())
    if factor.mean is None:
        return squares, None, constant
    mean = factor.mean[first:]
    return squares, np.asarray(mean @ white), constant + float(mean @ mean)
