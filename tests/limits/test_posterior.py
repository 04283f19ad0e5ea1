"""Posteriors against closed forms, and calibrated: right as often as they say."""

from __future__ import annotations

import numpy as np
import pytest
from gaussian_processes import AGED, BM, FBM, LOCALISED, OU, SBM, SCALE, SHIFT, UNKNOWN, uniform
from numpy.testing import assert_allclose

from spivae.dataset import Grid
from spivae.errors import SpivaeError
from spivae.limits import Posterior, cramer_rao, gaussian, log_likelihood, posterior
from spivae.process import Process


def drawn(process: Process, n: int, steps: int, seed: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Trajectories with parameters uniform in their ranges, and those on their own scales."""
    rng = np.random.default_rng(seed)
    theta, scaled = uniform(process, n, rng)
    return process.displacements(rng, theta, steps), scaled


def judge(found: Posterior, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean absolute error of the medians, and R^2 of the means."""
    error = ((found.mean - truth) ** 2).mean(axis=0)
    return np.abs(found.median - truth).mean(axis=0), 1 - error / truth.var(axis=0)


def is_calibrated(found: Posterior, truth: np.ndarray) -> None:
    n = len(truth)
    inside = ((found.low95 < truth) & (truth < found.high95)).mean(axis=0)
    assert np.abs(inside - 0.95).max() < 4 * np.sqrt(0.95 * 0.05 / n)
    assert np.abs((truth < found.median).mean(axis=0) - 0.5).max() < 4 * np.sqrt(0.25 / n)
    squares = ((truth - found.mean) / found.sd) ** 2
    assert (np.abs(squares.mean(axis=0) - 1) < 4 * squares.std(axis=0) / np.sqrt(n)).all()


def test_the_mean_of_gaussian_steps_has_a_closed_form() -> None:
    x, _ = drawn(SHIFT, 200, 25)
    found, nodes = posterior(SHIFT, x), np.linspace(-1, 1, 20_001)
    weight = np.exp(-25 / 2 * (nodes - x.mean(axis=1, keepdims=True)) ** 2)
    weight /= weight.sum(axis=1, keepdims=True)
    mean = weight @ nodes
    assert_allclose(found.mean[:, 0], mean, atol=1e-4)
    assert_allclose(found.sd[:, 0], np.sqrt(weight @ nodes**2 - mean**2), rtol=1e-3)
    below = np.cumsum(weight, axis=1)
    for name, level in (("low95", 0.025), ("median", 0.5), ("high95", 0.975)):
        wanted = nodes[(below < level).sum(axis=1)]
        assert_allclose(getattr(found, name)[:, 0], wanted, atol=1e-3)
    assert_allclose(found.maximum_likelihood[:, 0], np.clip(x.mean(axis=1), -1, 1), atol=1e-6)


def test_the_scale_of_gaussian_steps_has_a_closed_form() -> None:
    x, _ = drawn(SCALE, 200, 25)
    found, nodes = posterior(SCALE, x), np.linspace(*np.log([1e-2, 1e2]), 20_001)
    mean_square = (x**2).mean(axis=1, keepdims=True)
    log_weight = -25 / 2 * (nodes + mean_square * np.exp(-nodes))
    weight = np.exp(log_weight - log_weight.max(axis=1, keepdims=True))
    weight /= weight.sum(axis=1, keepdims=True)
    mean = weight @ nodes
    assert_allclose(found.mean[:, 0], mean, atol=2e-4)
    assert_allclose(found.sd[:, 0], np.sqrt(weight @ nodes**2 - mean**2), rtol=1e-3)
    wanted = np.clip(np.log(mean_square), *np.log([1e-2, 1e2]))
    assert_allclose(found.maximum_likelihood, wanted, rtol=1e-12)


@pytest.mark.parametrize(
    ("process", "mae", "r2"), [(SBM, 0.0505, 0.958), (FBM, 0.046, 0.998)], ids=["sbm", "fbm"]
)
@pytest.mark.parametrize("n", [1000, pytest.param(20_000, marks=pytest.mark.full)])
def test_bayes_optimal_estimates_are_as_good_as_is_known(
    process: Process, mae: float, r2: float, n: int
) -> None:
    x, truth = drawn(process, n, 399)
    found = posterior(process, x)
    error, explained = judge(found, truth)
    spread = np.abs(found.median - truth)[:, 0].std() / np.sqrt(n)
    assert error[0] == pytest.approx(mae, abs=4 * spread + 0.0005)
    assert explained[1] == pytest.approx(r2, abs=(1 - r2) * 4 * np.sqrt(3 / n) + 0.0005)
    is_calibrated(found, truth)


@pytest.mark.parametrize("process", [BM, OU, LOCALISED, AGED], ids=lambda process: process.name)
def test_it_is_calibrated_for_any_number_of_parameters(process: Process) -> None:
    x, truth = drawn(process, 400, 24)
    is_calibrated(posterior(process, x, points=25 if process is AGED else None), truth)


@pytest.mark.parametrize("alpha", [0.6, 1.0, 1.4])
def test_maximum_likelihood_is_nearly_efficient_for_sbm(alpha: float) -> None:
    n, row = 2000, np.array([[alpha, 10**-3.5]])
    x = SBM.displacements(np.random.default_rng(9), np.repeat(row, n, axis=0), 399)
    found = posterior(SBM, x, points={"alpha": 150, "D": 3}).maximum_likelihood
    efficiency = cramer_rao(SBM, row, 399)[0] ** 2 / ((found - [alpha, np.log(row[0, 1])]) ** 2).mean(axis=0)
    assert (efficiency > 0.88 - 4 * np.sqrt(2 / n)).all()
    assert (efficiency < 1 + 4 * np.sqrt(2 / n)).all()


@pytest.mark.parametrize("process", [FBM, BM, OU, LOCALISED, AGED], ids=lambda process: process.name)
def test_nothing_on_a_finer_grid_is_likelier_than_the_maximum(process: Process) -> None:
    x, _ = drawn(process, 40, 30)
    top = posterior(process, x, points=15 if process is AGED else None).maximum_likelihood
    theta = np.stack([p.from_scale(c) for p, c in zip(process.parameters, top.T, strict=True)], axis=1)
    at_top = log_likelihood(process, x, theta).diagonal()
    fine = Grid.of(process, dict.fromkeys(process.names, 24 if process is AGED else 61)).cells
    assert (log_likelihood(process, x, fine).max(axis=1) - at_top).max() < 0.05


def test_the_range_of_a_grid_is_the_prior() -> None:
    x, _ = drawn(FBM, 30, 40)
    found = posterior(FBM, x, grid=Grid({"D": [1e-4, 1e-3], "alpha": [0.4, 0.7, 1.0]}))
    for values in (found.low95, found.median, found.high95, found.maximum_likelihood, found.mean):
        assert (values >= [0.4, np.log(1e-4)]).all()
        assert (values <= [1.0 + 1e-12, np.log(1e-3) + 1e-12]).all()


@pytest.mark.parametrize(("known", "other"), [("D", 0), ("alpha", 1)])
def test_a_parameter_with_one_value_is_known(known: str, other: int) -> None:
    grid = Grid({**Grid.of(FBM).values, known: [0.9 if known == "alpha" else 1e-3]})
    x = FBM.displacements(np.random.default_rng(0), np.tile([0.9, 1e-3], (60, 1)), 200)
    found = posterior(FBM, x, grid=grid)
    assert (found.sd[:, 1 - other] == 0).all()
    assert np.ptp(found.median[:, 1 - other]) == np.ptp(found.maximum_likelihood[:, 1 - other]) == 0
    truth = [0.9, np.log(1e-3)][other]
    for values in (found.mean, found.maximum_likelihood):
        error = values[:, other] - truth
        assert abs(error.mean()) < 5 * error.std() / np.sqrt(60)
        assert (np.abs(error) < 5 * found.sd[:, other]).all()


def test_points_do_not_matter_once_there_are_enough() -> None:
    x, _ = drawn(FBM, 30, 100)
    found, finer = posterior(FBM, x), posterior(FBM, x, points={"alpha": 160, "D": 320})
    for name in ("mean", "median", "low95", "high95", "maximum_likelihood"):
        error = np.abs(getattr(found, name) - getattr(finer, name)) / finer.sd
        if name != "maximum_likelihood":
            assert error.max() < 0.01, name
            continue
        # a likelihood that is cut off by the end of the range has its peak between points of another shape
        ends = np.array(
            [[axis[0], axis[-1]] for axis in (Grid.of(FBM).values["alpha"], np.log(Grid.of(FBM).values["D"]))]
        )
        near = (np.abs(finer.maximum_likelihood[..., None] - ends) < finer.sd[..., None]).any(axis=(1, 2))
        assert error[~near].max() < 0.05
        assert error.max() < 0.3
        assert near.mean() < 0.3
    assert_allclose(found.sd, finer.sd, rtol=0.005)


def test_parts_of_any_size_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    x, _ = drawn(OU, 17, 20)
    whole, told = posterior(OU, x, points=9), []
    monkeypatch.setattr(gaussian, "AT_ONCE", 130)
    parts = posterior(OU, x, points=9, progress=lambda done, total: told.append((done, total)))
    for name in ("mean", "sd", "median", "low95", "high95", "maximum_likelihood"):
        assert_allclose(getattr(parts, name), getattr(whole, name), rtol=1e-10)
    assert told[-1] == (17, 17)
    assert len(told) > 1


def test_no_trajectories_have_no_posteriors() -> None:
    assert posterior(SBM, np.empty((0, 20))).mean.shape == (0, 2)


def test_a_single_step_is_enough_to_answer() -> None:
    found = posterior(SBM, np.array([[0.01]]))  # it tells D, and leaves alpha as it was
    assert found.mean[0, 0] == pytest.approx(1.0)
    assert found.sd[0, 0] == pytest.approx(1.6 / np.sqrt(12), rel=0.01)


def test_bad_input_is_named() -> None:
    x = np.ones((2, 9))
    with pytest.raises(SpivaeError, match="no exact limit is known for unknown"):
        posterior(UNKNOWN, x)
    with pytest.raises(SpivaeError, match="points of alpha: needs 3 or more, not 2"):
        posterior(SBM, x, points=2)
    with pytest.raises(SpivaeError, match="points of D: needs 3 or more, not 0"):
        posterior(SBM, x, points={"alpha": 5})
    with pytest.raises(SpivaeError, match="displacements: hold values that are not finite"):
        posterior(SBM, x * np.inf)
    with pytest.raises(SpivaeError, match="grid has s, but process sbm has alpha, D"):
        posterior(SBM, x, grid=Grid.of(SCALE))
