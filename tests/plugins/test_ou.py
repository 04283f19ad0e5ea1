"""Diffusion in a harmonic trap against theory, in standard errors."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from spivae_plugins.ou import OrnsteinUhlenbeck

OU = OrnsteinUhlenbeck()


@pytest.mark.parametrize("k", [0.01, 0.1, 1.0])
def test_every_covariance_lies_within_five_standard_errors_of_theory(k: float) -> None:
    n, steps, d = 6000, 60, 1e-3
    x = OU.displacements(np.random.default_rng(2), np.tile([k, d], (n, 1)), steps).astype(float)
    # displacements are differences of positions with covariance (D / k) exp(-k lag)
    times = np.arange(steps + 1)
    positions = d / k * np.exp(-k * np.abs(np.subtract.outer(times, times)))
    wanted = np.diff(np.diff(positions, axis=0), axis=1)
    error = np.sqrt((np.outer(wanted.diagonal(), wanted.diagonal()) + wanted**2) / n)
    assert np.abs((x.T @ x / n - wanted) / error).max() < 5
    assert_allclose(OU.covariance(np.array([[k, d]]), steps)[0], wanted, rtol=1e-7, atol=1e-12 * d)


@pytest.mark.parametrize("k", [0.01, 1.0])
def test_the_msd_is_right_at_every_time(k: float) -> None:
    n, steps = 4000, 400
    theta = np.tile([k, 0.5], (n, 1))
    squares = np.cumsum(OU.displacements(np.random.default_rng(4), theta, steps), axis=1, dtype=float) ** 2
    wanted = OU.msd(theta[:1], np.arange(1, steps + 1))[0]
    assert np.abs(squares.mean(0) / wanted - 1).max() < 5 * np.sqrt(2 / n)


def test_it_is_in_equilibrium_from_the_start() -> None:
    theta = np.tile([0.05, 1.0], (6000, 1))
    x = OU.displacements(np.random.default_rng(6), theta, 200)
    assert np.abs((x**2).mean(0) / (40 * -np.expm1(-0.05)) - 1).max() < 5 * np.sqrt(2 / 6000)


def test_single_precision_keeps_the_steps_of_a_soft_trap() -> None:
    class Exact(np.random.Generator):
        """The same numbers, but in double precision all the way."""

        def standard_normal(self, size: object = None, dtype: object = None) -> object:
            return np.asarray(super().standard_normal(size, dtype=np.float32), dtype=np.float64)

    theta = np.tile([1e-2, 1.0], (20, 1))
    single = OU.displacements(np.random.default_rng(1), theta, 400)
    double = OU.displacements(Exact(np.random.PCG64(1)), theta, 400)
    assert single.dtype == np.float32
    assert np.abs(single - double).max() < 3e-5 * np.sqrt(2)


def test_each_row_has_its_own_parameters() -> None:
    theta = np.array([[0.01, 1e-6], [1.0, 1e2], [0.1, 1e-2]])
    x = OU.displacements(np.random.default_rng(0), theta, 5000)
    assert_allclose(x.var(axis=1), OU.msd(theta, np.array([1.0]))[:, 0], rtol=0.15)


@pytest.mark.parametrize(("n", "steps"), [(0, 5), (1, 1), (3, 2)])
def test_any_number_of_rows_and_steps(n: int, steps: int) -> None:
    assert OU.displacements(np.random.default_rng(0), np.tile([0.1, 1.0], (n, 1)), steps).shape == (n, steps)


def test_theory_is_consistent() -> None:
    theta, t = np.array([[0.01, 1e-3], [1.0, 1e-2]]), np.array([2.0, 50.0])
    assert_allclose(OU.covariance(theta, 50).sum(axis=(1, 2)), OU.msd(theta, np.array([50.0]))[:, 0])
    half_derivative = (OU.msd(theta, t + 1e-4) - OU.msd(theta, t - 1e-4)) / 4e-4
    assert_allclose(OU.diffusivity(theta, t), half_derivative, rtol=1e-6, atol=1e-14)
    assert_allclose(OU.combinations(theta, 100)["log D/k"], np.log([0.1, 0.01]))
