"""Accuracy: what is learned from features out of fold, and how it is judged."""

from __future__ import annotations

import numpy as np
import pytest

from spivae.accuracy import Accuracy, accuracy, learned, scaled, scaled_names, uniform
from spivae.dataset import Grid
from spivae.errors import SpivaeError
from spivae.process import Array
from spivae.regression import regress
from spivae_plugins.sbm import ScaledBrownianMotion

SBM = ScaledBrownianMotion()


def bent(x: Array) -> Array:
    """A smooth map of two features that no line follows."""
    return np.asarray(np.tanh(x[:, 0] + x[:, 1] ** 2 / 3) + 0.5 * np.sin(2 * x[:, 1]))


@pytest.mark.parametrize(("n", "excess"), [(2000, 0.06), (20_000, 0.03)])
def test_a_bent_map_of_two_features_is_learned_to_within_a_few_percent_of_its_noise(
    n: int, excess: float
) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n, 2))
    noise = 0.2 * rng.standard_normal(n)
    error = regress(x, bent(x) + noise, 5, rng) - (bent(x) + noise)
    assert np.mean(error**2) < (1 + excess) * np.mean(noise**2)
    # the mean is the median of Gaussian noise, so the absolute error is as near to its own least
    assert np.mean(np.abs(error)) < (1 + excess) * np.mean(np.abs(noise))


def test_a_fold_is_predicted_without_its_own_targets() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((300, 2)), rng.standard_normal(300)
    predicted = regress(x, y, 5, np.random.default_rng(2))
    fold = np.random.default_rng(2).permutation(300) % 5
    other = np.where(fold == 3, 100 * rng.standard_normal(300), y)
    again = regress(x, other, 5, np.random.default_rng(2))
    np.testing.assert_allclose(again[fold == 3], predicted[fold == 3], atol=1e-9)
    assert np.abs(again[fold != 3] - predicted[fold != 3]).max() > 1


def test_noise_teaches_nothing_but_the_mean() -> None:
    rng = np.random.default_rng(3)
    y = 7 + rng.standard_normal(2000)
    for features in (rng.standard_normal((2000, 3)), np.ones((2000, 1)), np.empty((2000, 0))):
        predicted = regress(features, y, 5, rng)
        assert np.mean((predicted - y) ** 2) < 1.02 * y.var()


def test_features_of_any_scale_and_far_outliers_are_taken() -> None:
    rng = np.random.default_rng(4)
    x = rng.standard_normal((3000, 2))
    y = bent(x) + 0.1 * rng.standard_normal(3000)
    plain = regress(x, y, 5, np.random.default_rng(0))
    moved = regress(1e-6 * x - 3, y, 5, np.random.default_rng(0))
    np.testing.assert_allclose(plain, moved, atol=1e-5)
    x[0] = 1e6
    assert y.min() <= regress(x, y, 5, rng).min() <= regress(x, y, 5, rng).max() <= y.max()


def test_six_latents_and_few_trajectories_are_enough_for_a_line() -> None:
    rng = np.random.default_rng(5)
    x = rng.standard_normal((200, 6))
    y = x @ np.arange(6.0) + 0.1 * rng.standard_normal(200)
    assert np.median(np.abs(regress(x, y, 5, rng) - y)) < 0.08  # 0.067 by the noise alone


@pytest.mark.parametrize(
    ("features", "target", "folds", "message"),
    [
        (np.ones(5), np.ones(5), 3, "do not fit"),
        (np.ones((5, 1)), np.ones(6), 3, "do not fit"),
        (np.full((9, 1), np.nan), np.ones(9), 3, "finite"),
        (np.ones((9, 1)), np.ones(9), 5, "9 trajectories in 5 folds"),
        (np.ones((9, 1)), np.ones(9), 2, "three or more folds"),
    ],
)
def test_what_cannot_be_learned_is_refused(features: Array, target: Array, folds: int, message: str) -> None:
    with pytest.raises(SpivaeError, match=message):
        regress(features, target, folds, np.random.default_rng(0))


