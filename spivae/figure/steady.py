"""Limits of axes that stay where they are while curves grow: round, and moving seldom."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from spivae.figure.spec import Axis

Array = npt.NDArray[np.float64]

_CLOSE = 1e-4  # of the largest value: the least span of an axis
_MANTISSAS = (1, 1.5, 2, 3, 4, 5, 6, 8, 10)


def round_up(value: float) -> float:
    """The next number of a coarse scale (1, 1.5, 2, 3, 4, 5, 6, 8, 10, ...)."""
    decade = 10.0 ** math.floor(math.log10(value))
    return next(mantissa * decade for mantissa in _MANTISSAS if mantissa * decade >= value * (1 - 1e-9))


def linear_limits(values: Array) -> tuple[float, float] | None:
    """Round limits around the values, so that they move seldom; None without values."""
    finite = values[np.isfinite(values)]
    if not finite.size:
        return None
    low, high = float(finite.min()), float(finite.max())
    # ticks that differ by less would bear the same labels
    size = max(abs(low), abs(high))
    span = max(high - low, _CLOSE * size if high > low else 0.1 * size or 1.0, 1e-12)
    pad = (span - (high - low)) / 2
    low, high = low - pad, high + pad
    decade = 10.0 ** math.floor(math.log10(span))
    step = next(decade * part for part in (0.1, 0.2, 0.5, 1.0, 2.0) if span / (decade * part) <= 9)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return first * step, max(last, first + 1) * step


def trimmed_limits(parts: Iterable[tuple[Array, float]]) -> tuple[float | None, float | None]:
    """Round limits from the lowest of all values up to the given quantile of each array.

    Single spikes may leave the panel, or a diverged start would flatten all that follows.
    """
    finite = [(values[np.isfinite(values)], share) for values, share in parts]
    ends = [(values.min(), np.quantile(values, share)) for values, share in finite if values.size]
    return linear_limits(np.array(ends).ravel()) or (None, None)


def inside(x: Axis, along: Array, values: Array) -> Array:
    """Those values whose place along the axis is not before its lower limit."""
    return values[along >= x.low] if x.low else values


def log_limits(values: Array, least: float) -> tuple[float, float] | None:
    """Whole decades around the positive values, never below `least`."""
    positive = values[np.isfinite(values) & (values > 0)]
    if not positive.size:
        return None
    low = max(math.floor(math.log10(max(float(positive.min()), least))), round(math.log10(least)))
    high = math.ceil(math.log10(max(float(positive.max()), least)) + 1e-9)
    return 10.0**low, 10.0 ** max(high, low + 1)
