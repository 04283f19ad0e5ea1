"""Fractional Brownian motion against theory, in standard errors."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from spivae.errors import SpivaeError
from spivae_plugins.fbm import FractionalBrownianMotion

FBM = FractionalBrownianMotion()


def draw(alpha: float, n: int, steps: int, d: float = 0.5, seed: int = 3) -> np.ndarray:
    return FBM.displacements(np.random.default_rng(seed), np.tile([alpha, d], (n, 1)), steps)


def autocovariance(alpha: float, lag: np.ndarray) -> np.ndarray:
    return np.abs(lag + 1.0) ** alpha - 2 * np.abs(lag) ** alpha + np.abs(lag - 1.0) ** alpha


@pytest.mark.parametrize("steps", [64, 57])
@pytest.mark.parametrize("alpha", [0.2, 0.7, 1.0, 1.4, 1.8])
def test_every_covariance_lies_within_five_standard_errors_of_theory(alpha: float, steps: int) -> None:
    n, d = 6001, 0.5
    x = draw(alpha, n, steps, d).astype(float)
    lag = np.subtract.outer(np.arange(steps), np.arange(steps))
    wanted = d * autocovariance(alpha, lag)
    # the product of two Gaussians has variance C_ii C_jj + C_ij^2
    error = np.sqrt(((2 * d) ** 2 + wanted**2) / n)
    assert np.abs((x.T @ x / n - wanted) / error).max() < 5
    assert np.abs(x.mean(0)).max() < 5 * np.sqrt(2 * d / n)
    assert_allclose(FBM.covariance(np.array([[alpha, d]]), steps)[0], wanted, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("alpha", [0.2, 1.8])
def test_the_msd_is_right_at_every_time(alpha: float) -> None:
    n, steps = 4000, 400
    squares = np.cumsum(draw(alpha, n, steps).astype(float), axis=1) ** 2
    wanted = FBM.msd(np.array([[alpha, 0.5]]), np.arange(1, steps + 1))[0]
    assert np.abs(squares.mean(0) / wanted - 1).max() < 5 * np.sqrt(2 / n)


@pytest.mark.parametrize("alpha", [0.2, 1.8])
def test_displacements_are_white_once_they_are_decorrelated(alpha: float) -> None:
    n, steps = 1500, 128
    factor = np.linalg.cholesky(FBM.covariance(np.array([[alpha, 0.5]]), steps)[0])
    white = np.linalg.solve(factor, draw(alpha, n, steps).astype(float).T).T
    assert abs((white**2).mean() - 1) < 4 * np.sqrt(2 / white.size)
    assert abs((white**4).mean() - 3) < 4 * np.sqrt(96 / white.size)
    assert abs((white[:, 1:] * white[:, :-1]).mean()) < 4 / np.sqrt(white.size)


def test_paths_at_another_d_are_no_copies() -> None:
    n, steps = 500, 40
    theta = np.repeat([[0.6, 1e-4], [0.6, 1e-2]], n, axis=0)
    x = FBM.displacements(np.random.default_rng(0), theta, steps) / np.sqrt(2 * theta[:, 1:])
    correlation = (x[:n] * x[n:]).mean(axis=1) * np.sqrt(steps)
    assert abs(correlation.mean()) < 5 / np.sqrt(n)
    assert np.abs(correlation).max() < 8  # a copy would have sqrt(steps) on average, and none does
    # and no row returns at any other place
    gram = x @ x.T / steps
    np.fill_diagonal(gram, 0)
    assert np.abs(gram).max() < 0.95


def test_each_row_has_its_own_parameters_in_any_order() -> None:
    theta = np.array([[1.8, 1e-6], [0.2, 1e2], [1.8, 1e2], [0.2, 1e-6], [1.0, 1.0]])
    x = FBM.displacements(np.random.default_rng(5), theta, 3000)
    neighbours = (x[:, 1:] * x[:, :-1]).mean(1) / theta[:, 1]
    short = [1, 3, 4]  # a single path of alpha = 1.8 remembers too long to have sharp averages
    assert_allclose((x**2).mean(1)[short], 2 * theta[short, 1], rtol=0.2)
    assert_allclose(neighbours[short], autocovariance(theta[short, 0], np.array(1.0)), atol=0.2)
    assert (neighbours[[0, 2]] > 0.5).all()


@pytest.mark.parametrize("steps", [1, 2, 3])
@pytest.mark.parametrize("n", [0, 1, 129])
def test_any_number_of_rows_and_steps(n: int, steps: int) -> None:
    x = draw(0.4, n, steps)
    assert x.shape == (n, steps)
    assert np.isfinite(x).all()


def test_a_single_step_is_a_plain_gaussian() -> None:
    x = draw(0.4, 4000, 1, d=2.0)
    assert abs(x.var() / 4 - 1) < 5 * np.sqrt(2 / 4000)


def test_equal_generators_give_equal_paths() -> None:
    assert_array_equal(draw(0.4, 7, 9), draw(0.4, 7, 9))
    assert not np.array_equal(draw(0.4, 7, 9), draw(0.4, 7, 9, seed=4))


@pytest.mark.parametrize("alpha", [0.0, -0.5, 2.0, np.nan])
def test_an_alpha_that_does_not_exist_is_refused(alpha: float) -> None:
    with pytest.raises(SpivaeError, match="alpha needs to be above 0 and below 2"):
        draw(alpha, 3, 10)


def test_theory_is_consistent() -> None:
    theta = np.array([[0.4, 1e-3], [1.6, 1e-2]])
    assert_allclose(FBM.covariance(theta, 30).sum(axis=(1, 2)), FBM.msd(theta, np.array([30.0]))[:, 0])
    t = np.array([5.0, 50.0])
    half_derivative = (FBM.msd(theta, t * 1.0001) - FBM.msd(theta, t * 0.9999)) / (2 * t * 0.0002)
    assert_allclose(FBM.diffusivity(theta, t), half_derivative, rtol=1e-6)
    assert_allclose(FBM.combinations(theta, 100)["log MSD(T)"], np.log(2 * theta[:, 1] * 100 ** theta[:, 0]))
