"""Abscissas, axes through results, and bins around grid values."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spivae.errors import SpivaeError
from spivae.figure.against import abscissas, axes_of, describe, edges_around, edges_of, nearest
from spivae.grids import evenly
from spivae_plugins.sbm import ScaledBrownianMotion

SBM = ScaledBrownianMotion()
THETA = np.array([[0.5, 1e-3], [1.5, 1e-2]])


def test_parameters_come_first_and_combinations_after_them():
    found = abscissas(SBM, THETA, 400)
    assert [item.name for item in found] == ["alpha", "D", "log(α D T^(α-1))", "log(α D T^(1-α))"]
    np.testing.assert_array_equal(found[1].values, [1e-3, 1e-2])
    np.testing.assert_allclose(found[2].values, np.log(SBM.diffusivity(THETA, [400])[:, 0]))


@pytest.mark.parametrize(
    ("only", "name"),
    [
        ("alpha", "alpha"),
        ("α", "alpha"),
        ("D", "D"),
        ("1", "log(α D T^(α-1))"),
        ("2", "log(α D T^(1-α))"),
        ("log(α D T^(1-α))", "log(α D T^(1-α))"),
    ],
)
def test_one_is_chosen_by_name_symbol_words_or_number(only, name):
    assert [item.name for item in abscissas(SBM, THETA, 400, only)] == [name]


def test_an_unknown_one_is_refused_with_the_choices():
    message = r"option against: sbm has no 'beta'; choose from alpha, D, 1 for log\(α D"
    with pytest.raises(SpivaeError, match=message):
        abscissas(SBM, THETA, 400, "beta")


def test_axes_survive_the_way_through_a_result():
    axes = axes_of(describe(abscissas(SBM, THETA, 400)))
    assert [(axis.label, axis.unit, axis.scale) for axis in axes][:2] == [
        ("α", "", "linear"),
        ("D", "length²/time^α", "log"),
    ]
    assert axes_of(describe([])) == []


def test_edges_lie_around_their_values_on_either_scale():
    np.testing.assert_allclose(edges_around(np.array([1.0, 2.0, 4.0])), [0.5, 1.5, 3.0, 5.0])
    np.testing.assert_allclose(edges_around(np.array([2.0])), [1.5, 2.5])
    np.testing.assert_allclose(edges_around(np.array([1.0, 100.0]), "log"), [0.1, 10, 1000])


def test_grid_values_have_a_bin_each_and_a_continuum_equal_bins():
    grid = np.repeat([0.2, 0.4, 0.6], 5)
    assert np.histogram(grid, edges_of(grid, "linear", 10))[0].tolist() == [5, 5, 5]
    values = np.random.default_rng(0).uniform(1e-3, 1, 500)
    edges = edges_of(values, "log", 20)
    assert len(edges) == 21
    np.testing.assert_allclose(np.diff(np.log(edges)), np.log(edges[1] / edges[0]))
    assert np.histogram(values, edges)[0].sum() == 500


@given(count=st.integers(1, 400), wanted=st.integers(1, 100))
def test_evenly_spread_indices_are_distinct_and_reach_both_ends(count, wanted):
    found = evenly(count, wanted)
    assert len(set(found.tolist())) == len(found) == min(count, wanted)
    assert (found >= 0).all()
    assert (found < count).all()
    if wanted > 1:
        assert {found[0], found[-1]} == {0, count - 1}


def test_the_nearest_value_is_so_on_the_parameters_scale():
    values = np.array([1e-4, 1e-2])
    assert nearest(values, 2e-3, "log") == 1
    assert nearest(values, 2e-3) == 0
    assert nearest(values, -1.0, "log") == 0
