"""Scaled Brownian motion against theory, in standard errors."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from spivae_plugins.sbm import ScaledBrownianMotion, sbm

SBM = ScaledBrownianMotion()
N, STEPS = 4000, 100


@pytest.mark.parametrize(("alpha", "d"), [(0.2, 1e-5), (0.5, 1e-2), (1.0, 1.0), (1.8, 1e-3)])
def test_moments_lie_within_five_standard_errors_of_theory(alpha: float, d: float) -> None:
    theta = np.tile([alpha, d], (N, 1))
    x = SBM.displacements(np.random.default_rng(7), theta, STEPS)
    t = np.arange(1, STEPS + 1)
    variance = 2 * d * (t**alpha - (t - 1.0) ** alpha)
    scaled = x / np.sqrt(variance)  # independent standard normal numbers
    assert np.abs(scaled.mean(0)).max() < 5 / np.sqrt(N)
    assert np.abs((scaled**2).mean(0) - 1).max() < 5 * np.sqrt(2 / N)
    neighbours = (scaled[:, 1:] * scaled[:, :-1]).mean(0)
    assert np.abs(neighbours).max() < 5 / np.sqrt(N)
    assert abs((scaled**4).mean() - 3) < 5 * np.sqrt(96 / scaled.size)
    position = np.cumsum(x, axis=1, dtype=float)
    msd, wanted = (position**2).mean(0), 2 * d * t**alpha
    assert np.abs(msd / wanted - 1).max() < 5 * np.sqrt(2 / N)


def test_each_row_has_its_own_parameters() -> None:
    theta = np.array([[1.0, 1e-6], [1.0, 1e2]])
    x = SBM.displacements(np.random.default_rng(0), theta, 500)
    assert_allclose(x.var(axis=1), [2e-6, 2e2], rtol=0.3)


def test_theory_is_consistent() -> None:
    theta = np.array([[0.4, 1e-3], [1.6, 1e-2]])
    t = np.array([5.0, 50.0])
    half_derivative = (SBM.msd(theta, t * 1.0001) - SBM.msd(theta, t * 0.9999)) / (2 * t * 0.0002)
    assert_allclose(SBM.diffusivity(theta, t), half_derivative, rtol=1e-6)
    assert_allclose(SBM.covariance(theta, 30).sum(axis=1), SBM.msd(theta, np.array([30.0]))[:, 0])
    combined = SBM.combinations(theta, 400)
    assert_allclose(combined["log(α D T^(α-1))"], np.log(SBM.diffusivity(theta, np.array([400.0]))[:, 0]))


def test_the_seeds_function_draws_one_trajectory() -> None:
    x = sbm(50, alpha=0.5, sigma=0.1, rng=np.random.default_rng(1))
    assert x.shape == (50,)
    assert np.array_equal(x, sbm(50, alpha=0.5, sigma=0.1, rng=np.random.default_rng(1)))
