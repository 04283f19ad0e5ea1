"""How well parameters can be known: Fisher information and Cramér-Rao bounds of one trajectory."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from spivae.limits.moments import (
    Factor,
    checked_first,
    checked_theta,
    covariances,
    factors,
    means,
    require_limits,
)
from spivae.limits.shapes import shapes_of
from spivae.process import Process

Array = npt.NDArray[Any]

# five points, fourth order: f' = sum of weights * f(x + offset * step) / step
_OFFSETS = np.array([-2.0, -1.0, 1.0, 2.0])
_WEIGHTS = np.array([1.0, -8.0, 8.0, -1.0]) / 12
_STEP = 1e-3  # of the parameter's range, on its own scale: rounding and truncation are both near 1e-10


def fisher_information(process: Process, theta: Array, steps: int) -> Array:
    """Fisher information (n, p, p) of trajectories of `steps` displacements at theta (n, p).

    Each parameter is on its own scale: ln where that is log. For Gaussians of covariance C and mean m,
    F_ij = tr(C^-1 C_i C^-1 C_j) / 2 + m_i C^-1 m_j, indices being derivatives (Kay, Fundamentals of
    Statistical Signal Processing I, eq. 3.31). Raises SpivaeError where the process has no covariance.
    """
    require_limits(process)
    theta = checked_theta(process, theta)
    checked_first(0, steps)
    shapes = shapes_of(process, theta, steps)  # on its own scale, an amplitude changes nothing
    found = np.empty((len(shapes.rows), theta.shape[1], theta.shape[1]))
    for k, factor in enumerate(factors(process, shapes.rows, steps)):
        slopes = [_slope(process, shapes.rows[k], factor, column) for column in range(theta.shape[1])]
        for i, (covariance_i, mean_i) in enumerate(slopes):
            for j, (covariance_j, mean_j) in enumerate(slopes):
                found[k, i, j] = np.vdot(covariance_i, covariance_j) / 2 + mean_i @ mean_j
    return found[shapes.index]


def cramer_rao(process: Process, theta: Array, steps: int) -> Array:
    """The least standard deviations (n, p) of unbiased estimates from one trajectory, all parameters unknown.

    Each parameter is on its own scale: ln where that is log. Infinite where trajectories do not tell it.
    """
    return least_deviations(fisher_information(process, theta, steps))


def least_deviations(information: Array) -> Array:
    """The standard deviations (n, p) that Fisher information (n, p, p) allows; infinite where it has none."""
    spread, axes = np.linalg.eigh(information)
    told = spread > 1e-9 * spread.max(axis=1, keepdims=True, initial=0)
    variance = np.where(told, 1 / np.where(told, spread, 1), 0)
    sd = np.sqrt(np.einsum("nik,nk->ni", axes**2, variance))
    hidden = np.einsum("nik,nk->ni", axes**2, ~told) > 1e-9
    return np.where(hidden, np.inf, sd)


def _slope(process: Process, theta: Array, factor: Factor, column: int) -> tuple[Array, Array]:
    """Whitened derivatives of the covariance (L, L) or variances (L,), and of the mean (L,)."""
    parameter, steps = process.parameters[column], len(factor.log_sd)
    low, high = parameter.to_scale(np.array([parameter.low, parameter.high]))
    step = _STEP * (high - low)
    rows = np.tile(theta, (len(_OFFSETS), 1))
    rows[:, column] = parameter.from_scale(parameter.to_scale(theta[column]) + _OFFSETS * step)
    covariance = np.tensordot(_WEIGHTS, covariances(process, rows, steps), axes=1) / step
    if covariance.ndim == 1:
        covariance = covariance / factor.root**2
    else:
        covariance = factor.whiten(factor.whiten(covariance).T)
    mean = means(process, rows, steps)
    if mean is None:
        return covariance, np.zeros(steps)
    return covariance, factor.whiten((_WEIGHTS @ mean / step)[:, None])[:, 0]
