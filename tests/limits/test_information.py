"""Entropy and information against the known table, brute force and theory."""

from __future__ import annotations

import math

import numpy as np
import pytest
from gaussian_processes import AGED, ALL, BM, FBM, LOCALISED, OU, SBM, SCALE, SHIFT, UNKNOWN, moments, uniform
from numpy.testing import assert_allclose

from spivae.dataset import Grid
from spivae.errors import SpivaeError
from spivae.limits import Limits, entropies, limits, optimal_kl, optimal_nll, step_deviations
from spivae.limits import information as module
from spivae.limits.information import information
from spivae.process import Process
from spivae.training.memory import peak


def found(process: Process, n: int, seed: int = 0) -> Limits:
    return limits(process, Grid.of(process), 399, 32, np.random.default_rng(seed), n=n)


def test_scaled_brownian_motion_has_the_known_limits() -> None:
    sbm = found(SBM, 42_000)  # its floor is known to 1e-5 then
    assert f"{sbm.entropy:.5f}" == f"{sbm.entropy_all_past:.5f}" == "-2.34238"
    # the table's information is known to about 0.02
    assert sbm.information == pytest.approx(4.95, abs=0.03)
    assert sbm.information_first == pytest.approx(2.92, abs=0.03)
    assert sbm.floor == pytest.approx(-2.3369, abs=1.1e-4)
    assert sbm.bound == pytest.approx(-2.3289, abs=1.1e-4)
    assert sbm.information_se < 0.007
    assert (sbm.predicted, sbm.n, sbm.cells, sbm.window) == (367, 42_000, 210, 32)


def test_fractional_brownian_motion_has_the_known_limits() -> None:
    fbm = found(FBM, 420)
    assert f"{fbm.entropy_all_past:.5f}" == "-2.36235"
    assert f"{fbm.entropy:.5f}" == "-2.36164"
    assert fbm.information == pytest.approx(4.50, abs=0.04)
    assert fbm.information_first == pytest.approx(2.85, abs=0.05)
    assert fbm.floor == pytest.approx(-2.3579, abs=2e-4)
    assert fbm.bound == pytest.approx(-2.3494, abs=2e-4)


@pytest.mark.full
@pytest.mark.parametrize(
    ("process", "whole", "first"), [(SBM, 4.948, 2.902), (FBM, 4.479, 2.862)], ids=["sbm", "fbm"]
)
def test_the_information_has_its_third_digit(process: Process, whole: float, first: float) -> None:
    known = found(process, 42_000, seed=3)
    assert known.information == pytest.approx(whole, abs=5 * known.information_se + 0.002)
    assert known.information_first == pytest.approx(first, abs=5 * known.information_first_se + 0.002)


@pytest.mark.parametrize("process", ALL, ids=lambda process: process.name)
@pytest.mark.parametrize(("first", "window"), [(0, None), (0, 0), (3, 3), (5, 2), (2, 40), (16, 16)])
def test_entropies_are_those_of_the_conditional_normals(
    process: Process, first: int, window: int | None
) -> None:
    steps, (theta, _) = 17, uniform(process, 4, np.random.default_rng(3))
    sd = np.zeros((4, steps))
    for k, row in enumerate(theta):
        _, covariance = moments(process, row, steps)
        for t in range(steps):
            seen = slice(0 if window is None else max(0, t - window), t)
            weights = np.linalg.solve(covariance[seen, seen], covariance[seen, t])
            sd[k, t] = math.sqrt(covariance[t, t] - weights @ covariance[seen, t])
    assert_allclose(step_deviations(process, theta, steps, window), sd, rtol=1e-8)
    wanted = (0.5 * math.log(2 * math.pi * math.e) + np.log(sd[:, first:])).mean(axis=1)
    assert_allclose(entropies(process, theta, steps, first, window), wanted, rtol=1e-8, atol=1e-9)


def test_windows_in_parts_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    theta, _ = uniform(AGED, 5, np.random.default_rng(3))
    at_once = entropies(AGED, theta, 30, 4, 4)
    monkeypatch.setattr(module, "AT_ONCE", 100)
    assert_allclose(entropies(AGED, theta, 30, 4, 4), at_once, rtol=1e-12)


def test_what_the_whole_past_tells_beyond_a_window_lowers_the_entropy() -> None:
    theta = np.array([[0.2, 1e-3], [1.0, 1e-3], [1.8, 1e-3]])
    gain = entropies(FBM, theta, 100, 8, 8) - entropies(FBM, theta, 100, 8)
    assert gain[1] == pytest.approx(0, abs=1e-12)  # Brownian steps have no memory
    assert (gain[[0, 2]] > 1e-4).all()


def test_information_of_two_cells_is_that_of_an_integral() -> None:
    cells, x = np.array([[0.25], [4.0]]), np.linspace(-30, 30, 60_001)
    p = np.exp(-(x**2) / 2 / cells) / np.sqrt(2 * np.pi * cells)
    with np.errstate(divide="ignore", invalid="ignore"):
        wanted = np.nansum(p * np.log(p / p.mean(axis=0))) / 2 * (x[1] - x[0])
    drawn = limits(SCALE, Grid({"s": cells[:, 0]}), 1, 0, np.random.default_rng(0), n=20_000)
    assert abs(drawn.information - wanted) < 4 * drawn.information_se
    assert drawn.information_se < 0.003


