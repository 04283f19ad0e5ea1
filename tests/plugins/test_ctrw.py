"""The continuous-time random walk against theory, in standard errors."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sampling import draw, errors_away, kurtosis_errors_away

from spivae.estimators import positions_of, ta_msd
from spivae_plugins.ctrw import ContinuousTimeRandomWalk

CTRW = ContinuousTimeRandomWalk()


def jumps(alpha: float, times: list[float]) -> np.ndarray:
    """<N(t)>: the MSD at sigma = 1."""
    return CTRW.msd(np.array([[alpha, 1.0]]), np.array(times))[0]


@pytest.mark.parametrize("alpha", [0.2, 0.5, 0.95])
def test_the_mean_number_of_jumps_is_exact(alpha: float) -> None:
    # two jumps take at least two steps: until then, only the first can have happened
    assert_allclose(jumps(alpha, [0.5, 1.0, 1.5, 2.0]), [0, 0, 1 - 1.5**-alpha, 1 - 2**-alpha], rtol=1e-8)
    # and until the third, a second one that began at w
    nodes, weights = np.polynomial.legendre.leggauss(40)
    w = 1.5 + nodes / 2
    second = (weights / 2 * alpha * w ** (-1 - alpha) * (1 - (3 - w) ** -alpha)).sum()
    assert_allclose(jumps(alpha, [3.0]), 1 - 3**-alpha + second, rtol=1e-8)


def test_the_asymptote_is_wrong_by_a_factor_of_two_where_it_would_be_used() -> None:
    asymptote = 400**0.9 / (math.gamma(0.1) * math.gamma(1.9))
    assert 2.0 < jumps(0.9, [400.0])[0] / asymptote < 2.2
    far = 2e4
    assert_allclose(jumps(0.5, [far]) * math.gamma(0.5) * math.gamma(1.5) / far**0.5, 1, rtol=0.01)


@pytest.mark.parametrize("alpha", [0.2, 0.95])
def test_rests_are_as_long_as_their_power_law_says(alpha: float) -> None:
    moved = draw(CTRW, [alpha, 1.0], 5000, 300) != 0
    first = np.where(moved.any(axis=1), moved.argmax(axis=1), 300)
    times = np.array([2, 3, 10, 100, 300])
    # the first rest is over within the first t steps
    assert errors_away(first[:, None] < times, 1 - times**-alpha).max() < 5


def test_jumps_are_gaussian_and_their_number_is_random() -> None:
    x = draw(CTRW, [0.8, 0.3], 4000, 50)
    jump = x[x != 0] / 0.3
    assert abs(jump.var() - 1) < 5 * np.sqrt(2 / jump.size)
    assert kurtosis_errors_away(jump, 3.0) < 5
    assert 0.3 < (x == 0).mean() < 0.9


def test_the_time_average_is_linear_in_the_lag_though_the_ensemble_average_is_not() -> None:
    lags, steps, alpha = np.array([1, 2, 5, 20]), 300, 0.5
    x = draw(CTRW, [alpha, 1.0], 4000, steps)
    # windows of all begins: jumps before each end, less those before each begin
    numbers = jumps(alpha, list(range(steps + 1)))
    wanted = [(numbers[lag:] - numbers[:-lag]).mean() for lag in lags]
    assert errors_away(ta_msd(positions_of(x), lags), np.array(wanted)).max() < 5
    assert 0.95 < np.log(wanted[3] / wanted[0]) / np.log(20) < 1
    assert np.log(numbers[200] / numbers[10]) / np.log(20) < 0.75
