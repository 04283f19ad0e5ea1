"""A run's curves stay small, keep every extreme, and follow the file wherever it goes."""

from __future__ import annotations

import math
import tracemalloc
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spivae.figure.scales import Scale
from spivae.figure.spec import Figure, Heatmap, HLine, Line, Panel, Points, Text, VLine
from spivae.figure.steady import linear_limits, round_up
from spivae.figure.ticks import candidates
from spivae.following.figure import calm, figure
from spivae.following.series import Buckets, RunSeries
from spivae.training.metrics import MetricsReader, MetricsWriter
from spivae.training.run import CellAxis, RunInfo


def validated(number: int, nll: float, per_epoch: int = 10) -> dict[str, Any]:
    """The end of an epoch with two cells."""
    ends = {"kind": "epoch", "epoch": number, "step": number * per_epoch, "seconds": 5.0 * number}
    return {**ends, "nll": nll, "nll_cells": [nll, nll + 1]}


def step(
    number: int, loss: float | None = -2.0, per_epoch: int = 10, kl: tuple[float, ...] = (3.0, 0.5)
) -> dict[str, Any]:
    return {
        "kind": "step",
        "step": number,
        "epoch": number / per_epoch,
        "phase": 0,
        "loss": loss,
        "nll": loss,
        "kl": list(kl),
        "lr": 1e-3,
        "beta": 1e-4,
        "seconds": number * 0.5,
    }


def epoch(number: int, per_epoch: int = 10) -> dict[str, Any]:
    return {
        "kind": "epoch",
        "epoch": number,
        "phase": 0,
        "step": number * per_epoch,
        "train_loss": -2.0,
        "nll": -2.1,
        "kl": [3.0, 0.5],
        "neg_elbo": -2.09,
        "surviving": [0, 1],
        "beta": 1e-4,
        "seconds": number * per_epoch * 0.5 + 1,
    }


@given(st.lists(st.integers(1, 40), max_size=12), st.integers(2, 16))
def test_buckets_are_never_too_many_and_keep_the_lowest_and_the_highest(
    sizes: list[int], capacity: int
) -> None:
    rng = np.random.default_rng(len(sizes))
    buckets, everything = Buckets(1, capacity), rng.standard_normal(sum(sizes))
    at = 0
    for size in sizes:
        x = np.arange(at, at + size, dtype=float)
        buckets.extend(x, everything[at : at + size, None])
        at += size
    assert len(buckets) <= capacity + 1
    assert buckets.rows == len(everything)
    if len(everything):
        _, band = buckets.band(0)
        assert band.min() == everything.min()
        assert band.max() == everything.max()
        assert buckets.x[-1] == len(everything) - 1
        assert buckets.last[-1, 0] == everything[-1]


@given(st.lists(st.integers(1, 50), min_size=1, max_size=8))
def test_buckets_do_not_depend_on_how_the_rows_come_in(sizes: list[int]) -> None:
    values = np.random.default_rng(1).standard_normal(sum(sizes))[:, None]
    x = np.arange(len(values), dtype=float)
    once, piecewise = Buckets(1, 8), Buckets(1, 8)
    once.extend(x, values)
    at = 0
    for size in sizes:
        piecewise.extend(x[at : at + size], values[at : at + size])
        at += size
    assert once.stride == piecewise.stride
    assert np.array_equal(once.band(0)[1], piecewise.band(0)[1])
    assert np.array_equal(once.x, piecewise.x)


def test_memory_is_bounded_however_many_steps_come() -> None:
    series = RunSeries(capacity=64)
    records = [step(number, per_epoch=1000) for number in range(1, 20_001)]
    series.feed(records[:10_000])
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    series.feed(records[10_000:])
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert len(series.x) <= 64
    assert grown < 300_000
    assert series.step == 20_000


def test_the_raw_curve_keeps_a_spike_of_one_step() -> None:
    series = RunSeries(capacity=16)
    series.feed([step(number, 50.0 if number == 777 else -2.0) for number in range(1, 2000)])
    assert series.raw("loss")[1].max() == 50.0
    assert series.curve("smooth").max() < -1


def test_the_smoothed_loss_starts_at_the_first_loss() -> None:
    series = RunSeries()
    series.feed([step(1, 4.0)])
    assert series.smooth == pytest.approx(4.0)
    series.feed([step(2, 2.0)])
    assert 2 < series.smooth < 4


def test_a_loss_that_is_not_finite_breaks_the_curve_and_is_noted() -> None:
    series = RunSeries()
    series.feed([step(1), {**step(2, None), "diverged": True}])
    assert math.isnan(series.curve("loss")[-1])
    assert series.diverged_at == 2