def test_information_has_its_extremes() -> None:
    rng = np.random.default_rng(0)
    apart = limits(SCALE, Grid({"s": [1e-8, 1.0, 1e8, 1e16]}), 40, 10, rng, n=100)
    assert apart.information == pytest.approx(math.log(4), abs=1e-9)
    assert apart.information_first == pytest.approx(math.log(4), abs=1e-6)
    one = limits(SCALE, Grid({"s": [1.0]}), 40, 10, rng, n=100)
    assert one.information == one.information_se == 0


def test_the_standard_error_is_the_spread_over_repetitions() -> None:
    grid = Grid.of(BM, {"u": 3, "D": 4})
    runs = [limits(BM, grid, 12, 3, np.random.default_rng(seed), n=240) for seed in range(60)]
    for value, error in (("information", "information_se"), ("floor", "floor_se"), ("bound", "bound_se")):
        spread = np.std([getattr(run, value) for run in runs], ddof=1)
        told = np.mean([getattr(run, error) for run in runs])
        assert spread == pytest.approx(told, rel=0.4)


def test_limits_are_found_in_parts_whose_memory_does_not_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    def found(n: int) -> Limits:
        return limits(SBM, Grid.of(SBM, {"alpha": 4, "D": 4}), 20, 6, np.random.default_rng(0), n=n)

    at_once = found(3200)
    monkeypatch.setattr("spivae.dataset._AT_ONCE", 512 * 20)
    in_parts = found(3200)
    assert in_parts.n == at_once.n == 3200
    error = 5 * math.sqrt(2) * at_once.information_se
    assert 0 < abs(in_parts.information - at_once.information) < error  # other random numbers
    assert in_parts.information_se == pytest.approx(at_once.information_se, rel=0.1)
    assert in_parts.entropy == at_once.entropy
    peaks = [peak(lambda n=n: found(n)) for n in (512, 512, 4096)]  # type: ignore[misc]
    assert peaks[2] < 1.1 * peaks[1]


@pytest.mark.parametrize("process", [SHIFT, LOCALISED, AGED, OU], ids=lambda process: process.name)
@pytest.mark.parametrize(("steps", "receptive_field"), [(20, 0), (20, 6), (7, 6)])
def test_any_process_length_and_receptive_field(process: Process, steps: int, receptive_field: int) -> None:
    grid = Grid.of(process, dict.fromkeys(process.names, 3))
    known = limits(process, grid, steps, receptive_field, np.random.default_rng(1), n=200)
    assert known.cells == len(grid.cells)
    assert known.n >= 200
    assert 0 <= known.information_first <= known.information <= math.log(known.cells)
    assert known.entropy >= known.entropy_all_past - 1e-12
    assert known.floor <= known.bound
    if receptive_field == 0:
        assert known.information_first == 0
        variance = np.mean([np.log(moments(process, row, steps)[1].diagonal()).mean() for row in grid.cells])
        assert known.entropy == pytest.approx(0.5 * (math.log(2 * math.pi * math.e) + variance))


def test_a_window_of_its_own_is_for_models_that_predict_from_the_start() -> None:
    grid = Grid.of(FBM, {"alpha": 3, "D": 2})
    padded = limits(FBM, grid, 30, 0, np.random.default_rng(1), n=12, window=8)
    assert padded.predicted == 30
    assert padded.entropy == pytest.approx(entropies(FBM, grid.cells, 30, 0, 8).mean())


def test_a_trajectory_knows_its_cell_better_the_longer_it_is() -> None:
    rng = np.random.default_rng(2)
    cells = Grid.of(FBM, {"alpha": 5, "D": 3}).cells
    x = FBM.displacements(rng, np.repeat(cells, 10, axis=0), 200)
    told = [information(FBM, x[:, :steps], cells).mean() for steps in (5, 50, 200)]
    assert told == sorted(told)


def test_the_best_model_trades_nll_for_kl() -> None:
    known = found(SBM, 420)
    assert optimal_nll(known, 2, 1.0) + optimal_kl(known, 2, 1.0) / 367 == pytest.approx(known.bound)
    assert optimal_nll(known, 2, 0.5) == pytest.approx(known.entropy - 0.5 / 367)
    assert optimal_kl(known, 2, 0.5) == pytest.approx(known.information + math.log(2))
    # at every weight, what NLL + weight KL / 367 loses by a change of the weight is nothing
    weight = np.array([0.3 - 1e-5, 0.3 + 1e-5])
    nll, kl = ([curve(known, 2, w) for w in weight] for curve in (optimal_nll, optimal_kl))
    assert abs(np.diff(nll)[0] + 0.3 * np.diff(kl)[0] / 367) < 1e-12


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda rng: limits(UNKNOWN, Grid.of(UNKNOWN), 9, 3, rng), "no exact limit is known for unknown"),
        (lambda rng: limits(SBM, Grid.of(FBM), 9, 9, rng), "of 9 steps, 9 are given: needs 0 to 8"),
        (lambda rng: limits(SBM, Grid.of(SCALE), 9, 3, rng), "grid has s, but process sbm has alpha, D"),
        (lambda rng: entropies(SBM, np.ones((1, 2)), 9, 0, -1), "window: needs to be 0 or more, not -1"),
        (lambda rng: optimal_kl(found(SBM, 420), 2, 0.0), "weight: needs to be above 0, not 0"),
    ],
)
def test_bad_input_is_named(call, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(SpivaeError, match=message):
        call(np.random.default_rng(0))
