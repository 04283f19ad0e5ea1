"""From values to places on an axis: linear, logarithmic and symmetric-logarithmic scales with calm limits."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from spivae.figure.spec import Axis
from spivae.figure.spec import Scale as Kind

Array = npt.NDArray[np.float64]

# Beyond these, differences overflow or divisions lose all digits: such values count as infinite, and as zero.
LARGEST, SMALLEST = 1e300, 1e-300
_MANTISSAS = (1.0, 2.0, 5.0, 10.0)


@dataclass(frozen=True)
class Scale:
    """An axis from `low` to `high`, which maps to 0..1. `linear_within` bounds symlog's linear part."""

    kind: Kind
    low: float
    high: float
    linear_within: float = 1.0

    def forward(self, values: Array) -> Array:
        """Values in the coordinate in which the axis is even; NaN for what has no place on it."""
        return transform(self.kind, values, self.linear_within)

    def fraction(self, values: Any) -> Array:
        """The place of values along the axis: 0 at `low`, 1 at `high`; NaN for what has no place on it."""
        low, high = self.forward(np.array([self.low, self.high]))
        with np.errstate(all="ignore"):
            return np.asarray((self.forward(clean(values)) - low) / (high - low))


def clean(values: Any) -> Array:
    """Values as floats, with everything that is not a usable number as NaN."""
    floats = np.asarray(values, dtype=np.float64)
    with np.errstate(all="ignore"):
        sizes = np.abs(floats)
        return np.where(sizes <= LARGEST, np.where(sizes >= SMALLEST, floats, 0.0), np.nan)


def transform(kind: Kind, values: Array, linear_within: float = 1.0) -> Array:
    with np.errstate(all="ignore"):
        if kind == "log":
            return np.where(values > 0, np.log10(np.where(values > 0, values, 1.0)), np.nan)
        if kind == "symlog":
            return np.asarray(np.sign(values) * np.log10(1.0 + np.abs(values) / linear_within))
    return values


def fit(axis: Axis, series: Iterable[Any], *, tight: bool = False) -> Scale:
    """The scale of an axis that shows every usable value of the series.

    Limits that the axis names hold; the others follow the data, rounded outward (not if `tight`) to numbers
    that rarely move while data come in. Without any usable value the axis runs from 0 to 1 (log: 1 to 10).
    """
    parts = [clean(values).ravel() for values in series]
    values = np.concatenate(parts) if parts else np.empty(0)
    values = values[np.isfinite(values)]
    if axis.scale == "log":
        values = values[values > 0]
    named_low, named_high = _named(axis, axis.low), _named(axis, axis.high)
    if values.size:
        low, high = float(values.min()), float(values.max())
    else:
        low, high = (1.0, 10.0) if axis.scale == "log" else (0.0, 1.0)
    if named_low is not None:
        low, high = named_low, max(high, named_low)
    if named_high is not None:
        low, high = min(low, named_high), named_high
    within = _linear_within(values) if axis.scale == "symlog" else 1.0
    if not (tight and high > low):
        nice_low, nice_high = nice_limits(axis.scale, low, high, within)
        low = nice_low if named_low is None or named_low >= nice_high else named_low
        high = nice_high if named_high is None or named_high <= low else named_high
    low, high = _apart(axis.scale, low, high)
    return Scale(axis.scale, low, high, within)


def _named(axis: Axis, limit: float | None) -> float | None:
    """A limit that the axis names, if it is a place on such an axis."""
    if limit is None:
        return None
    value = float(clean(limit))
    return None if math.isnan(value) or (axis.scale == "log" and value <= 0) else value


def _apart(kind: Kind, low: float, high: float) -> tuple[float, float]:
    """Limits that differ by more than rounding."""
    if high - low > 1e-12 * max(abs(low), abs(high)) and high - low > 1e-300:
        return low, high
    if kind == "log":
        return low / 2, low * 2
    pad = max(abs(low) * 0.1, 1e-290) if low else 1.0
    return low - pad, low + pad


def nice_limits(kind: Kind, low: float, high: float, linear_within: float = 1.0) -> tuple[float, float]:
    """Limits around low..high at round numbers: 1, 2 or 5 times a power of ten on logarithmic axes."""
    if kind == "log":
        if math.log10(high) - math.log10(low) < 0.15:
            return (
                _nice_linear(low, high)
                if high > low
                else (round_125(low * 0.7, down=True), round_125(high * 1.4))
            )
        return round_125(low, down=True), round_125(high)
    if kind == "symlog":
        if high - low <= 1e-9 * max(abs(low), abs(high)):
            low, high = (min(low, 0.0), max(high, 0.0)) if low else (-linear_within, linear_within)
        return -_symlog_outward(-low, linear_within), _symlog_outward(high, linear_within)
    return _nice_linear(low, high)


def _symlog_outward(value: float, within: float) -> float:
    """A round number not below `value`."""
    if value > within:
        return round_125(value)
    if value > 0:
        return within
    if value > -within:
        return 0.0
    return -round_125(-value, down=True)


def _nice_linear(low: float, high: float) -> tuple[float, float]:
    low, high = _apart("linear", low, high)
    step = nice_step((high - low) / 5)
    # Half steps rarely move with live data; finer ones where a half step would waste a tenth of the axis.
    waste = (high - low) / 10
    down, up = (-_multiple_above(-low, step / 2), _multiple_above(high, step / 2))
    if low - down > waste:
        down = -_multiple_above(-low, step / 5)
    if up - high > waste:
        up = _multiple_above(high, step / 5)
    return down, up


def _multiple_above(value: float, grain: float) -> float:
    """The smallest multiple of `grain` not below `value`, up to rounding."""
    count = value / grain
    whole = round(count) if abs(count - round(count)) < 1e-6 else math.ceil(count)
    return float(f"{whole * grain:.12g}")


def nice_step(rough: float) -> float:
    """The smallest of 1, 2, 5 times a power of ten that is not below `rough`."""
    return round_125(rough)


def round_125(value: float, *, down: bool = False) -> float:
    """The nearest 1, 2 or 5 times a power of ten, not below (or not above) a positive value."""
    exponent = math.floor(math.log10(value))
    mantissa = value / 10.0**exponent if exponent > -300 else value * 10.0**-exponent
    if down:
        best = max((m for m in _MANTISSAS if m <= mantissa * (1 + 1e-9)), default=1.0)
    else:
        best = min((m for m in _MANTISSAS if m >= mantissa * (1 - 1e-9)), default=10.0)
    # float("2e-5") is the number one would write; 2 * 10**-5 may differ in the last bit.
    return float(f"{best:g}e{exponent}")


def _linear_within(values: Array) -> float:
    """Where a symlog axis turns linear: three decades below the largest value, or at the smallest."""
    sizes = np.abs(values[values != 0])
    if not sizes.size:
        return 1.0
    top = math.ceil(math.log10(float(sizes.max())) - 1e-9)
    bottom = math.floor(math.log10(float(sizes.min())) + 1e-9)
    return float(f"1e{min(max(bottom, top - 4), top - 1, 290)}") if top > -290 else 1e-300
