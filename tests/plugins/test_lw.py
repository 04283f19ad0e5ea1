"""The Lévy walk against theory, in standard errors."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sampling import draw, errors_away

from spivae_plugins.lw import LevyWalk

LW = LevyWalk()


def squares(alpha: float, times: list[float]) -> np.ndarray:
    """<x^2> at unit speed."""
    return LW.msd(np.array([[alpha, 1.0]]), np.array(times))[0]


@pytest.mark.parametrize("alpha", [1.1, 1.5, 1.9])
def test_the_mean_square_is_exact(alpha: float) -> None:
    b, t = 3 - alpha, 1.7
    # straight until the first turn at w, and then on for t - w in either direction
    nodes, weights = np.polynomial.legendre.leggauss(40)
    w = (1 + t) / 2 + nodes * (t - 1) / 2
    turned = (weights * (t - 1) / 2 * b * w ** (-1 - b) * (w**2 + (t - w) ** 2)).sum()
    assert_allclose(squares(alpha, [0.5, 1.0, t]), [0.25, 1.0, t**2 * t**-b + turned], rtol=1e-8)


@pytest.mark.parametrize("alpha", [1.3, 1.5, 1.7])
def test_the_mean_square_grows_with_the_exponent_in_the_end(alpha: float) -> None:
    near, far = squares(alpha, [5e3, 1e4])
    assert abs(np.log2(far / near) - alpha) < 0.03


@pytest.mark.parametrize("alpha", [1.1, 1.9])
def test_flights_are_straight_and_as_long_as_their_power_law_says(alpha: float) -> None:
    v = 0.2
    x = draw(LW, [alpha, v], 20_000, 3) / v
    assert np.abs(x).max() < 1 + 1e-6
    assert_allclose(np.abs(x[:, 0]), 1, rtol=1e-6)  # no flight ends before time 1
    assert errors_away(x[:, 0], 0.0) < 5
    # a flight that ends in the second step goes on in the same direction half of the time
    straight = np.isclose(x[:, 0], x[:, 1])
    assert errors_away(straight, 0.5 + 2 ** -(3 - alpha) / 2) < 5


@pytest.mark.parametrize("alpha", [1.1, 1.9])
def test_displacements_remember_the_direction(alpha: float) -> None:
    b, t = 3 - alpha, np.arange(2, 41)
    x = draw(LW, [alpha, 1.0], 10_000, 40)
    # the first step is straight, and its flight is still the same at time s with the probability s^-b
    wanted = (t ** (1 - b) - (t - 1) ** (1 - b)) / (1 - b)
    assert errors_away(x[:, :1] * x[:, 1:], wanted).max() < 5
