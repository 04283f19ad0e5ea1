"""Annealed transient time motion against theory, in standard errors."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sampling import draw, errors_away, kurtosis_errors_away

from spivae.estimators import positions_of, ta_msd
from spivae_plugins.attm import AnnealedTransientTime

ATTM = AnnealedTransientTime()


def squares(alpha: float, times: list[float]) -> np.ndarray:
    """<x^2> at D = 1."""
    return ATTM.msd(np.array([[alpha, 1.0]]), np.array(times))[0]


@pytest.mark.parametrize("alpha", [0.2, 0.9])
def test_the_first_step_tells_the_coefficients_distribution(alpha: float) -> None:
    # no coefficient is kept for less than a step, and u^5 has the moments 1 / (5 k + 1)
    x = draw(ATTM, [alpha, 0.02], 40_000, 1)[:, 0] / np.sqrt(0.04)
    assert errors_away(x**2, 1 / 6) < 5
    assert errors_away(np.abs(x), np.sqrt(2 / np.pi) / 3.5) < 5
    assert kurtosis_errors_away(x, 3 * 36 / 11) < 5
    # in a tenth of the trajectories it is below 1e-5
    nodes, weights = np.polynomial.legendre.leggauss(200)
    u = (nodes + 1) / 2
    for reach in (1e-3, 1e-2, 0.1, 1.0):
        chance = [math.erf(reach / np.sqrt(2) / value**2.5) for value in u]
        assert errors_away(np.abs(x) < reach, (weights / 2 * chance).sum()) < 5


@pytest.mark.parametrize("alpha", [0.2, 0.5, 0.9])
def test_the_mean_square_is_exact(alpha: float) -> None:
    assert_allclose(squares(alpha, [0.5, 1.0]), [1 / 6, 2 / 6], rtol=1e-8)
    # a coefficient is kept until w in (1, 2), if it is fast, and the next one is the first of its own
    t, c = 1.8, alpha / 0.2
    nodes, weights = np.polynomial.legendre.leggauss(60)
    w = 1.4 + nodes * 0.4
    density = weights * 0.4 * alpha * w ** (-1 - alpha)
    changed = (density * 2 * (w**-c * w + (t - w) / 6)).sum()
    kept = 2 * t * alpha / (alpha + c) * t ** (-alpha - c)
    assert_allclose(squares(alpha, [t]), changed + kept, rtol=1e-8)


@pytest.mark.parametrize("alpha", [0.4, 0.6])
def test_the_mean_square_grows_with_the_exponent_in_the_end(alpha: float) -> None:
    near, far = squares(alpha, [5e3, 1e4])
    assert abs(np.log2(far / near) - alpha) < 0.02


def test_the_time_average_is_linear_in_the_lag_though_the_ensemble_average_is_not() -> None:
    lags, steps, alpha = np.array([1, 2, 5, 20]), 300, 0.5
    x = draw(ATTM, [alpha, 1.0], 4000, steps)
    msd = squares(alpha, list(range(steps + 1)))
    wanted = np.array([(msd[lag:] - msd[:-lag]).mean() for lag in lags])
    assert errors_away(ta_msd(positions_of(x), lags), wanted).max() < 5
    assert 0.94 < np.log(wanted[3] / wanted[0]) / np.log(20) < 1
    assert np.log(msd[200] / msd[10]) / np.log(20) < 0.6


def test_slow_spells_are_long() -> None:
    x = draw(ATTM, [0.5, 1.0], 4000, 200)
    # half of the trajectories move by less than a tenth of the root of their mean square
    assert np.median(np.abs(x[:, -1])) < 0.1 * np.sqrt((x[:, -1] ** 2).mean())
    # and yet no number is negative under the root: all are finite, and none is 0
    assert np.isfinite(x).all()
    assert (x != 0).all()
