"""An expression in words, and for anomalous diffusion the time it refers to."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from spivae.identification.features import Feature
from spivae.identification.fitting import CellMeans, covariance
from spivae.process import Process

_SAME = 1e-6


@dataclass(frozen=True)
class Wording:
    """An expression as it reads, and its values: `offset` + the sum of `terms` {feature: coefficient}."""

    text: str
    terms: Mapping[str, float]
    offset: float = 0.0


@dataclass(frozen=True)
class Time:
    """ln t* of an expression ln(α D t*^(α-1)), and its standard deviation."""

    log: float
    log_sd: float

    def may_be(self, log: float) -> bool:
        """Whether it is another one within two standard deviations."""
        return abs(self.log - log) < 2 * self.log_sd


def aging(process: Process) -> tuple[str, str, str] | None:
    """The features ln D, ln α and α of a process with an exponent and a diffusion coefficient."""
    labels = {parameter.name: parameter.label for parameter in process.parameters}
    if not {"alpha", "D"} <= set(labels):
        return None
    return f"ln {labels['D']}", f"ln {labels['alpha']}", labels["alpha"]


def has_time(process: Process, terms: Mapping[str, float], length: int) -> bool:
    """Whether terms of ln D and α refer to a time: the ratio of their coefficients is ln t*.

    A time beyond the square of the length, or its inverse, is none: there one of the two is hardly encoded.
    """
    names = aging(process)
    if names is None or not (terms.get(names[0]) and terms.get(names[2])):
        return False
    return abs(terms[names[2]] / terms[names[0]]) < 2 * math.log(length)


def time_of(
    process: Process, terms: Mapping[str, float], features: Mapping[str, Feature], cells: CellMeans, v: float
) -> Time | None:
    """The best time of an expression that refers to one, from a fit of its own; None for too few cells.

    ln(α D t^(α-1)) is ln D + ln α + α ln t, less ln t. The coefficients of ln D and ln α stay one where they
    are in `terms`, so that a combination that names its own time is asked whether that is the best one.
    """
    names = aging(process)
    if names is None or not (set(terms) <= features.keys()):
        return None
    log_d, log_alpha, alpha = names
    first = features[log_d].values
    others = [name for name in terms if name not in (log_d, alpha)]
    if _is(terms.get(log_alpha, 0.0) / terms[log_d], 1.0):
        first = first + features[log_alpha].values
        others.remove(log_alpha)
    columns = [first, features[alpha].values, *(features[name].values for name in others)]
    found = covariance(np.column_stack(columns), cells, v)
    if found is None:
        return None
    (a, c), spread = found[0][:2], found[1]
    ratio = c / a
    variance = (spread[1, 1] - 2 * ratio * spread[0, 1] + ratio**2 * spread[0, 0]) / a**2
    return Time(float(ratio), math.sqrt(max(float(variance), 0.0)))


def wording(
    process: Process, terms: Mapping[str, float], largest: str, time: Time | None, length: int
) -> Wording:
    """How terms read, in units of the one of ln D where they refer to a time, else of the `largest`."""
    names = aging(process)
    if names is None or not has_time(process, terms, length):
        return _sum(terms, largest)
    log_d, log_alpha, alpha = names
    parts = {name: value / terms[log_d] for name, value in terms.items()}
    d, log_t = log_d.removeprefix("ln "), parts[alpha]
    if set(parts) == {log_d, alpha}:
        return Wording(f"ln({d} {_power(log_t, time, alpha, f'-{alpha}', length)}", parts)
    if set(parts) == set(names) and _is(parts[log_alpha], 1.0):
        power = _power(log_t, time, f"{alpha}-1", f"1-{alpha}", length)
        return Wording(f"ln({alpha} {d} {power}", parts, -log_t)
    return _sum(terms, log_d)


def _sum(terms: Mapping[str, float], leading: str) -> Wording:
    """The terms one after the other, in units of the leading one."""
    parts = {name: value / terms[leading] for name, value in terms.items()}
    first, *others = sorted(parts, key=lambda name: (name != leading, not name.startswith("ln ")))
    text = first + "".join(f" {'-' if parts[n] < 0 else '+'} {_times(abs(parts[n]))}{n}" for n in others)
    return Wording(text, parts)


def _power(log_t: float, time: Time | None, up: str, down: str, length: int) -> str:
    """t*^(up), with the length T in the place of t* or of 1 / t* where it is that; and the closed bracket."""
    ends = math.log(length), -math.log(length)
    near_t, near_inverse = (_is(log_t, end) for end in ends)
    if time is not None and not (near_t or near_inverse):
        near_t, near_inverse = (time.may_be(end) for end in ends)
    if near_t != near_inverse:
        return f"T^{_bracket(up if near_t else down)})"
    return f"t*^{_bracket(up)}), t* = {_number(math.exp(log_t))}"


def _bracket(exponent: str) -> str:
    return f"({exponent})" if len(exponent) > 1 else exponent


def _times(factor: float) -> str:
    return "" if _is(factor, 1.0) else f"{_number(factor)} "


def _number(value: float) -> str:
    """Three digits, without an exponent where it can be helped."""
    text = f"{value:.3g}"
    return f"{float(text):.0f}" if 1000 <= value < 1e6 else text


def _is(value: float, other: float) -> bool:
    return abs(value - other) <= _SAME * max(abs(other), 1.0)
