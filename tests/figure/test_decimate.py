from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spivae.figure.decimate import clip_segments, dash, decimate, runs

fractions = st.floats(-3, 3)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=200), st.integers(1, 20))
def test_decimation_keeps_the_extremes_of_every_column(values: list[float], columns: int) -> None:
    y = np.array(values)
    x = np.linspace(0, 1, y.size, endpoint=False)
    kept = decimate(x, y, columns)
    assert (np.diff(kept) > 0).all()
    column = np.floor(x * columns)
    for here in np.unique(column):
        whole, left = y[column == here], y[kept][column[kept] == here]
        assert 1 <= left.size <= 2
        assert (left.min(), left.max()) == (whole.min(), whole.max())


def test_a_curve_without_order_is_thinned_and_keeps_its_extremes() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.random(100_000), rng.random(100_000)
    kept = decimate(x, y, 50)
    assert kept.size <= 8 * 50 + 2
    assert y.min() in y[kept]
    assert y.max() in y[kept]


def test_runs_are_the_stretches_of_true() -> None:
    assert runs(np.array([True, True, False, True])) == [(0, 2), (3, 4)]
    assert runs(np.array([], dtype=bool)) == []


@given(st.lists(st.tuples(fractions, fractions), max_size=30))
def test_clipped_lines_lie_inside(points: list[tuple[float, float]]) -> None:
    x, y = np.array([p[0] for p in points]), np.array([p[1] for p in points])
    for px, py in clip_segments(x, y):
        assert px.size == py.size > 0
        assert ((px >= 0) & (px <= 1) & (py >= 0) & (py <= 1)).all()


def test_a_line_is_cut_where_it_leaves_the_square() -> None:
    (piece,) = clip_segments(np.array([0.0, 1.0]), np.array([-0.5, 1.5]))
    assert piece[0] == pytest.approx([0.25, 0.75])
    assert piece[1] == pytest.approx([0.0, 1.0])


def test_a_line_that_leaves_and_returns_is_two_pieces() -> None:
    pieces = clip_segments(np.array([0.0, 0.5, 1.0]), np.array([0.5, 2.5, 0.5]))
    assert [piece[1].max() for piece in pieces] == pytest.approx([1.0, 1.0])
    assert pieces[0][0].max() == pytest.approx(0.125)
    assert pieces[1][0].min() == pytest.approx(0.875)


def test_dashes_leave_gaps() -> None:
    x, _ = dash(np.array([0.0, 11.0]), np.array([0.0, 0.0]), 3, 3)
    assert x.tolist() == [0, 1, 2, 6, 7, 8]
