"""Ticks at 1-2-5 numbers or decades, and their labels."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from spivae.figure.scales import Scale, nice_step

_SUPERSCRIPT = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


@dataclass(frozen=True)
class Ticks:
    """Values, what is written at each, and the power of ten that all were divided by (0: none)."""

    values: tuple[float, ...] = ()
    labels: tuple[str, ...] = ()
    exponent: int = 0


def choose(scale: Scale, fits: Callable[[Ticks], bool], *, most: int = 10, ascii: bool = False) -> Ticks:
    """The densest ticks that fit; those of a single tick, or none, where nothing else does."""
    last = Ticks()
    for ticks in candidates(scale, most=most, ascii=ascii):
        if fits(ticks):
            return ticks
        last = ticks
    single = Ticks(last.values[:1], last.labels[:1], last.exponent)
    return single if fits(single) else Ticks((), (), last.exponent)


def candidates(scale: Scale, *, most: int = 10, ascii: bool = False) -> Iterator[Ticks]:
    """Ticks for an axis, from dense (at most `most`) to sparse."""
    if scale.kind == "log":
        yield from _log_candidates(scale, most, ascii)
    elif scale.kind == "symlog":
        yield from _symlog_candidates(scale, most, ascii)
    else:
        yield from _linear_candidates(scale, most)


def _linear_candidates(scale: Scale, most: int) -> Iterator[Ticks]:
    span = scale.high - scale.low
    step = nice_step(span / max(most, 1) / 2)
    for _ in range(16):
        values = _multiples(scale.low, scale.high, step)
        if len(values) < 2:
            break
        if len(values) <= most:
            yield _linear_labels(values, step, scale)
        step = nice_step(step * 1.5)
    ends = [scale.low, scale.high]
    yield _linear_labels(ends, span, scale)


def _multiples(low: float, high: float, step: float) -> list[float]:
    first, last = math.ceil(low / step - 1e-6), math.floor(high / step + 1e-6)
    return [index * step for index in range(first, last + 1)] if last - first < 1000 else []


def _linear_labels(values: list[float], step: float, scale: Scale) -> Ticks:
    exponent = exponent_of(scale)
    grain = math.floor(math.log10(step) + 1e-9) - exponent
    decimals = max(0, -grain)
    divided = [value / 10.0**exponent if exponent > -290 else value * 10.0**-exponent for value in values]
    if decimals > 7:
        labels = [f"{value:.6g}" for value in divided]
    else:
        # Ends that are no multiples of the step need what they are made of.
        if any(abs(value - round(value, decimals)) > 0.05 * 10.0**-decimals for value in divided):
            decimals = min(decimals + 2, 7)
        labels = [f"{value:.{decimals}f}" for value in divided]
    labels = [label.removeprefix("-") if not label.strip("-0.") else label for label in labels]
    return Ticks(tuple(values), tuple(labels), exponent)


def exponent_of(scale: Scale) -> int:
    """The power of ten that the ticks of a linear axis are divided by, 0 where plain numbers are short."""
    top = max(abs(scale.low), abs(scale.high))
    return math.floor(math.log10(top) + 1e-9) if scale.kind == "linear" and not 1e-2 <= top < 1e5 else 0


def _log_candidates(scale: Scale, most: int, ascii: bool) -> Iterator[Ticks]:
    low, high = math.log10(scale.low), math.log10(scale.high)
    first, last = math.ceil(low - 1e-9), math.floor(high + 1e-9)
    plain = low > -2.5 and high < 3.5
    decades = list(range(first, last + 1))
    fine: list[float] = []
    if last - first <= 3:
        for mantissas in ((1, 2, 5), (1, 3)):
            fine = [
                float(f"{mantissa}e{exponent}")
                for exponent in range(first - 1, last + 1)
                for mantissa in mantissas
                if low - 1e-9 <= math.log10(float(f"{mantissa}e{exponent}")) <= high + 1e-9
            ]
            if 2 <= len(fine) <= most:
                yield Ticks(tuple(fine), tuple(_power(value, plain, ascii) for value in fine))
    for every in (1, 2, 3, 4, 5, 10, 20, 50, 100, 200):
        chosen = [exponent for exponent in decades if exponent % every == 0]
        if len(chosen) < 2:
            break
        if len(chosen) <= most:
            values = tuple(float(f"1e{exponent}") for exponent in chosen)
            yield Ticks(values, tuple(_power(value, plain, ascii) for value in values))
    if len(decades) < 2 and len(fine) < 2:
        yield from _linear_candidates(Scale("linear", scale.low, scale.high), most)
    elif decades:
        ends = (decades[0], decades[-1]) if len(decades) > 1 else (decades[0],)
        values = tuple(float(f"1e{exponent}") for exponent in ends)
        yield Ticks(values, tuple(_power(value, plain, ascii) for value in values))
    else:
        yield Ticks(tuple(fine), tuple(_power(value, plain, ascii) for value in fine))


def _symlog_candidates(scale: Scale, most: int, ascii: bool) -> Iterator[Ticks]:
    start = round(math.log10(scale.linear_within))
    stop = math.floor(math.log10(max(abs(scale.low), abs(scale.high), scale.linear_within)) + 1e-9)
    for every in (1, 2, 3, 4, 5, 10):
        sizes = [
            float(f"1e{exponent}") for exponent in range(start, stop + 1) if (stop - exponent) % every == 0
        ]
        values = [*(-size for size in reversed(sizes)), 0.0, *sizes]
        values = [
            value
            for value in values
            if scale.low * (1 + 1e-9) <= value <= scale.high * (1 + 1e-9) or not value
        ]
        values = [value for value in values if scale.low <= value <= scale.high]
        plain = start >= -2 and stop <= 3
        if len(values) <= most and (len(values) >= 2 or every == 1):
            yield Ticks(tuple(values), tuple(_power(value, plain, ascii) for value in values))
    yield from _linear_ends(scale)


def _linear_ends(scale: Scale) -> Iterator[Ticks]:
    yield Ticks((scale.low, scale.high), (f"{scale.low:.3g}", f"{scale.high:.3g}"))


def _power(value: float, plain: bool, ascii: bool) -> str:
    """A value of one digit as 0.05, 5·10⁻² or 5e-2."""
    if value == 0 or plain:
        return f"{value:g}"
    sign, size = ("-" if value < 0 else ""), abs(value)
    mantissa, exponent = f"{size:.0e}".split("e")
    if ascii:
        return f"{sign}{mantissa}e{int(exponent)}"
    power = power_of_ten(int(exponent))
    return f"{sign}{power}" if mantissa == "1" else f"{sign}{mantissa}·{power}"


def power_of_ten(exponent: int, ascii: bool = False) -> str:
    """10⁻³, or 1e-3 in ASCII."""
    return f"1e{exponent}" if ascii else f"10{str(exponent).translate(_SUPERSCRIPT)}"


def axis_text(label: str, unit: str, exponent: int = 0, ascii: bool = False) -> str:
    """An axis label with its unit and the power of ten that its ticks were divided by."""
    power = power_of_ten(exponent, ascii) if exponent else ""
    inside = f"{power} {unit}" if power and unit else unit or (f"×{power}" if power and not ascii else power)
    return f"{label} ({inside})".strip() if inside else label


def cells_of(scale: Scale, values: tuple[float, ...], cells: int) -> list[int]:
    """The cell in which each value falls, of `cells` along the axis."""
    fractions = np.clip(np.nan_to_num(scale.fraction(values)), 0, 1)
    return [min(int(fraction * cells + 1e-9), cells - 1) for fraction in fractions]
