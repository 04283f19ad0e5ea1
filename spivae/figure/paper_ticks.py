"""Ticks on a printed axis: the terminal's choice of numbers, as dense as the type allows, with minor ones."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from spivae.figure.mathtext import mathtext, upright
from spivae.figure.paper import POINT, SMALL
from spivae.figure.paper_text import lines_of, width_of
from spivae.figure.scales import Scale
from spivae.figure.ticks import Ticks, choose, power_of_ten

_APART = {"x": 1.6, "y": 4.0}  # mm between two labels side by side, between two lines of them
_MOST_DECADES = 30  # with more of them, minor ticks are a smear


def ticks(scale: Scale, length: float, *, across: bool) -> Ticks:
    """Ticks for an axis of `length` mm; labels of an axis `across` stand side by side."""

    def fits(found: Ticks) -> bool:
        places = (scale.fraction(found.values) * length).tolist()
        half = [width_of(mathtext(label), SMALL) / 2 if across else 0.0 for label in found.labels]
        gap = _APART["x" if across else "y"]
        ends = sorted(zip(places, half, strict=True))
        return all(b - a >= wide + next_wide + gap for (a, wide), (b, next_wide) in pairwise(ends))

    return choose(scale, fits, most=max(2, round(length / (6 if across else 4.5))))


def minor(scale: Scale, major: Ticks) -> list[float]:
    """Values of unlabelled ticks on a logarithmic axis: the powers of ten, and 2 to 9 times those."""
    if scale.kind != "log" or math.log10(scale.high) - math.log10(scale.low) > _MOST_DECADES:
        return []
    decades = range(math.floor(math.log10(scale.low)), math.ceil(math.log10(scale.high)) + 1)
    sparse = any(b > 10.5 * a for a, b in pairwise(major.values))  # not every power of ten has its label
    values = [float(f"{digit}e{decade}") for decade in decades for digit in ([1] if sparse else range(1, 10))]
    return [value for value in values if scale.low <= value <= scale.high and value not in major.values]


def places(scale: Scale, values: list[float] | tuple[float, ...]) -> list[float]:
    """Where values lie along the axis, 0 to 1."""
    return [float(place) for place in np.clip(np.nan_to_num(scale.fraction(values)), 0, 1)] if values else []


def axis_lines(label: str, unit: str, exponent: int, width: float) -> list[str]:
    """An axis's label with its unit and the power of ten that its ticks were divided by, for matplotlib.

    In lines of at most `width` mm.
    """
    lines = lines_of(label, width, POINT)
    power = mathtext(power_of_ten(exponent)) if exponent else ""
    inside = f"{power} {upright(unit)}" if power and unit else upright(unit) or (f"×{power}" if power else "")
    if not inside:
        return lines
    last = f"{lines.pop()} ({inside})" if lines else f"({inside})"
    if lines or width_of(last, POINT) <= width or last.startswith("("):
        return [*lines, last]
    return [last.removesuffix(f" ({inside})"), f"({inside})"]
