"""Means over cells of what comes in parts, against those of the whole."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from spivae.cell_sums import CellSums


@pytest.mark.parametrize("sizes", [[9], [1, 8], [3, 3, 3], [4, 1, 1, 3]])
def test_sums_of_parts_are_those_of_the_whole(sizes: list[int]) -> None:
    whole = np.random.default_rng(0).normal([1e6, -3.0], [1.0, 2.0], (5, 9, 2)) + np.arange(5)[:, None, None]
    sums = CellSums(5, 2)
    for part in np.split(whole, np.cumsum(sizes)[:-1], axis=1):
        sums.add(part)
    assert (sums.count, sums.n) == (9, 45)
    assert_allclose(sums.mean, whole.mean(axis=1), rtol=1e-14)
    inside = (whole - whole.mean(axis=1, keepdims=True)).reshape(45, 2)
    assert_allclose(sums.within, inside.T @ inside, rtol=1e-8)
    assert_allclose(sums.variance, whole.var(axis=1, ddof=1).mean(axis=0), rtol=1e-8)
    assert_allclose(sums.error, np.sqrt(whole.var(axis=1, ddof=1).mean(axis=0) / 45), rtol=1e-8)
    assert_allclose(sums.total_variance, whole.reshape(45, 2).var(axis=0), rtol=1e-8)


def test_one_trajectory_a_cell_has_no_spread() -> None:
    sums = CellSums(3, 1)
    sums.add(np.ones((3, 1, 1)))
    assert np.isnan(sums.error).all()
