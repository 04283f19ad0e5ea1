"""Mean squared displacements: the fast way is the plain one to ten digits, on whatever trajectories."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import fbm, sbm

from spivae.errors import SpivaeError
from spivae.estimators import ea_msd, positions_of, ta_msd
from spivae.estimators import msd as implementation
from spivae.estimators.msd import fft_size


def plain(positions, lags):
    """The definition, lag by lag."""
    x = np.asarray(positions, dtype=np.float64)
    return np.stack([((x[:, lag:] - x[:, : x.shape[1] - lag]) ** 2).mean(axis=1) for lag in lags], axis=1)


def walks(seed=0, count=30, steps=400, d=0.5):
    return positions_of(np.sqrt(2 * d) * np.random.default_rng(seed).standard_normal((count, steps)))


ALL = np.arange(1, 401)
TRAJECTORIES = {
    "walks": walks(),
    "drifting": walks() + 100 * np.arange(401),
    "tiny D": walks(d=1e-18),
    "large": walks(d=1e18),
    "superdiffusive": positions_of(fbm(np.random.default_rng(1), 1.9, 1.0, 20, 400)),
    "subdiffusive": positions_of(fbm(np.random.default_rng(2), 0.1, 1.0, 20, 400)),
    "one jump": np.where(np.arange(401) < 300, 0.0, 1e6) + walks(d=1e-6),
    "ballistic alone": np.outer([1.0, -1e-9], np.arange(401)),
}


@pytest.mark.parametrize("kind", TRAJECTORIES)
def test_many_lags_agree_with_the_definition_to_nine_digits(kind):
    np.testing.assert_allclose(ta_msd(TRAJECTORIES[kind], ALL), plain(TRAJECTORIES[kind], ALL), rtol=1e-9)


def test_a_huge_offset_costs_only_the_digits_that_the_positions_have_lost_themselves():
    moved = walks() + 1e9
    np.testing.assert_allclose(ta_msd(moved, ALL), plain(moved, ALL), rtol=1e-9)
    np.testing.assert_allclose(ta_msd(moved, ALL), plain(walks(), ALL), rtol=1e-6)


def test_six_thousand_steps_agree_too():
    x = walks(count=2, steps=6000)
    lags = np.unique(np.geomspace(1, 6000, 60).astype(int))
    np.testing.assert_allclose(ta_msd(x, lags), plain(x, lags), rtol=1e-9)


@pytest.mark.parametrize("lags", [[1], [3, 1, 3], [400], np.arange(1, 11), np.arange(400, 0, -1), [0, 5]])
def test_any_list_of_lags_in_its_own_order(lags):
    np.testing.assert_allclose(ta_msd(walks(), lags), plain(walks(), lags), rtol=1e-9)


def test_few_lags_are_summed_one_by_one_and_many_transformed(monkeypatch):
    called = []
    for name in ("_directly", "_by_fft"):
        monkeypatch.setattr(implementation, name, lambda *_, name=name: called.append(name))
    ta_msd(walks(count=1), [1, 2, 3])
    ta_msd(walks(count=1), ALL)
    assert called == ["_directly", "_by_fft"]


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(1, 5),
    length=st.integers(2, 90),
    scale=st.sampled_from([1e-6, 1.0, 1e3]),
    drift=st.sampled_from([0.0, 1.0, 1e3]),
    seed=st.integers(0, 2**32 - 1),
)
def test_both_ways_agree_for_every_shape(n, length, scale, drift, seed):
    rng = np.random.default_rng(seed)
    x = np.cumsum(scale * rng.standard_normal((n, length)), axis=1) + drift * np.arange(length)
    lags = np.arange(length)
    found = np.empty((2, n, length))
    implementation._directly(x, lags, 0, found[0])
    moved = x - x[:, :1]
    implementation._by_fft(moved, lags, fft_size(2 * length), found[1])
    size = np.square(moved).mean(axis=1, keepdims=True)
    assert (np.abs(found[1] - found[0]) <= 1e-12 * (size + found[0])).all()


def test_it_is_zero_and_never_negative_where_nothing_moves_or_all_comes_back():
    for place in (0.1, 3e7):
        assert (ta_msd(np.full((2, 401), place), ALL) == 0).all()
    back_and_forth = np.tile([0.0, 1.0], 200)[None]
    found = ta_msd(back_and_forth, np.arange(1, 400))
    assert (found >= 0).all()
    np.testing.assert_allclose(found[0], np.arange(1, 400) % 2, atol=1e-14)


def test_float32_and_whole_numbers_are_computed_in_float64():
    x = walks().astype(np.float32)
    np.testing.assert_allclose(ta_msd(x, ALL), plain(x, ALL), rtol=1e-9)
    whole = np.cumsum(np.random.default_rng(0).integers(-1, 2, (3, 300)), axis=1)
    np.testing.assert_allclose(ta_msd(whole, [1, 2]), plain(whole, [1, 2]), rtol=1e-12)


def test_a_trajectory_that_is_not_finite_spoils_no_other():
    x = walks()
    x[3, 7] = np.nan
    found = ta_msd(x, ALL)
    assert np.isnan(found[3, 0])
    np.testing.assert_allclose(np.delete(found, 3, 0), plain(np.delete(x, 3, 0), ALL), rtol=1e-9)


def test_the_size_of_the_transform_is_the_next_one_of_small_factors():
    def smooth(number):
        for factor in (2, 3, 5):
            while number % factor == 0:
                number //= factor
        return number == 1

    for at_least in [*range(1, 800), 4801, 12000]:
        assert fft_size(at_least) == next(k for k in range(at_least, 2 * at_least + 1) if smooth(k))


def test_fbm_grows_as_its_exponent_says_over_time_and_over_the_ensemble():
    steps, count = 100, 4000
    x = positions_of(fbm(np.random.default_rng(3), 0.7, 1e-3, count, steps))
    t = np.arange(1, steps + 1)
    theory = 2e-3 * t**0.7
    averaged = ta_msd(x, t)
    error = averaged.std(axis=0) / np.sqrt(count)
    assert (np.abs(averaged.mean(axis=0) - theory) < 4 * error).all()
    assert ea_msd(x)[0] == 0
    # squares of Gaussians scatter by sqrt 2 of their mean
    assert (np.abs(ea_msd(x)[1:] / theory - 1) < 4 * np.sqrt(2 / count)).all()


def test_the_ensemble_average_of_sbm_ages_and_does_not_see_the_starting_point():
    x = positions_of(sbm(np.random.default_rng(4), 1.6, 1e-2, 4000, 60)) + 50
    t = np.arange(1, 61)
    assert (np.abs(ea_msd(x)[1:] / (2e-2 * t**1.6) - 1) < 4 * np.sqrt(2 / 4000)).all()


@pytest.mark.parametrize(
    ("positions", "lags", "message"),
    [
        (np.zeros(5), [1], r"positions: need one or more trajectories as rows \(n, T\), not shape \(5,\)"),
        (np.zeros((2, 1)), [1], "have 1, but a displacement needs at least 2"),
        (np.zeros((2, 5)), [5], "lag 5: these trajectories have lags from 0 to 4"),
        (np.zeros((2, 5)), [-1], "lag -1"),
        (np.zeros((2, 5)), [], "need one or more"),
        (np.zeros((2, 5)), [1.5], "whole numbers"),
    ],
)
def test_what_cannot_be_averaged_is_refused_in_words(positions, lags, message):
    with pytest.raises(SpivaeError, match=message):
        ta_msd(positions, lags)


@pytest.mark.full
def test_it_is_five_times_as_fast_as_a_loop_over_lags():
    x = walks(count=36_000, steps=399)
    lags = np.arange(1, 320)
    ratios = []
    for _ in range(3):
        begin = time.perf_counter()
        ta_msd(x, lags)
        middle = time.perf_counter()
        plain(x, lags)
        ratios.append((time.perf_counter() - middle) / (middle - begin))
    assert np.median(ratios) > 5
