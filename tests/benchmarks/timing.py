"""Ratios of two ways to do the same work, measured in turn, so that a busy machine slows down both."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

Work = Callable[[], object]
clock = time.perf_counter


@dataclass(frozen=True)
class Measured:
    """A median and the quartiles around it: of ratios, or of what a row's unit says."""

    ratio: float
    low: float
    high: float

    @classmethod
    def of(cls, values: list[float]) -> Measured:
        if len(values) < 2:
            return cls(*3 * values)
        low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
        return cls(middle, low, high)


def seconds(work: Work) -> float:
    begin = clock()
    work()
    return clock() - begin


def compare(plain: Work, ours: Work, rounds: int, plain_does: float = 1.0) -> Measured:
    """How many times faster `ours` is; `plain_does` is the part of the work that `plain` does of it."""
    ours()
    if rounds > 1:
        plain()
    return Measured.of([seconds(plain) / plain_does / seconds(ours) for _ in range(rounds)])
