"""Normal numbers of whole arrays are normal, to the tails, and independent."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from spivae.normals import standard_normals


class Bits:
    """A generator that draws the same bits again and again."""

    def __init__(self, bits: int) -> None:
        self.bits = bits

    def integers(self, low: int, high: int, shape: tuple[int, int], dtype: type) -> np.ndarray:
        assert low <= self.bits < high
        return np.full(shape, self.bits, dtype=dtype)


def test_their_moments_and_tails_are_those_of_a_normal_distribution() -> None:
    drawn = standard_normals(np.random.default_rng(0), 4000, 500).astype(float).ravel()
    n = drawn.size
    for power, moment in enumerate((0, 1, 0, 3, 0, 15), start=1):
        variance = math.prod(range(1, 2 * power, 2)) - moment**2
        assert abs((drawn**power).mean() - moment) < 4 * math.sqrt(variance / n)
    for bound in (0.01, 0.5, 1, 2, 3, 4, 4.5):
        within = math.erf(bound / math.sqrt(2))
        assert abs((np.abs(drawn) < bound).mean() - within) < 4 * math.sqrt(within * (1 - within) / n)


@pytest.mark.parametrize("apart", [1, 2, 5, 6], ids=lambda apart: f"{apart} columns apart")
def test_numbers_of_a_row_know_nothing_of_each_other(apart: int) -> None:
    drawn = standard_normals(np.random.default_rng(1), 100_000, 12).astype(float)
    for power in (1, 2):
        a, b = drawn[:, : 12 - apart] ** power, drawn[:, apart:] ** power
        correlation = np.mean((a - a.mean()) * (b - b.mean())) / (a.std() * b.std())
        assert abs(correlation) < 4 / math.sqrt(a.size)


@pytest.mark.parametrize("columns", [0, 1, 2, 7, 8])
def test_they_have_the_shape_that_was_asked_for(columns: int) -> None:
    drawn = standard_normals(np.random.default_rng(2), 5, columns)
    assert drawn.shape == (5, columns)
    assert drawn.dtype == np.float32
    assert len(np.unique(drawn)) == drawn.size


def test_a_row_takes_its_own_numbers_however_many_follow() -> None:
    few, many = (standard_normals(np.random.default_rng(3), rows, 9) for rows in (4, 40))
    assert_array_equal(many[:4], few)


def test_no_bits_make_a_number_that_is_not_finite() -> None:
    least, most = (standard_normals(Bits(bits), 1, 2) for bits in (0, 2**64 - 1))  # type: ignore[arg-type]
    assert_array_equal(most, 0)
    # all bits 0: the greatest radius, in the direction of the first
    assert least[0] == pytest.approx([math.sqrt(66 * math.log(2)), 0])
