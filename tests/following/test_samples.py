"""A long training opens at once: samples of its past agree with all of it, and go on into the present."""

from __future__ import annotations

import math
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


def test_a_short_file_or_none_is_read_whole(long: Path, tmp_path: Path):
    short = tmp_path / "short.jsonl"
    assert read_past(short) is None
    short.write_bytes(long.read_bytes()[: samples.LONG - 1])
    assert read_past(short) is None


def test_lines_without_end_are_no_past(tmp_path: Path):
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b"x" * (samples.LONG + 1))
    assert read_past(path) is None


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
    assert processor_seconds(lambda: [list(follower.poll()) for _ in range(100)]) < 100 * 1e-3


@pytest.mark.full
def test_a_million_records_open_within_a_second(tmp_path: Path):
    path = write(tmp_path / "metrics.jsonl", records(1, 1_000_000))
    follower = follower_of(tmp_path, path)
    assert processor_seconds(lambda: list(follower.poll())) < 1.0
