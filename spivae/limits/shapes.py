"""Which rows of parameters differ by scale alone, so that one factorisation serves them all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from spivae.limits.moments import covariances, means
from spivae.process import Process

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Shapes:
    """Rows of parameters (n, p) as few shapes and a scale.

    Row i has exp(log_scale[i]) times the covariance of `rows[index[i]]`, and the root of that times its mean.
    The scale is the parameter in `column`, over exp(log_unit); where there is none, all log scales are 0.
    """

    rows: Array
    index: Array
    log_scale: Array
    column: int | None = None
    log_unit: float = 0.0


def shapes_of(process: Process, theta: Array, steps: int) -> Shapes:
    """The distinct shapes of rows of parameters (n, p)."""
    column = amplitude(process, steps)
    theta, log_scale, log_unit = theta.copy(), np.zeros(len(theta)), 0.0
    if column is not None:
        unit = process.parameters[column].low
        log_unit = float(np.log(unit))
        log_scale = np.log(theta[:, column]) - log_unit
        theta[:, column] = unit
    rows, index = np.unique(theta, axis=0, return_inverse=True)
    return Shapes(rows, index.ravel(), log_scale, column, log_unit)


def amplitude(process: Process, steps: int) -> int | None:
    """The column of a parameter that only scales displacements: as its root. None where there is none.

    It is found by trying: a parameter on a log scale whose change by a factor changes the covariance by that
    factor and the mean by its root, up to rounding, at both ends of all the ranges.
    """
    for column, parameter in enumerate(process.parameters):
        factor = min(2.0, parameter.high / parameter.low) if parameter.scale == "log" else 1.0
        if factor == 1.0:
            continue
        before = np.array([[p.low for p in process.parameters], [p.high for p in process.parameters]])
        before[:, column] = parameter.low, parameter.high / factor
        after = before.copy()
        after[:, column] *= factor
        if _scales(
            covariances(process, before, steps), covariances(process, after, steps), factor
        ) and _scales(means(process, before, steps), means(process, after, steps), np.sqrt(factor)):
            return column
    return None


def _scales(before: Array | None, after: Array | None, factor: float) -> bool:
    if before is None or after is None:
        return before is after
    return bool(np.allclose(after, factor * before, rtol=1e-9, atol=1e-12 * np.abs(before).max()))
