"""What a latent may follow: parameters, their logarithms, and the combinations that a process names."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from spivae.dataset import Grid
from spivae.process import Array, Process

MOST_TERMS = 3
_POINTS = 4  # values of each parameter at which a combination is taken apart
_SAME = 1e-9  # what differs by less than this part of its spread is the same


@dataclass(frozen=True)
class Feature:
    """One function of the parameters: its values (m,), and the indices of the parameters it depends on."""

    name: str
    values: Array
    parameters: frozenset[int]
    combined: bool = False


def features_of(process: Process, theta: Array, length: int) -> list[Feature]:
    """All features at theta (m, p): those of each parameter, then the combinations over `length` positions.

    A parameter with a log scale gives its logarithm; a linear one its value, and the logarithm too where its
    range is positive. What is not finite everywhere is left out.
    """
    found = []
    for k, parameter in enumerate(process.parameters):
        column, only = theta[:, k], frozenset([k])
        if parameter.scale == "linear":
            found.append(Feature(parameter.label, column, only))
        if parameter.low > 0 and (column > 0).all():
            found.append(Feature(f"ln {parameter.label}", np.log(column), only))
    with np.errstate(invalid="ignore", divide="ignore"):
        combinations = process.combinations(theta, length)
    for name, values in combinations.items():
        found.append(Feature(name, np.asarray(values), _parameters_in(process, name, length), True))
    return [feature for feature in found if np.isfinite(feature.values).all()]


def distinct(features: Sequence[Feature]) -> list[Feature]:
    """The features that vary, without those that are another one's multiple plus a constant."""
    kept: list[Feature] = []
    units: list[Array] = []
    for feature in features:
        centred = feature.values - feature.values.mean()
        size = np.linalg.norm(centred)
        if size <= _SAME * np.linalg.norm(feature.values):
            continue
        unit = centred / size
        if all(abs(unit @ other) < 1 - _SAME for other in units):
            kept.append(feature)
            units.append(unit)
    return kept


def subsets(features: Sequence[Feature]) -> Iterator[tuple[Feature, ...]]:
    """Every subset of up to `MOST_TERMS` features, the small ones first.

    A combination does not go with a feature of a parameter that it contains already: the sum would have no
    reading, and be no simpler than the parameters by themselves.
    """
    for size in range(1, MOST_TERMS + 1):
        for chosen in itertools.combinations(features, size):
            if not any(
                one.combined and not other.combined and one.parameters & other.parameters
                for one, other in itertools.permutations(chosen, 2)
            ):
                yield chosen


def taken_apart(process: Process, combination: str, length: int) -> dict[str, float] | None:
    """A combination as {feature of a parameter: coefficient}, or None where it is no sum of those.

    The constant is left out: log(α D T^(α-1)) is ln D + ln α + α ln T, less ln T.
    """
    theta = _everywhere(process)
    features = features_of(process, theta, length)
    parts = distinct([feature for feature in features if not feature.combined])
    target = next(feature.values for feature in features if feature.name == combination)
    design = np.column_stack([np.ones(len(theta)), *(part.values for part in parts)])
    coefficients = np.linalg.lstsq(design, target, rcond=None)[0]
    if np.abs(target - design @ coefficients).max() > _SAME * max(np.ptp(target), 1.0):
        return None
    largest = np.abs(coefficients[1:]).max()
    return {
        part.name: float(value)
        for part, value in zip(parts, coefficients[1:], strict=True)
        if abs(value) > _SAME * largest
    }


def _parameters_in(process: Process, combination: str, length: int) -> frozenset[int]:
    """The parameters that change a combination."""
    theta = _everywhere(process)
    before = process.combinations(theta, length)[combination]
    found = []
    for k in range(theta.shape[1]):
        other = theta.copy()
        other[:, k] = theta[::-1, k]
        if not np.array_equal(process.combinations(other, length)[combination], before, equal_nan=True):
            found.append(k)
    return frozenset(found)


def _everywhere(process: Process) -> Array:
    return Grid.of(process, dict.fromkeys(process.names, _POINTS)).cells
