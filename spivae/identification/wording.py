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


def time_of(
    process: Process, terms: Mapping[str, float], features: Mapping[str, Feature], cells: CellMeans, v: float
) -> Time | None:
    """The time an expression refers to, where it has ln D and α: ln t* is the ratio of their coefficients.

    ln(α D t^(α-1)) is ln D + ln α + α ln t, less ln t. The coefficients of ln D and ln α stay one where they
    are in `terms`, so that a combination that names its own time is asked whether that is the best one.
    """
    names = aging(process)
    if names is None or not (terms.get(names[0]) and terms.get(names[2])):
        return None
    if not (set(terms) <= features.keys()):
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
    if not abs(ratio) < 100:  # e^100: ln D is hardly there
        return None
    return Time(float(ratio), math.sqrt(max(float(variance), 0.0)))


def wording(
    process: Process, terms: Mapping[str, float], largest: str, time: Time | None, length: int
) -> Wording:
    """How terms read, in units of the one of ln D where an aging process has it, else of the `largest`."""
    names = aging(process)
    leading = names[0] if names is not None and terms.get(names[0]) else largest
    parts = {name: value / terms[leading] for name, value in terms.items()}
    if names is not None and set(parts) <= set(names) and parts.get(names[0]) and parts.get(names[2]):
        log_d, log_alpha, alpha = names
        d, b, log_t = log_d.removeprefix("ln "), parts.get(log_alpha, 0.0), parts[alpha]
        if _is(b, 1.0):
            return Wording(
                f"ln({alpha} {d} {_power(log_t, time, f'{alpha}-1', f'1-{alpha}', length)}", parts, -log_t
            )
        if log_alpha not in parts:
            return Wording(f"ln({d} {_power(log_t, time, alpha, f'-{alpha}', length)}", parts)
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
