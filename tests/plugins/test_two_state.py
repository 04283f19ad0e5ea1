"""Two-state diffusion against theory, in standard errors."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sampling import draw, errors_away, kurtosis_errors_away

from spivae_plugins.two_state import TwoState

SWITCHING = TwoState()
CASES = pytest.mark.parametrize(
    "theta", [[0.5, 3.0, 0.005, 0.2], [0.5, 100.0, 0.2, 0.1], [0.5, 30, 0.7, 0.8]]
)


def occupation(theta: list[float]) -> tuple[np.ndarray, np.ndarray]:
    """How much of the time each state takes, and both coefficients."""
    d, ratio, p12, p21 = theta
    return np.array([p21, p12]) / (p12 + p21), d * np.array([1, ratio])


@CASES
def test_the_states_are_in_equilibrium_from_the_start(theta: list[float]) -> None:
    x = draw(SWITCHING, theta, 30_000, 20)
    share, coefficient = occupation(theta)
    mean = share @ coefficient
    for step in (0, 1, 19):
        assert errors_away(x[:, step] ** 2, 2 * mean) < 5
        assert kurtosis_errors_away(x[:, step], 3 * (share @ coefficient**2) / mean**2) < 5
    assert_allclose(SWITCHING.msd(np.array([theta]), np.array([7.0])), 14 * mean)


@CASES
def test_squares_are_correlated_as_the_chain_says(theta: list[float]) -> None:
    steps = 25
    x = draw(SWITCHING, theta, 30_000, steps)
    share, coefficient = occupation(theta)
    spread = share @ coefficient**2 - (share @ coefficient) ** 2
    memory = (1 - theta[2] - theta[3]) ** np.arange(1, steps)
    wanted = 4 * ((share @ coefficient) ** 2 + spread * memory)
    assert errors_away(x[:, :1] ** 2 * x[:, 1:] ** 2, wanted).max() < 5
    assert errors_away(x[:, :1] * x[:, 1:], 0.0).max() < 5


def test_it_stays_fast_for_geometric_times() -> None:
    # so different that every step tells its state
    x = np.abs(draw(SWITCHING, [1e-12, 1e12, 0.1, 0.25], 20_000, 6)) > 1e-4
    since = x[x[:, 0]]
    lasted = np.logical_and.accumulate(since, axis=1)
    assert errors_away(lasted, 0.75 ** np.arange(6)).max() < 5


def test_combinations_tell_the_fast_state_and_the_mean() -> None:
    theta = np.array([[1e-3, 10.0, 0.1, 0.3]])
    found = SWITCHING.combinations(theta, 400)
    assert_allclose(
        [found[name][0] for name in ("log D₂", "log <D>", "p₁₂/(p₁₂+p₂₁)")],
        [np.log(1e-2), np.log(1e-3 * (0.3 + 1) / 0.4), 0.25],
    )
