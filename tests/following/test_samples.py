"""A long training opens at once: samples of its past agree with all of it, and go on into the present."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from test_series import step, validated

from spivae.following import samples
from spivae.following.follower import RunFollower
from spivae.following.samples import read_past
from spivae.following.series import RunSeries
from spivae.training.metrics import MetricsReader
from spivae.training.recipe import Recipe
from spivae.training.run import Run

STEPS, PER_EPOCH = 60_000, 300


def loss(number: float) -> float:
    return -2.0 + 3 * math.exp(-number / 8000)


def records(first: int, last: int, attempt: int = 1, worse: float = 0.0) -> Iterable[dict[str, Any]]:
    """Steps from `first` to `last`, with the ends of epochs among them."""
    noise = np.random.default_rng(first).normal(0, 0.02, last + 1).tolist()
    for number in range(first, last + 1):
        yield step(number, loss(number) + worse + noise[number], PER_EPOCH) | {"attempt": attempt}
        if number % PER_EPOCH == 0:
            done = validated(number // PER_EPOCH, loss(number) + worse, PER_EPOCH)
            yield done | {"attempt": attempt, "mu_cells": [[0.0, float(number)]] * 2}


def write(path: Path, *parts: Iterable[dict[str, Any]]) -> Path:
    encode = msgspec.json.Encoder().encode
    with open(path, "ab") as file:
        for part in parts:
            file.writelines(encode(record) + b"\n" for record in part)
    return path


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The metrics of sixty thousand steps, more than is read whole."""
    path = write(tmp_path_factory.mktemp("long") / "metrics.jsonl", records(1, STEPS))
    assert path.stat().st_size > samples.LONG
    return path


def whole(path: Path) -> RunSeries:
    series = RunSeries()
    series.feed(MetricsReader(path).poll())
    return series


def sampled(path: Path) -> RunSeries:
    past = read_past(path)
    assert past is not None
    series, reader = RunSeries(), MetricsReader(path)
    series.restore(past)
    reader.begin_at(past.end)
    series.feed(reader.poll())
    return series


def spiked(steps: set[int], part: Iterable[dict[str, Any]]) -> Iterable[dict[str, Any]]:
    """The records with a loss of 50 at these steps."""
    for record in part:
        yield record | {"loss": 50.0} if record["kind"] == "step" and record["step"] in steps else record


def searched(path: Path, size: int = 1 << 20) -> RunSeries:
    """The sampled past with what lies between the samples."""
    series, between = sampled(path), samples.Between(path)
    while (found := between.read(size)) is not None:
        assert (np.diff(found[0]) > 0).all()
        series.widen(*found)
    assert between.done == 1
    return series


def spikes(series: RunSeries) -> list[int]:
    """About which steps the raw loss has a spike."""
    x, band = series.raw("loss")
    found = x[band > 40] * PER_EPOCH
    return [round(at) for at in found[np.diff(found, prepend=-1e9) > 1000]]


def assert_alike(series: RunSeries, expected: RunSeries) -> None:
    assert (series.step, series.epoch, series.latents) == (expected.step, expected.epoch, expected.latents)
    assert [row["epoch"] for row in series.epochs] == [row["epoch"] for row in expected.epochs]
    assert [row["nll"] for row in series.epochs] == [row["nll"] for row in expected.epochs]
    assert series.mu is not None
    assert series.mu.tolist() == expected.mu.tolist()
    assert (np.diff(series.x) > 0).all()
    # along the whole of it: places are as dense as dots, and the smoothed loss is the right one
    assert np.diff(series.x, prepend=0, append=series.epoch).max() < 3 * series.epoch / samples.PLACES
    away = np.abs(np.interp(expected.x, series.x, series.curve("smooth")) - expected.curve("smooth"))
    assert away[20:].max() < 0.06
    x, band = series.raw("loss")
    assert np.abs(band - np.array([loss(at * PER_EPOCH) for at in x])).max() < 0.1


def test_samples_draw_what_all_of_it_draws(long: Path):
    assert_alike(sampled(long), whole(long))


def test_what_comes_later_is_taken_in_step_by_step(long: Path, tmp_path: Path):
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(long.read_bytes())
    series, more = sampled(path), list(records(STEPS + 1, STEPS + 4000))
    series.feed(more)
    write(path, more)
    assert_alike(series, whole(path))
    assert series.speed() == pytest.approx(2.0)


def test_what_a_later_attempt_repeats_is_left_out(tmp_path: Path):
    path = write(
        tmp_path / "metrics.jsonl",
        records(1, 40_000, worse=0.0),
        records(30_001, 50_000, 2),
        records(50_001, STEPS, 2),
    )
    again = write(
        tmp_path / "again.jsonl", records(1, 30_000), records(30_001, 50_000, 2), records(50_001, STEPS, 2)
    )
    assert_alike(sampled(path), whole(again))


def test_torn_lines_are_passed_over(long: Path, tmp_path: Path):
    content = bytearray(long.read_bytes())
    for at in np.linspace(0, len(content) - 400, 3000, dtype=int):
        content[at : at + 3] = b"\x00\xff{"
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(content)
    series = sampled(path)
    assert series.step > STEPS - 100
    assert len(series.x) > samples.PLACES / 2


