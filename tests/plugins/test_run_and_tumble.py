"""Run and tumble against theory, in standard errors."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sampling import draw, errors_away

from spivae_plugins.run_and_tumble import RunAndTumble

RUNS = RunAndTumble()


def autocovariance(theta: list[float], lags: int) -> np.ndarray:
    """Of the displacements: half the second difference of the mean square."""
    msd = RUNS.msd(np.array([theta]), np.arange(lags + 1))[0]
    return np.concatenate([msd[1:2], (msd[2:] - 2 * msd[1:-1] + msd[:-2]) / 2])


@pytest.mark.parametrize("theta", [[0.01, 1.0, 1e-5], [0.5, 0.1, 1e-2]])
def test_displacements_are_stationary_and_forget_as_theory_says(theta: list[float]) -> None:
    steps = 30
    x = draw(RUNS, theta, 10_000, steps)
    wanted = autocovariance(theta, steps)
    for start in (0, steps // 2):
        lag = np.arange(steps - start)
        assert errors_away(x[:, start : start + 1] * x[:, start:], wanted[lag]).max() < 5
    rate, v, _ = theta
    later = np.arange(1, steps)
    away = (v / (2 * rate) * np.expm1(-2 * rate)) ** 2 * np.exp(-2 * rate * (later - 1))
    assert_allclose(wanted[1:], away, rtol=1e-6, atol=1e-12)


def test_runs_last_for_exponential_times() -> None:
    rate = 0.3
    x = draw(RUNS, [rate, 1.0, 1e-12], 20_000, 4)
    straight = np.isclose(np.abs(np.cumsum(x, axis=1)), np.arange(1, 5), atol=1e-4)
    assert errors_away(straight, np.exp(-rate * np.arange(1, 5))).max() < 5


def test_it_begins_in_either_direction() -> None:
    assert errors_away(draw(RUNS, [0.05, 1.0, 1e-5], 10_000, 3), 0.0).max() < 5


def test_it_is_diffusion_in_the_end() -> None:
    theta = np.array([[0.5, 1.0, 1e-2], [0.1, 0.2, 1e-3]])
    found = RUNS.combinations(theta, 400)
    assert_allclose(np.exp(found["log(D + v²/2λ)"]), RUNS.diffusivity(theta, np.array([1e4]))[:, 0])
    assert_allclose(np.exp(found["log MSD(1)"]), RUNS.msd(theta, np.array([1.0]))[:, 0])
