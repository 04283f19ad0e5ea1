"""Processes that begin anew: whole arrays of them against loops over waits, and their averages."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from spivae.autoregression import autoregressive
from spivae.renewal import exponential_waits, pareto_waits, renewal_mean, renewal_sums, straight_flights

RNG = np.random.default_rng


def listed(durations: list[list[float]]) -> Callable[[np.ndarray, int], np.ndarray]:
    """Waits that are given: the same ones again and again in each row."""
    taken = [0] * len(durations)

    def waits(rows: np.ndarray, count: int) -> np.ndarray:
        out = np.empty((len(rows), count))
        for k, row in enumerate(rows):
            places = (taken[row] + np.arange(count)) % len(durations[row])
            out[k] = np.array(durations[row])[places]
            taken[row] += count
        return out

    return waits


def by_hand(durations: list[float], steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Counts of ends in each step, and displacements where the k-th flight has the slope 1 + k."""
    counts, path, begin, k = np.zeros(steps), np.zeros(steps), 0.0, 0
    while begin < steps:
        end = begin + durations[k % len(durations)]
        if end < steps:
            counts[int(end)] += 1
        for step in range(steps):
            path[step] += (1 + k) * max(0.0, min(end, step + 1) - max(begin, step))
        begin, k = end, k + 1
    return counts, path


waits_of_a_row = st.lists(
    st.one_of(st.integers(3, 600).map(lambda k: k / 64), st.sampled_from([0.5, 1.0, 1e12])),  # sums are exact
    min_size=1,
    max_size=12,
)


@given(st.lists(waits_of_a_row, min_size=1, max_size=4), st.integers(1, 12))
def test_whole_arrays_are_what_a_loop_over_waits_makes(durations: list[list[float]], steps: int) -> None:
    counts = renewal_sums(listed(durations), lambda row: 1.0 + row, len(durations), steps)
    paths = straight_flights(listed(durations), lambda row, k, _: 1.0 + k, len(durations), steps)
    for row, waits in enumerate(durations):
        wanted_counts, wanted_path = by_hand(waits, steps)
        assert_allclose(paths[row], wanted_path, rtol=1e-6)
        assert (counts[row] == (1 + row) * wanted_counts).all()


def test_blocks_of_rows_keep_their_rows() -> None:
    n, speed = 2500, np.arange(2500.0)
    waits = pareto_waits(RNG(0), np.full(n, 1.5))
    paths = straight_flights(waits, lambda row, k, duration: speed[row], n, 30)
    assert_allclose(paths, np.repeat(speed[:, None], 30, axis=1), rtol=1e-6)


def test_a_slow_flight_is_exact_next_to_a_fast_one() -> None:
    slope = np.array([1.0, 1e-30, 1.0])
    path = straight_flights(listed([[2.5, 4.0, 100.0]]), lambda row, k, _: slope[k], 1, 8)[0]
    assert_allclose(path, [1, 1, 0.5, 1e-30, 1e-30, 1e-30, 0.5, 1], rtol=1e-6)


@pytest.mark.parametrize(("exponent", "seed"), [(0.2, 1), (1.8, 2)])
def test_pareto_waits_have_their_power_law(exponent: float, seed: int) -> None:
    drawn = pareto_waits(RNG(seed), np.array([9.0, exponent]))(np.full(100, 1), 400)
    assert drawn.min() >= 1
    assert np.isfinite(drawn).all()
    for t in (1.01, 2.0, 30.0):
        chance = t**-exponent
        assert abs((drawn > t).mean() - chance) < 5 * np.sqrt(chance * (1 - chance) / drawn.size)


def test_exponential_waits_have_their_rate() -> None:
    drawn = exponential_waits(RNG(3), np.array([9.0, 0.2]))(np.full(100, 1), 400)
    assert abs(drawn.mean() - 5) < 5 * 5 / np.sqrt(drawn.size)
    assert abs((drawn > 10).mean() - np.exp(-2)) < 5 * np.sqrt(np.exp(-2) / drawn.size)


@pytest.mark.parametrize("exponent", [0.2, 0.9, 1.5])
def test_the_renewal_equation_is_solved(exponent: float) -> None:
    """Put the solution into the equation, with a quadrature that takes its own points."""

    def first(exponent: float, t: np.ndarray) -> np.ndarray:
        return 1 - np.maximum(t, 1) ** -exponent

    for t in (2.0, 3.4, 17.25):
        # the waits 1..t, in pieces between the kinks: where either t - w or w is whole
        edges = np.unique(np.concatenate([np.arange(1, t), t - np.arange(0, t - 1 + 1e-9)]))
        nodes, weights = np.polynomial.legendre.leggauss(30)
        half = np.diff(edges)[:, None] / 2
        w = (edges[:-1, None] + half + half * nodes).ravel()
        measure = (half * weights).ravel() * exponent * w ** (-1 - exponent)
        again = first(exponent, np.array([t])) + measure @ renewal_mean([exponent], first, t - w)[0]
        assert_allclose(renewal_mean([exponent], first, np.array([t]))[0], again, rtol=1e-7)


def test_the_renewal_mean_is_that_of_samples_in_every_row() -> None:
    exponents, steps, n = np.array([0.6, 1.2, 0.6]), 200, 3000
    waits = pareto_waits(RNG(4), np.tile(exponents, n))
    counts = renewal_sums(waits, lambda row: np.ones(len(row)), 3 * n, steps)
    numbers = np.cumsum(counts, axis=1).reshape(n, 3, steps)[:, :, [1, 9, 199]]
    wanted = renewal_mean(exponents, lambda a, t: 1 - np.maximum(t, 1) ** -a, np.array([2, 10, 200]))
    assert np.abs((numbers.mean(axis=0) - wanted) / (numbers.std(axis=0) / np.sqrt(n))).max() < 5
    assert_allclose(wanted[0], wanted[2], rtol=0)


def test_means_at_no_times_and_of_no_rows() -> None:
    def first(exponent: float, t: np.ndarray) -> np.ndarray:
        return t

    assert renewal_mean(np.array([0.5]), first, np.array([])).shape == (1, 0)
    assert renewal_mean(np.array([]), first, np.array([1.0, 2.0])).shape == (0, 2)
    assert_allclose(renewal_mean(np.array([0.5]), first, np.array([0.0, 0.7])), [[0.0, 0.7]])


@given(st.integers(1, 40), st.floats(0.01, 0.99))
def test_an_autoregressive_series_is_what_its_recursion_makes(length: int, rho: float) -> None:
    noise = RNG(length).standard_normal((2, length))
    series = autoregressive(noise, np.array([[rho], [0.5]]))
    wanted = np.zeros(2)
    for t in range(length):
        wanted = np.array([rho, 0.5]) * wanted + noise[:, t]
        assert_allclose(series[:, t], wanted, rtol=1e-9, atol=1e-12)