def test_parameters_are_uniform_on_their_own_scales() -> None:
    theta = uniform(SBM, 20_000, np.random.default_rng(0))
    for column, low, high in zip(scaled(SBM, theta).T, (0.2, np.log(1e-5)), (1.8, np.log(1e-2)), strict=True):
        assert low <= column.min() < column.max() <= high
        place = (column - low) / (high - low)
        assert np.abs(np.quantile(place, [0.1, 0.5, 0.9]) - [0.1, 0.5, 0.9]).max() < 0.02
    assert np.corrcoef(scaled(SBM, theta).T)[0, 1] == pytest.approx(0, abs=0.03)
    grid = Grid({"alpha": [0.5, 0.9, 0.7], "D": [1e-3]})
    theta = uniform(SBM, 100, np.random.default_rng(0), grid)
    assert 0.5 <= theta[:, 0].min() < theta[:, 0].max() <= 0.9
    np.testing.assert_allclose(theta[:, 1], 1e-3)


def test_accuracy_is_told_for_each_parameter_on_its_own_scale() -> None:
    truth = scaled(SBM, uniform(SBM, 50_000, np.random.default_rng(1)))
    rng = np.random.default_rng(2)
    bayes = truth + rng.normal(0, [0.05, 0.4], truth.shape)
    found = accuracy(SBM, truth + rng.normal(0, [0.1, 0.4], truth.shape), truth, bayes)
    assert list(found) == list(scaled_names(SBM)) == ["alpha", "lnD"]
    assert found["alpha"].mae == pytest.approx(0.1 * np.sqrt(2 / np.pi), rel=0.02)
    assert found["alpha"].efficiency == pytest.approx(0.25, rel=0.03)
    assert found["lnD"].efficiency == pytest.approx(1.0, rel=0.03)
    assert found["lnD"].r2 == pytest.approx(1 - 0.4**2 / (np.log(1e3) ** 2 / 12), abs=0.002)


def test_without_a_limit_there_is_no_efficiency() -> None:
    truth = np.arange(8.0).reshape(4, 2)
    assert accuracy(SBM, truth + 1, truth)["alpha"] == Accuracy(mae=1.0, r2=1 - 1 / 5, efficiency=None)


def test_an_estimator_that_does_not_answer_is_judged_by_its_answers() -> None:
    truth = np.arange(16.0).reshape(8, 2)
    estimates = truth + 1
    estimates[:2, 1] = np.nan
    found = accuracy(SBM, estimates, truth, truth + 2)
    assert (found["alpha"].answered, found["lnD"].answered) == (1.0, 0.75)
    assert (found["lnD"].mae, found["lnD"].efficiency) == (1.0, 4.0)
    silent = accuracy(SBM, np.full_like(truth, np.nan), truth, truth)["alpha"]
    assert silent.answered == 0
    assert np.isnan([silent.mae, silent.r2, silent.efficiency]).all()


def test_estimates_of_another_shape_are_refused() -> None:
    truth = np.zeros((4, 2))
    with pytest.raises(SpivaeError, match=r"estimates: need shape \(4, 2\)"):
        accuracy(SBM, truth[:3], truth)
    with pytest.raises(SpivaeError, match="posterior means"):
        accuracy(SBM, truth, truth, truth[:, :1])


def test_latents_that_know_a_parameter_estimate_it() -> None:
    rng = np.random.default_rng(6)
    theta = uniform(SBM, 2000, rng)
    alpha, d = theta.T
    log_d = np.log(alpha * d * 147.0 ** (alpha - 1))
    latents = np.stack([np.tanh(log_d / 5 + 2), alpha + 0.05 * rng.standard_normal(2000)], axis=1)
    truth = scaled(SBM, theta)
    found = accuracy(SBM, learned(latents, truth, rng), truth)
    assert found["alpha"].mae == pytest.approx(0.05 * np.sqrt(2 / np.pi), rel=0.1)
    assert found["lnD"].r2 > 0.95
