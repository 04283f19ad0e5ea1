"""The learning-rate finder: its rules on known curves, and a real sweep of a tiny model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from test_loop import SBM, TINY, trained

from spivae.errors import SpivaeError, WorkFailed
from spivae.figure.lr_sweep import NO_VALLEY, sweep_figure
from spivae.figure.spec import Line, VLine
from spivae.training.lr_finder import SMOOTHING, Sweep, find_lr, steepest, valley
from spivae.training.metrics import MetricsReader
from spivae.training.recipe import with_overrides

# a model that 60 steps can teach something
SMALL = with_overrides(TINY, {"dataset.trajectories": "3000", "training.phase.0.beta": "1e-3"})
LRS = np.geomspace(1e-7, 1.0, 71)


def curve(falls_from: float, falls_to: float, then: float = 5.0) -> np.ndarray:
    """A loss of 1 that falls by 1 between two rates, evenly along log lr, and rises steeply after them."""
    log = np.log10(LRS)
    fallen = np.clip((log - np.log10(falls_from)) / np.log10(falls_to / falls_from), 0, 1)
    return 1 - fallen + then * np.maximum(0, log - np.log10(falls_to))


@pytest.mark.parametrize(("begin", "end"), [(1e-5, 1e-2), (1e-4, 1e-2), (1e-6, 1e-1)])
def test_the_valley_is_in_the_middle_of_where_the_loss_falls(begin: float, end: float) -> None:
    found = valley(LRS, curve(begin, end))
    assert found is not None
    assert abs(np.log10(found) - np.log10(begin * end) / 2) <= 0.15


def test_noise_in_the_valley_does_not_break_it() -> None:
    losses = curve(1e-5, 1e-2)
    losses[::2] += 0.05
    found = valley(LRS, losses)
    assert found is not None
    assert 1e-4 < found < 3e-3


def test_the_valley_is_the_longest_of_two() -> None:
    losses = np.array([9.0, 8.0, 7.0, 12.0, 11.5, 11.0, 10.5, 10.0, 9.5, 20.0])
    lrs = np.arange(10.0)
    # six members that end at 8: a third of six and half of that after their beginning
    assert valley(lrs, losses) == 8 - 6 + 2 + 1


@pytest.mark.parametrize(
    ("losses", "index"),
    [
        (np.linspace(1, 0, 30), 14),  # 30 members that end at 29: -1 + 10 + 5
        (np.concatenate([np.ones(10), np.linspace(0.9, 0, 12), np.ones(4)]), 14),
        (np.array([3.0, 2.0, 1.0]), 0),
    ],
)
def test_the_valley_is_at_the_place_of_fastais_rule(losses: np.ndarray, index: int) -> None:
    assert valley(np.arange(len(losses), dtype=float), losses) == index


@given(st.lists(st.integers(0, 20), max_size=40))
def test_the_longest_falling_subsequence_is_that_of_the_plain_definition(values: list[int]) -> None:
    losses = np.array(values, dtype=float)
    lengths = [1] * len(values)
    for i in range(len(values)):
        lengths[i] += max((lengths[j] for j in range(i) if values[j] > values[i]), default=0)
    longest = max(lengths, default=0)
    found = valley(np.arange(len(values), dtype=float), losses)
    if longest < 3:
        assert found is None
    else:
        end = lengths.index(longest)
        assert found == end - longest + longest // 3 + int(longest / 6)


def test_a_loss_that_never_falls_suggests_nothing_and_says_so() -> None:
    assert valley(LRS, np.linspace(1, 2, 71)) is None
    assert steepest(LRS, np.linspace(1, 2, 71)) is None
    assert valley(LRS[:0], LRS[:0]) is None
    assert steepest(LRS[:1], LRS[:1]) is None
    flat = Sweep(LRS, np.ones(71), np.ones(71), 71, "finished", 0, 0.0)
    figure = sweep_figure(flat)
    assert figure.caption == NO_VALLEY
    assert not any(isinstance(mark, VLine) for mark in figure.panels[0].marks)


def test_the_steepest_place_is_that_of_the_largest_slope_along_log_lr() -> None:
    losses = curve(1e-5, 1e-2)
    losses[44:] -= 0.5  # a step between LRS[43] and LRS[44]
    assert steepest(LRS, losses) == pytest.approx(LRS[43])


@pytest.fixture(scope="module")
def sweep() -> Sweep:
    torch.set_num_threads(1)
    return find_lr(SMALL, SBM, low=1e-6, steps=50)


def test_a_sweep_grows_evenly_in_the_logarithm_from_the_first_rate(sweep: Sweep) -> None:
    assert sweep.lrs[0] == pytest.approx(1e-6)
    np.testing.assert_allclose(np.diff(np.log(sweep.lrs)), np.log(1e6) / 49)
    assert len(sweep.lrs) == len(sweep.losses) == len(sweep.smooth) <= 50
    assert sweep.beta == 1e-3


def test_the_smoothed_loss_is_the_weighted_mean_of_those_before(sweep: Sweep) -> None:
    weights = SMOOTHING ** np.arange(20)[::-1]
    assert sweep.smooth[19] == pytest.approx(np.average(sweep.losses[:20], weights=weights))


def test_the_model_learns_at_some_rates_and_not_at_the_lowest(sweep: Sweep) -> None:
    assert sweep.smooth.min() < sweep.smooth[:20].min() - 0.2
    lowest, low, high = (
        find_lr(SMALL, SBM, low=rate, high=2 * rate, steps=10).losses for rate in (1e-12, 1e-9, 1e-2)
    )
    np.testing.assert_allclose(low, lowest, rtol=1e-4)  # the same batches, and nothing was learned
    assert np.abs(high - lowest).max() > 0.1


def test_equal_recipes_give_equal_sweeps() -> None:
    first, again, other = (
        find_lr(with_overrides(SMALL, {"training.seed": seed}), SBM, steps=10).losses for seed in "001"
    )
    np.testing.assert_array_equal(again, first)
    assert other[0] != first[0]


def test_the_suggested_rate_is_sensible_and_a_training_at_it_learns(sweep: Sweep, tmp_path: Path) -> None:
    assert sweep.valley is not None
    assert 1e-5 < sweep.valley < 0.1
    phase = f"[{{epochs = 1, beta = 1e-3, lr_max = {sweep.valley!r}}}]"
    recipe = with_overrides(SMALL, {"training.phase": phase})
    run = trained(tmp_path, recipe)
    epochs = [record for record in MetricsReader(run.metrics_path).poll() if record["kind"] == "epoch"]
    assert epochs[-1]["nll"] < sweep.losses[0] - 0.5


def test_the_beta_is_that_of_the_phase() -> None:
    assert find_lr(SMALL, SBM, phase=1, steps=10).beta == 1e-2
    assert find_lr(SMALL, SBM, phase=1, steps=10).losses[0] > find_lr(SMALL, SBM, steps=10).losses[0]


def test_a_sweep_to_absurd_rates_ends_where_it_diverges() -> None:
    sweep = find_lr(with_overrides(SMALL, {"training.clip": "0"}), SBM, low=1e-3, high=1e6, steps=60)
    assert sweep.stopped == "diverged"
    assert len(sweep.lrs) < 60
    assert "diverged at" in sweep_figure(sweep).caption or sweep.valley is None
    best = sweep.smooth[:-1].min()
    assert sweep.smooth[:-1].max() <= best + 3 * max(abs(best), 1)


def test_progress_is_told_and_may_stop_a_sweep() -> None:
    class Stop(Exception):
        pass

    heard: list[tuple[int, int]] = []

    def progress(done: int, total: int) -> None:
        heard.append((done, total))
        if done == 3:
            raise Stop

    with pytest.raises(Stop):
        find_lr(SMALL, SBM, steps=20, progress=progress)
    assert heard == [(1, 20), (2, 20), (3, 20)]


def test_a_sweep_longer_than_an_epoch_goes_on_in_the_next(sweep: Sweep) -> None:
    few = with_overrides(SMALL, {"dataset.trajectories": "100", "training.batch": "64"})
    assert len(find_lr(few, SBM, steps=12, high=1e-3).losses) == 12


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"steps": 9}, "steps: needs at least 10, not 9"),
        ({"low": 1e-2, "high": 1e-2}, r"low: 0\.01 is not below high \(0\.01\)"),
        ({"low": 0.0}, "low, high: need numbers above 0, not 0 and 1"),
        ({"low": float("nan")}, "low, high: need numbers above 0"),
        ({"high": float("inf")}, "low, high: need numbers above 0"),
        ({"phase": 2}, "phase: there is no phase 2; the recipe has phases 0 to 1"),
        ({"phase": -1}, "phase: there is no phase -1"),
    ],
)
def test_a_sweep_that_cannot_be_is_refused(arguments: dict, message: str) -> None:
    with pytest.raises(SpivaeError, match=message):
        find_lr(SMALL, SBM, **arguments)


def test_a_recipe_without_phases_is_refused_with_its_path() -> None:
    with pytest.raises(SpivaeError, match=r"training\.phase: needs at least one phase"):
        with_overrides(SMALL, {"training.phase": "[]"})


class Infinite(type(SBM)):  # type: ignore[misc]
    """Displacements that no network can learn."""

    def displacements(self, rng: np.random.Generator, theta: np.ndarray, steps: int) -> np.ndarray:
        return super().displacements(rng, theta, steps) * np.inf  # type: ignore[no-any-return]


def test_a_loss_that_is_not_finite_from_the_start_fails_in_words() -> None:
    with pytest.raises(WorkFailed, match="the loss is not finite at the first step, with a learning rate of"):
        find_lr(SMALL, Infinite(), steps=10)


def test_the_figure_marks_both_suggestions_on_a_log_axis(sweep: Sweep) -> None:
    figure = sweep_figure(sweep)
    (panel,) = figure.panels
    assert panel.x.scale == "log"
    marked = {mark.label.split()[0]: mark.x for mark in panel.marks if isinstance(mark, VLine)}
    assert marked == {"valley": sweep.valley, "steepest": sweep.steepest}
    smooth = [mark for mark in panel.marks if isinstance(mark, Line)][1]
    np.testing.assert_array_equal(smooth.y, sweep.smooth)
    assert panel.y.low is not None
    assert panel.y.low < sweep.smooth.min()
    assert f"{sweep.valley:.1e} (valley)" in figure.caption
