"""Diffusing diffusivity against theory, in standard errors."""

from __future__ import annotations

import numpy as np
import pytest
from sampling import draw, errors_away, kurtosis_errors_away

from spivae_plugins.diffusing_diffusivity import DiffusingDiffusivity

WANDERING = DiffusingDiffusivity()


@pytest.mark.parametrize("tau", [0.3, 1.0, 100.0])
def test_displacements_have_a_kurtosis_of_nine_at_every_time(tau: float) -> None:
    x = draw(WANDERING, [tau, 0.5], 60_000, 30)
    for step in (0, 29):
        assert kurtosis_errors_away(x[:, step], 9.0) < 5
    assert errors_away((x**2).mean(axis=1), 1.0) < 5


@pytest.mark.parametrize("tau", [1.0, 10.0, 100.0])
def test_squares_remember_each_other_for_tau(tau: float) -> None:
    steps = 40
    x = draw(WANDERING, [tau, 0.5], 30_000, steps)
    lag = np.arange(1, steps)
    # <y^2 y'^2> = 1 + 2 rho^2
    assert errors_away(x[:, :1] ** 2 * x[:, 1:] ** 2, 1 + 2 * np.exp(-2 * lag / tau)).max() < 5
    assert errors_away(x[:, :1] * x[:, 1:], 0.0).max() < 5


@pytest.mark.parametrize("tau", [1.0, 20.0])
def test_far_beyond_tau_displacements_are_gaussian(tau: float) -> None:
    steps = 200
    moved = draw(WANDERING, [tau, 0.5], 20_000, steps).sum(axis=1)
    lag = np.subtract.outer(np.arange(steps), np.arange(steps))
    kurtosis = 3 * (1 + 2 * np.exp(-2 * np.abs(lag) / tau)).sum() / steps**2
    assert 3 < kurtosis < 4.5
    assert kurtosis_errors_away(moved, kurtosis) < 5
