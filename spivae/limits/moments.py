"""Mean and covariance of a Gaussian process's displacements, checked and factorised."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from spivae.errors import SpivaeError
from spivae.process import Process

Array = npt.NDArray[Any]

# numbers in one array at a time (32 MB), so that memory does not grow with the number of trajectories
AT_ONCE = 1 << 22


def has_limits(process: Process) -> bool:
    """Whether exact limits of this process are known: that of every process with a covariance."""
    low = np.array([[parameter.low for parameter in process.parameters]])
    return process.covariance(low, 1) is not None


def require_limits(process: Process) -> None:
    """Raise SpivaeError where no exact limits are known."""
    if not has_limits(process):
        raise SpivaeError(
            f"no exact limit is known for {process.name}: that takes Gaussian displacements, "
            "and this process gives no covariance"
        )


def checked_theta(process: Process, theta: Array) -> Array:
    """Rows of parameters as float64 (n, p). Raises SpivaeError for another shape or values that cannot be."""
    theta = np.asarray(theta, dtype=np.float64)
    if theta.ndim != 2 or theta.shape[1] != len(process.parameters):
        raise SpivaeError(
            f"parameters of {process.name}: need shape (n, {len(process.parameters)}), not {theta.shape}"
        )
    for parameter, column in zip(process.parameters, theta.T, strict=True):
        wrong = ~np.isfinite(column) | ((column <= 0) if parameter.scale == "log" else False)
        if wrong.any():
            allowed = "above 0" if parameter.scale == "log" else "finite"
            raise SpivaeError(f"parameter {parameter.name}: needs to be {allowed}, not {column[wrong][0]:g}")
    return theta


def checked_displacements(x: Array) -> Array:
    """Displacements (n, L) as they are. Raises SpivaeError for another shape and for values that are none."""
    x = np.asarray(x)
    if x.ndim != 2 or x.shape[1] == 0:
        raise SpivaeError(f"displacements: need shape (n, steps), not {x.shape}")
    if not np.isfinite(x).all():
        raise SpivaeError("displacements: hold values that are not finite")
    return x


def checked_first(first: int, steps: int) -> int:
    """How many first steps are given. Raises SpivaeError where none is left."""
    if not 0 <= first < steps:
        raise SpivaeError(
            f"of {steps} steps, {first} are given: needs 0 to {steps - 1}, so that some are left"
        )
    return first


def covariances(process: Process, theta: Array, steps: int) -> Array:
    """Variances (n, steps) or covariances (n, steps, steps) in float64. Raises SpivaeError for bad ones."""
    found = process.covariance(theta, steps)
    if found is None:
        require_limits(process)
        raise SpivaeError(f"process {process.name}: gives no covariance for {steps} steps")
    found = np.asarray(found, dtype=np.float64)
    shapes = ((len(theta), steps), (len(theta), steps, steps))
    if found.shape not in shapes:
        raise SpivaeError(
            f"process {process.name}: its covariance has shape {found.shape}, not one of {shapes}"
        )
    return found


def means(process: Process, theta: Array, steps: int) -> Array | None:
    """Mean displacements (n, steps) in float64, or None where they are zero."""
    found = process.mean(theta, steps)
    if found is None:
        return None
    found = np.asarray(found, dtype=np.float64)
    if found.shape != (len(theta), steps):
        raise SpivaeError(
            f"process {process.name}: its mean has shape {found.shape}, not {(len(theta), steps)}"
        )
    return found


@dataclass(frozen=True)
class Factor:
    """The covariance of one row of parameters, factorised, and the mean in its units.

    `root` is the lower Cholesky factor (L, L), or the standard deviations (L,) of independent steps. `log_sd`
    (L,) is the logarithm of each step's standard deviation given all before it; `mean` (L,) is whitened.
    """

    root: Array
    log_sd: Array
    mean: Array | None

    def whiten(self, columns: Array) -> Array:
        """Columns (L, n): each step's surprise given all before it, in standard deviations."""
        return _divide(self.root, columns)


def factors(process: Process, theta: Array, steps: int) -> Iterator[Factor]:
    """For each row of theta (n, p) one. Raises SpivaeError for a covariance that is not positive definite."""
    at_once = max(1, AT_ONCE // steps**2)
    for start in range(0, len(theta), at_once):
        rows = theta[start : start + at_once]
        mean = means(process, rows, steps)
        for k, covariance in enumerate(covariances(process, rows, steps)):
            root = root_of(process, rows[k], covariance)
            log_sd = np.log(root if root.ndim == 1 else root.diagonal())
            yield Factor(root, log_sd, None if mean is None else _divide(root, mean[k][:, None])[:, 0])


def root_of(process: Process, theta: Array, covariance: Array) -> Array:
    """Standard deviations (L,) of variances (L,), or Cholesky factors (..., L, L) of matrices."""
    try:
        if covariance.ndim > 1:
            return np.linalg.cholesky(covariance)
        if (covariance > 0).all():
            return np.sqrt(covariance)
    except np.linalg.LinAlgError:
        pass
    cell = ", ".join(f"{name}={value:g}" for name, value in zip(process.names, theta, strict=True))
    raise SpivaeError(f"process {process.name}: its covariance is not positive definite at {cell}")


def _divide(root: Array, columns: Array) -> Array:
    """root^-1 columns. By halves, since numpy has no triangular solver: products do nearly all of it."""
    if root.ndim == 1:
        return columns / root[:, None]
    if len(root) <= 64:
        return np.asarray(np.linalg.inv(root) @ columns)
    half = len(root) // 2
    top = _divide(root[:half, :half], columns[:half])
    bottom = _divide(root[half:, half:], columns[half:] - root[half:, :half] @ top)
    return np.concatenate([top, bottom])