def test_speed_is_that_of_the_last_half_minute_and_the_time_left_counts_validation() -> None:
    series = RunSeries()
    records = []
    for number in range(1, 101):
        records.append(step(number))
        if number % 10 == 0:
            records.append(epoch(number // 10))
    series.feed(records)
    assert series.speed() == pytest.approx(2.0)
    assert series.seconds_left(200) == pytest.approx(50.0, rel=0.1)
    assert series.seconds_left(100) == 0


def test_nothing_is_known_of_the_speed_before_two_steps() -> None:
    series = RunSeries()
    series.feed([step(1)])
    assert series.speed() is None
    assert series.seconds_left(10) is None


def test_a_resumed_run_goes_on_from_where_it_was_resumed() -> None:
    series = RunSeries()
    series.feed([*map(step, range(1, 26)), epoch(1), epoch(2)])
    series.feed([step(16), step(17)])
    assert series.x[-1] == pytest.approx(1.7)
    assert np.all(np.diff(series.x) > 0)
    assert [row["epoch"] for row in series.epochs] == [1]


def test_a_replaced_file_is_read_anew(tmp_path: Path) -> None:
    path, series = tmp_path / "metrics.jsonl", RunSeries()
    reader = MetricsReader(path)
    writer = MetricsWriter(path)
    for number in range(1, 30):
        writer.write(step(number))
    writer.close()
    series.feed(reader.poll())
    path.unlink()
    writer = MetricsWriter(path)
    writer.write(step(1, 7.0))
    writer.close()
    series.feed(reader.poll())
    assert series.step == 1
    assert series.curve("loss").tolist() == [7.0]


def test_records_of_another_kind_or_without_their_fields_are_left_out() -> None:
    series = RunSeries()
    series.feed([{"kind": "note"}, {"kind": "step", "step": 3}, {}, step(1)])
    assert series.step == 1


def test_a_model_without_latents_has_no_kl_curves() -> None:
    series = RunSeries()
    series.feed([step(1, kl=()), step(2, kl=())])
    assert series.latents == 0
    assert len(series.curve("loss")) == 2


def test_a_long_file_is_read_in_pieces(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    writer = MetricsWriter(path)
    for number in range(1, 101):
        writer.write(step(number))
    writer.close()
    reader, sizes = MetricsReader(path), []
    while records := reader.poll(limit=1000):
        sizes.append(len(records))
    assert sum(sizes) == 100
    assert max(sizes) <= 10


def curves(records: list[dict[str, Any]], epochs: int = 10, window: float = 1.0) -> Figure:
    series = RunSeries()
    series.feed(records)
    return figure(series, RunInfo("run", "sbm", epochs, 0.0), window, 1 / 367)


def test_the_axes_seldom_move_while_a_curve_grows() -> None:
    axes = set()
    for steps in range(310, 390, 10):
        panels = curves([step(number, -2.0 + 3 / number) for number in range(1, steps)], 100).panels
        axes.add(tuple((panel.x.low, panel.x.high, panel.y.low, panel.y.high) for panel in panels))
    assert len(axes) <= 2


@given(st.lists(st.floats(-1e12, 1e12), min_size=1, max_size=6))
def test_limits_hold_all_values_and_are_not_much_wider(values: list[float]) -> None:
    array = np.array(values)
    limits = linear_limits(array)
    assert limits is not None
    low, high = limits
    room = 1e-6 * (high - low) + 1e-9 * np.abs(array).max()
    assert low <= array.min() + room
    assert high >= array.max() - room
    assert low < high


@pytest.mark.parametrize("values", [[-1.561371], [-1.561371, -1.561372], [0.0], [3.0, 3.0]])
def test_values_that_hardly_differ_have_an_axis_whose_ticks_can_be_told_apart(values: list[float]) -> None:
    limits = linear_limits(np.array(values))
    assert limits is not None
    low, high = limits
    assert low < min(values) <= max(values) < high
    for ticks in candidates(Scale("linear", low, high), most=8):
        assert len(set(ticks.labels)) == len(ticks.labels) > 1


@given(st.floats(1e-6, 1e9))
def test_the_next_round_number_is_never_below_and_never_twice_as_much(value: float) -> None:
    assert value * (1 - 1e-6) <= round_up(value) <= 2 * value


def test_a_single_spike_does_not_flatten_the_loss() -> None:
    panel = curves(
        [step(number, 1e8 if number == 7 else -2.0 + 1 / number) for number in range(1, 400)]
    ).panels[0]
    assert panel.y.high is not None
    assert panel.y.high < 100


def test_a_phase_without_kl_lies_beneath_all_others() -> None:
    records = [{**step(number), "beta": 0.0 if number < 20 else 1e-2} for number in range(1, 40)]
    panel = curves(records).panels[3]
    line = next(mark for mark in panel.marks if isinstance(mark, Line))
    assert line.y[0] == panel.y.low
    assert line.y[-1] == 1e-2
    assert line.y[0] < 1 / 3670


GRID = (CellAxis("alpha", (0.5, 1.0, 1.5), "α"), CellAxis("D", (1e-4, 1e-2), scale="log"))


def with_cells(number: int, **changes: Any) -> dict[str, Any]:
    nll = [-2.0 + 0.1 * cell + 1 / number for cell in range(6)]
    mu = [[0.1 * number * cell for cell in range(6)], [0.0] * 6]
    return {**epoch(number), "nll_cells": nll, "mu_cells": mu, **changes}


def cell_series(epochs: int, **changes: Any) -> RunSeries:
    series = RunSeries()
    for number in range(1, epochs + 1):
        steps = [step(10 * (number - 1) + index) for index in range(1, 11)]
        series.feed([*steps, with_cells(number, **changes)])
    return series


def panels_of(series: RunSeries, grid: tuple[CellAxis, ...] = GRID, **more: Any) -> dict[str, Panel]:
    info = RunInfo("run", "sbm", 20, 0.0, steps=200, grid=grid)
    return {panel.title or panel.y.label: panel for panel in figure(series, info, **more).panels}


def test_the_cells_are_drawn_at_their_newest_epoch_and_along_the_training() -> None:
    panels = panels_of(cell_series(12))
    (heatmap,) = panels["NLL of each cell at epoch 12"].marks
    assert isinstance(heatmap, Heatmap)
    expected = [[-2.0 + 0.1 * (2 * i + j) + 1 / 12 for i in range(3)] for j in range(2)]
    np.testing.assert_allclose(heatmap.values, expected)
    lines = panels["NLL of some cells"].marks
    assert [line.label for line in lines] == [
        "0.5, 0.0001", "0.5, 0.01", "1.5, 0.0001", "1.5, 0.01", "1, 0.01",
    ]  # fmt: skip
    for line, cell in zip(lines, (0, 1, 4, 5, 3), strict=True):
        assert isinstance(line, Line)
        np.testing.assert_allclose(line.y, [-2.0 + 0.1 * cell + 1 / n for n in range(1, 13)])
    means = panels["Mean latents of each cell at epoch 12"].marks
    assert all(isinstance(mark, Points) for mark in means)
    np.testing.assert_allclose(means[0].y, 1.2 * np.arange(6))  # type: ignore[union-attr]
    assert means[0].x.tolist() == [0.5, 0.5, 1.0, 1.0, 1.5, 1.5]  # type: ignore[union-attr]


def test_the_epochs_do_not_carry_the_cells_and_few_of_them_are_kept() -> None:
    series = cell_series(300)
    assert not any("nll_cells" in row or "mu_cells" in row for row in series.epochs)
    assert series.cells is not None
    assert len(series.cells) <= 128
    assert series.cells.x[-1] == 300


@pytest.mark.parametrize("grid", [(), GRID[:1]])
def test_cells_of_no_or_another_grid_are_not_drawn(grid: tuple[CellAxis, ...]) -> None:
    assert len(panels_of(cell_series(3), grid)) == 5


def test_an_older_run_without_cells_is_drawn_and_says_so() -> None:
    series = RunSeries()
    series.feed([*map(step, range(1, 21)), epoch(1), epoch(2)])
    assert list(panels_of(series)) == [
        "loss",
        "KL per latent",
        "learning rate",
        "beta",
        "KL per latent, beta",
    ]
    info = RunInfo("run", "sbm", 20, 0.0)
    assert "No NLL of cells" in figure(series, info).caption
    assert figure(cell_series(2), msgspec.structs.replace(info, grid=GRID)).caption == ""


def test_an_empty_cell_is_left_out() -> None:
    panels = panels_of(cell_series(2, nll_cells=[None, 0.1, 0.2, 0.3, 0.4, 0.5]))
    (heatmap,) = panels["NLL of each cell at epoch 2"].marks
    assert np.isnan(heatmap.values[0, 0])  # type: ignore[union-attr]
    assert np.isfinite(heatmap.values).sum() == 5  # type: ignore[union-attr]


def test_cells_after_the_place_of_a_resumption_are_forgotten() -> None:
    series = cell_series(5)
    series.feed([step(26)])
    assert series.cells is not None
    assert series.cells.x.tolist() == [1, 2]
    assert series.mu is None


def test_along_steps_every_place_is_counted_in_steps() -> None:
    series = cell_series(10)
    epochs, steps = panels_of(series, phases=(4, 16)), panels_of(series, phases=(4, 16), unit="step")
    for name in ("loss", "KL per latent", "beta", "learning rate"):
        for before, after in zip(epochs[name].marks, steps[name].marks, strict=True):
            if not isinstance(before, HLine | Text):
                np.testing.assert_allclose(after.x, 10 * np.asarray(before.x))  # type: ignore[union-attr]
        assert steps[name].x.label == "step"
        assert [mark.x for mark in steps[name].marks if isinstance(mark, VLine)] in ([40], [])
    assert any(isinstance(mark, VLine) for mark in steps["loss"].marks)
    assert "NLL of each cell at step 100" in steps


def test_a_model_without_latents_has_three_panels() -> None:
    assert len(curves([step(1, kl=()), step(2, kl=())]).panels) == 3


def test_the_window_shows_the_newest_epochs() -> None:
    x = curves([step(number) for number in range(1, 401)], epochs=100, window=0.1).panels[0].x
    assert x.low == pytest.approx(36)
    assert x.high is not None
    assert 40 <= x.high <= 41


def test_the_smoothed_kl_is_a_trailing_geometric_mean() -> None:
    values = np.array([1.0, 4.0, np.nan, 2.0])
    assert calm(values, over=2)[[0, 1, 3]] == pytest.approx([1.0, 2.0, 2.0])
    assert math.isnan(calm(values, over=2)[2])


def test_the_plan_of_a_recipe_has_its_phases() -> None:
    from spivae.training.recipe import parse
    from spivae_tui.plan_figure import plan

    phases = [{"epochs": 2, "beta": 0.0}, {"epochs": 3, "beta": 1e-2, "lr_max": 2e-3}]
    beta, rate = plan(parse({"training": {"phase": phases}})).panels
    assert beta.x.high == 5
    line = next(mark for mark in rate.marks if isinstance(mark, Line))
    assert line.y.max() == pytest.approx(2e-3, rel=1e-3)


def test_a_resumed_attempt_supersedes_what_it_repeats():
    series = RunSeries()
    series.feed([step(n) for n in range(1, 21)] + [validated(1, 3.0), validated(2, 2.0)])
    series.feed([step(n, loss=-3.0) for n in range(16, 19)])
    assert series.x.tolist() == [n / 10 for n in range(1, 19)]
    assert [row["epoch"] for row in series.epochs] == [1]
    series.feed([step(n, loss=-3.0) for n in range(19, 21)] + [validated(2, 1.0)])
    assert [(row["epoch"], row["nll"]) for row in series.epochs] == [(1, 3.0), (2, 1.0)]
    assert series.cells is not None
    assert series.cells.last.tolist() == [[3.0, 4.0], [1.0, 2.0]]


def test_an_attempt_that_begins_with_a_validation_replaces_it():
    # the state was written at an epoch's last step: the validation alone is repeated
    series = RunSeries()
    series.feed([step(n) for n in range(1, 11)] + [validated(1, 3.0)] + [step(n) for n in range(11, 14)])
    series.feed([validated(1, 2.5)])
    series.feed([step(n, loss=-3.0) for n in range(11, 13)])
    assert [(row["epoch"], row["nll"]) for row in series.epochs] == [(1, 2.5)]
    assert series.cells is not None
    assert series.cells.last.tolist() == [[2.5, 3.5]]
    assert series.x.tolist() == [n / 10 for n in range(1, 13)]
    assert series.curve("loss").tolist() == [-2.0] * 10 + [-3.0] * 2


@pytest.mark.parametrize("seconds", [[5.0, 4.0, 3.0], [5.0, 5.0, 5.0], [-9.0, -8.0, 1e9], [1e12, 2e12, 0.0]])
def test_times_that_jump_give_no_negative_speed_or_time_left(seconds: list[float]) -> None:
    series = RunSeries()
    series.feed([{**step(number), "seconds": at} for number, at in enumerate(seconds, start=1)])
    for steps in (2, 100):
        left = series.seconds_left(steps)
        assert left is None or left >= 0
    speed = series.speed()
    assert speed is None or speed > 0
