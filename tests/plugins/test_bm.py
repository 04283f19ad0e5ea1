"""Brownian motion with drift against theory, in standard errors."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from spivae.dataset import Grid
from spivae_plugins.bm import BrownianMotion

BM = BrownianMotion()


@pytest.mark.parametrize(("u", "d"), [(0.0, 1e-5), (-1.0, 1e-2), (0.3, 1.0)])
def test_moments_lie_within_five_standard_errors_of_theory(u: float, d: float) -> None:
    n, steps = 4000, 80
    theta = np.tile([u, d], (n, 1))
    x = BM.displacements(np.random.default_rng(7), theta, steps).astype(float)
    white = (x - BM.mean(theta[:1], steps)) / np.sqrt(BM.covariance(theta[:1], steps))
    assert np.abs(white.mean(0)).max() < 5 / np.sqrt(n)
    assert np.abs((white**2).mean(0) - 1).max() < 5 * np.sqrt(2 / n)
    assert np.abs((white[:, 1:] * white[:, :-1]).mean(0)).max() < 5 / np.sqrt(n)
    squares = np.cumsum(x, axis=1) ** 2
    wanted = BM.msd(theta[:1], np.arange(1, steps + 1))[0]
    assert np.abs((squares.mean(0) - wanted) / (squares.std(0) / np.sqrt(n))).max() < 5


def test_the_drift_is_in_units_of_a_steps_standard_deviation() -> None:
    theta = np.array([[0.5, 1e-4], [-0.5, 1e2]])
    assert_allclose(BM.mean(theta, 3) / np.sqrt(BM.covariance(theta, 3)), [[0.5] * 3, [-0.5] * 3])
    assert_allclose(BM.combinations(theta, 100)["v"], BM.mean(theta, 1)[:, 0])


def test_each_row_has_its_own_parameters() -> None:
    theta = np.array([[1.0, 1e-6], [-1.0, 1e2]])
    x = BM.displacements(np.random.default_rng(0), theta, 4000)
    assert_allclose(x.std(axis=1), np.sqrt(2 * theta[:, 1]), rtol=0.1)
    assert_allclose(x.mean(axis=1), BM.mean(theta, 1)[:, 0], rtol=0.1)


def test_no_drift_is_on_the_grid() -> None:
    assert np.abs(Grid.of(BM).values["u"]).min() < 1e-12


def test_theory_is_consistent() -> None:
    theta, t = np.array([[0.4, 1e-3], [-0.1, 1e-2]]), np.array([5.0, 50.0])
    drift = (BM.mean(theta, 1) * t) ** 2
    assert_allclose(BM.msd(theta, t) - drift, 2 * BM.diffusivity(theta, t) * t)
    assert_allclose(BM.covariance(theta, 50).sum(1), 2 * theta[:, 1] * 50)
