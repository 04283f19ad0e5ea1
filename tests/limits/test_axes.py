"""Axes integrate what is smooth, also where it is cut off, and find quantiles and peaks between points."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

from spivae.limits.axes import Axis
from spivae.limits.peak import peak


def normal(x: np.ndarray, mean: float, sd: float) -> np.ndarray:
    return np.exp(-(((x - mean) / sd) ** 2) / 2) / sd / math.sqrt(2 * math.pi)


def below(x: float, mean: float, sd: float) -> float:
    return 0.5 * math.erfc((mean - x) / sd / math.sqrt(2))


@pytest.mark.parametrize("mean", [0.0, 1.3, 1.9, 2.0, 2.1])
def test_a_density_that_an_end_cuts_off_is_integrated_nearly_exactly(mean: float) -> None:
    axis = Axis(-1.0, 2.0, 60)
    share = normal(axis.points, mean, 0.1) @ axis.measure * 1.5  # the measure is that of [-1, 1]
    assert share == pytest.approx(below(2.0, mean, 0.1), abs=1e-6)


@pytest.mark.parametrize("mean", [0.0, 1.3, 1.9, 2.0])
def test_quantiles_lie_between_points(mean: float) -> None:
    axis, levels = Axis(-1.0, 2.0, 60), (0.025, 0.5, 0.975)
    found = axis.quantiles(np.stack([normal(axis.points, mean, 0.1)] * 2), levels)
    assert found.shape == (2, 3)
    for value, level in zip(found[0], levels, strict=True):
        assert below(value, mean, 0.1) / below(2.0, mean, 0.1) == pytest.approx(level, abs=1e-3)


def test_a_range_without_width_is_a_known_value() -> None:
    axis = Axis(0.3, 0.3, 40)
    assert axis.points.tolist() == [0.3]
    assert axis.quantiles(np.ones((2, 1)), (0.5,)).tolist() == [[0.3], [0.3]]


def test_ends_are_half_an_index_outside_the_points() -> None:
    axis = Axis(-1.0, 2.0, 7)
    assert_allclose(axis.at(np.array([-0.5, 6.5])), [-1.0, 2.0])
    assert_allclose(axis.at(np.arange(7)), axis.points)


def test_the_top_of_a_tilted_parabola_is_found_exactly() -> None:
    axes, top = [Axis(0.0, 1.0, 12), Axis(-5.0, 5.0, 30)], np.array([0.43, 1.234])
    x, y = np.meshgrid(*(axis.points for axis in axes), indexing="ij")
    height = -3 * (x - top[0]) ** 2 - 0.2 * (y - top[1]) ** 2 + 0.9 * (x - top[0]) * (y - top[1])
    where, follow = peak(height[None], (x * y + y)[None], axes)
    assert_allclose(where, [top], rtol=1e-9)
    assert_allclose(follow, [top[0] * top[1] + top[1]], rtol=1e-9)


def test_a_peak_outside_is_found_on_the_edge() -> None:
    axes = [Axis(0.0, 1.0, 12), Axis(-5.0, 5.0, 30)]
    x, y = np.meshgrid(*(axis.points for axis in axes), indexing="ij")
    height = -3 * (x - 1.2) ** 2 - 0.2 * (y - 1.0) ** 2 + 0.9 * (x - 1.2) * (y - 1.0)
    where, _ = peak(height[None], height[None], axes)
    assert_allclose(where, [[1.0, 1.0 - 0.2 * 0.9 / 0.4]], rtol=1e-6)


def test_without_a_peak_the_highest_point_will_do() -> None:
    axis = Axis(0.0, 1.0, 9)
    where, follow = peak((axis.points**2)[None], axis.points[None], [axis])
    assert where[0, 0] == pytest.approx(axis.points[-1])
    assert follow[0] == pytest.approx(axis.points[-1])
