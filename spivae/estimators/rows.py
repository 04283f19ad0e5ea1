"""Trajectories a few at a time, and the checks that all estimators share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from spivae.errors import SpivaeError

Array = npt.NDArray[Any]

# numbers in one array of a block: 400 kB, which a processor's second-level cache holds
BLOCK_NUMBERS = 50_000


def blocks(count: int, width: int) -> Iterator[slice]:
    """Slices over `count` rows, each of few enough rows that an array of `width` columns stays in cache."""
    rows = max(1, BLOCK_NUMBERS // max(width, 1))
    for start in range(0, count, rows):
        yield slice(start, min(start + rows, count))


def trajectories(values: Any, at_least: int, what: str, why: str) -> Array:
    """The values as an array (n, T). Raises SpivaeError for another shape and for T below `at_least`."""
    array = np.asarray(values)
    if array.ndim != 2 or not len(array):
        raise SpivaeError(f"{what}: need one or more trajectories as rows (n, T), not shape {array.shape}")
    if array.shape[1] < at_least:
        raise SpivaeError(
            f"{what}: trajectories have {array.shape[1]}, but {why} needs at least {at_least} of them"
        )
    return array


def finite_rows(displacements: Array) -> Array:
    """The trajectories (m, L) of (n, L) that are finite to their end: a model's may diverge."""
    return displacements[np.isfinite(displacements).all(axis=1)]


def whole_lags(lags: Sequence[int] | Array, longest: int, lowest: int = 0) -> Array:
    """The lags as integers (k,). Raises SpivaeError for none, for fractions, and for those out of reach."""
    array = np.atleast_1d(np.asarray(lags))
    if array.ndim != 1 or not array.size:
        raise SpivaeError("lags: need one or more of them")
    whole = array.astype(np.int64)
    if not (whole == array).all():
        raise SpivaeError("lags: need whole numbers of steps")
    if whole.min() < lowest or whole.max() > longest:
        wrong = whole.min() if whole.min() < lowest else whole.max()
        raise SpivaeError(f"lag {wrong}: these trajectories have lags from {lowest} to {longest}")
    return whole