@pytest.mark.parametrize("size", [1 << 20, 1 << 14])
def test_single_spikes_between_the_samples_are_found(size: int, tmp_path: Path):
    at = {7, 20_011, 33_333, 59_000}
    path = write(tmp_path / "metrics.jsonl", spiked(at, records(1, STEPS)))
    assert len(spikes(sampled(path))) < len(at)
    found = spikes(searched(path, size))
    assert found == pytest.approx(sorted(at), abs=2 * STEPS / samples.PLACES)


def test_a_spike_that_a_later_attempt_has_repeated_is_none(tmp_path: Path):
    path = write(
        tmp_path / "metrics.jsonl",
        spiked({20_011, 35_017}, records(1, 40_000)),
        spiked({45_000}, records(30_001, STEPS, 2)),
    )
    assert spikes(searched(path)) == pytest.approx([20_011, 45_000], abs=3 * STEPS / samples.PLACES)


def test_between_torn_lines_spikes_are_found_too(tmp_path: Path):
    path = write(tmp_path / "metrics.jsonl", spiked({20_011}, records(1, STEPS)))
    content = bytearray(path.read_bytes())
    where = content.index(b'"loss":50.0')
    for at in np.linspace(0, len(content) - 400, 500, dtype=int):
        if abs(at - where) > 2000:
            content[at : at + 3] = b"\x00\xff{"
    path.write_bytes(content)
    assert len(spikes(searched(path))) == 1


def test_the_follower_looks_between_the_samples_a_moment_at_a_time_and_says_how_far_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("spivae.following.follower.BETWEEN_SECONDS", 0.0)
    follower = follower_of(tmp_path, write(tmp_path / "metrics.jsonl", spiked({20_011}, records(1, STEPS))))
    *_, view = follower.poll()
    assert view.searched == 0
    assert view.figure is not None
    assert view.figure.caption.startswith("Sampled: single spikes may be missing (0% searched).")
    shares = []
    while views := list(follower.poll()):
        view = views[-1]
        shares.append(view.searched)
    assert len(shares) > 5
    assert shares == sorted(shares)
    assert view.searched == 1
    assert view.figure is not None
    assert "Sampled" not in view.figure.caption
    assert len(spikes(follower.series)) == 1


def test_a_short_file_or_none_is_read_whole(long: Path, tmp_path: Path):
    short = tmp_path / "short.jsonl"
    assert read_past(short) is None
    short.write_bytes(long.read_bytes()[: samples.LONG - 1])
    assert read_past(short) is None


def test_lines_without_end_are_no_past(tmp_path: Path):
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b"x" * (samples.LONG + 1))
    assert read_past(path) is None


def test_a_file_that_is_cut_while_it_is_read_ends_nothing(long: Path, tmp_path: Path, monkeypatch: Any):
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(long.read_bytes())
    places = samples._places

    def cut(descriptor: int, end: int) -> Any:
        found = places(descriptor, end)
        os.truncate(path, 100)
        return found

    monkeypatch.setattr(samples, "_places", cut)
    past = read_past(path)
    assert past is not None
    assert past.epochs == []


def test_epochs_with_very_many_cells_are_found_across_blocks(tmp_path: Path, monkeypatch: Any):
    monkeypatch.setattr(samples, "_BLOCK", 100_000)
    cells = {"nll_cells": [1.25] * 9000}
    wide = (record | (cells if record["kind"] == "epoch" else {}) for record in records(1, STEPS // 2))
    past = read_past(write(tmp_path / "metrics.jsonl", wide))
    assert past is not None
    found = [row["epoch"] for row in past.epochs]
    assert found == list(range(1, len(found) + 1))
    assert len(found) > 95
    assert all(len(row["nll_cells"]) == 9000 for row in past.epochs)


def processor_seconds(work: Callable[[], Any]) -> float:
    begin = time.process_time()
    work()
    return time.process_time() - begin


def follower_of(folder: Path, metrics: Path) -> RunFollower:
    run = Run.create(folder, Recipe())
    run.info.steps, run.info.epochs = STEPS, STEPS // PER_EPOCH
    run.save()
    run.metrics_path.symlink_to(metrics)
    return RunFollower(str(run.path), Run.open)


def test_a_long_run_opens_at_once_and_costs_nothing_while_it_does_not_grow(long: Path, tmp_path: Path):
    follower = follower_of(tmp_path, long)
    views: list[Any] = []
    assert processor_seconds(lambda: views.extend(follower.poll())) < 2 * 0.35
    assert views[-1].step == STEPS
    while follower.searched < 1:
        assert processor_seconds(lambda: list(follower.poll())) < 2 * 0.2
    assert processor_seconds(lambda: [list(follower.poll()) for _ in range(100)]) < 100 * 1e-3


@pytest.mark.full
def test_a_million_records_open_within_a_second(tmp_path: Path):
    path = write(tmp_path / "metrics.jsonl", records(1, 1_000_000))
    follower = follower_of(tmp_path, path)
    assert processor_seconds(lambda: list(follower.poll())) < 1.0
