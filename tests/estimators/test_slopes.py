"""Moving slopes and correlations."""

import numpy as np
import pytest
from samples import fbm, sbm

from spivae.errors import SpivaeError
from spivae.estimators import displacement_correlation, ensemble_slope, moving_slope


@pytest.mark.parametrize("slope", [-1.0, 0.0, 0.4, 2.0])
@pytest.mark.parametrize("width", [0.35, 1.0, 10.0])
def test_a_power_law_has_its_exponent_everywhere(slope, width):
    x = np.arange(1.0, 400.0)
    np.testing.assert_allclose(moving_slope(x[2:], 3e-4 * x[2:] ** slope, width), slope, atol=1e-9)


def test_it_is_the_line_through_the_points_of_the_window():
    rng = np.random.default_rng(0)
    x = np.sort(rng.uniform(1, 1000, 300))
    y = np.exp(rng.standard_normal((2, 300)))
    found = moving_slope(x, y, 0.5)
    for k in (20, 60, 150, 299):
        inside = np.abs(np.log10(x / x[k])) <= 0.25
        for row in range(2):
            fitted = np.polyfit(np.log(x[inside]), np.log(y[row, inside]), 1)[0]
            assert found[row, k] == pytest.approx(fitted, abs=1e-9)


def test_a_bend_is_seen_where_it_is():
    x = np.geomspace(1, 1e4, 401)
    found = moving_slope(x, np.where(x < 100, x**2, 1e4 * (x / 100) ** 0.5), 0.4)
    np.testing.assert_allclose(found[x < 60], 2, atol=1e-9)
    np.testing.assert_allclose(found[x > 160], 0.5, atol=1e-9)


def test_points_without_a_logarithm_are_left_out_and_windows_without_two_points_are_nan():
    x = np.geomspace(1, 100, 21)
    y = x**1.5
    y[[0, 5, 10]] = np.nan, 0.0, -1.0
    np.testing.assert_allclose(moving_slope(x, y, 0.5), 1.5, atol=1e-9)
    alone = moving_slope(np.array([1.0, 10.0, 11.0]), np.array([1.0, 2.0, 2.2]), 0.2)
    assert np.isnan(alone).tolist() == [True, False, False]


@pytest.mark.parametrize(
    ("x", "width", "message"),
    [([1, 2, 2], 1, "ascending"), ([0, 1, 2], 1, "positive"), ([1, 2, 3], 0, "window"), ([1, 2], 1, "shape")],
)
def test_axes_that_have_no_slope_are_refused(x, width, message):
    with pytest.raises(SpivaeError, match=message):
        moving_slope(np.array(x), np.ones(3), width)


@pytest.mark.parametrize("alpha", [0.4, 1.0, 1.6])
def test_fbm_correlates_as_its_covariance_says_within_the_error_it_states(alpha):
    lags = np.arange(40)
    found, error = displacement_correlation(fbm(np.random.default_rng(5), alpha, 1e-4, 2000, 80), lags)
    k = lags.astype(float)
    theory = ((k + 1) ** alpha - 2 * k**alpha + np.abs(k - 1) ** alpha) / 2
    assert found[0] == pytest.approx(1)
    assert error[0] == pytest.approx(0, abs=1e-12)
    sigmas = (found - theory)[1:] / error[1:]
    assert np.abs(sigmas).max() < 4
    if alpha == 1:  # independent lags: the errors are neither too large nor too small
        assert 0.7 < np.sqrt(np.mean(sigmas**2)) < 1.3


def test_a_drift_common_to_all_is_no_correlation():
    moving = sbm(np.random.default_rng(6), 0.5, 1.0, 500, 50) + np.linspace(3, 9, 50)
    found, error = displacement_correlation(moving, [1, 2, 10])
    assert (np.abs(found) < 4 * error).all()


@pytest.mark.parametrize(
    ("displacements", "lags", "message"),
    [
        (np.ones((1, 5)), [1], "takes 3 trajectories or more, not 1"),
        (np.ones((2, 5)), [1], "takes 3 trajectories or more, not 2"),
        (np.ones((3, 5)), [1], "do not vary"),
        (np.ones((3, 5)), [5], "lag 5: these trajectories have lags from 0 to 4"),
    ],
)
def test_displacements_that_have_no_correlation_are_refused(displacements, lags, message):
    with pytest.raises(SpivaeError, match=message):
        displacement_correlation(displacements, lags)


def test_the_slope_of_an_ensemble_is_that_of_its_mean_with_the_error_of_repetitions():
    rng = np.random.default_rng(7)
    x, truth = np.arange(1, 30), 0.8
    found = [ensemble_slope(x, x**truth * rng.gamma(2.0, size=(100, 29))) for _ in range(200)]
    slopes, errors = np.array(found).T
    assert abs(slopes.mean() - truth) < 4 * slopes.std() / np.sqrt(len(slopes))
    assert errors.mean() == pytest.approx(slopes.std(), rel=0.2)
    slope, error = ensemble_slope(x, (x**truth)[None])
    assert slope == pytest.approx(truth)
    assert np.isnan(error)
