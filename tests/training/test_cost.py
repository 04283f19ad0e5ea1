"""What a training costs, told before it is begun."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from test_loop import SBM, TINY

from spivae import blocks
from spivae.errors import SpivaeError, WorkFailed
from spivae.process import Process
from spivae.training import cost, memory
from spivae.training.cost import estimate
from spivae.training.loop import _Trainer, train
from spivae.training.memory import free_memory, needed_memory
from spivae.training.metrics import MetricsReader
from spivae.training.recipe import Recipe, with_overrides
from spivae.training.run import Run


def test_the_cost_of_a_training_is_counted_right() -> None:
    told = estimate(TINY, SBM, threads=1, seconds=0.1)
    shapes = TINY.architecture.shapes(TINY.model_args)
    assert told.parameters == sum(math.prod(shape) for shape in shapes.values())
    assert (told.epochs, told.steps_per_epoch, told.receptive_field) == (3, 9, 8)
    assert (told.code_path, told.why_plain, told.threads) == ("fast", None, 1)
    assert told.seconds > 3 * told.seconds_per_epoch > 27 * told.seconds_per_step
    padded = estimate(with_overrides(TINY, {"model.use_pad": "true"}), SBM, threads=1, seconds=0.1)
    assert (padded.code_path, padded.why_plain) == ("plain", "use_pad: the fast path has no padding")


def test_the_time_told_is_that_of_steps_validations_and_fresh_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work: list[Callable[[], object]] = []

    def timed(some: Callable[[], object], threads: list[int], *_: float) -> dict[int, float]:
        work.append(some)
        return dict.fromkeys(threads, 3.0 if len(work) % 2 else 0.5)

    monkeypatch.setattr(cost, "step_seconds", timed)
    monkeypatch.setattr(cost, "_seconds_of_making", lambda *_: 0.01)
    # 9 batches and 288 new trajectories an epoch; the 72 of the validation, made once, are 3 batches
    steps = 9 * 3.0 + 3 * 0.5
    assert estimate(TINY, SBM, threads=1).seconds == pytest.approx(72 * 0.01 + 3 * (steps + 288 * 0.01))
    fixed = with_overrides(TINY, {"dataset.fresh": "false"})
    assert estimate(fixed, SBM, threads=1).seconds == pytest.approx(360 * 0.01 + 3 * steps)
    monkeypatch.setattr(cost, "_seconds_of_reading", lambda *_: 0.1)
    read = with_overrides(TINY, {"dataset.file": "some.npz"})
    assert estimate(read, SBM, threads=1).seconds == pytest.approx(360 * 0.1 + 3 * steps)

    run = Run.create(tmp_path, TINY)
    train(run, SBM, threads=1)
    kinds = [record["kind"] for record in MetricsReader(run.metrics_path).poll()]
    assert (kinds.count("step"), kinds.count("epoch")) == (3 * 9, 3)


def test_what_is_timed_is_a_whole_step_and_a_validation(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []

    def timed(some: Callable[[], object], threads: list[int], *_: float) -> dict[int, float]:
        some()
        done.append("|")
        return dict.fromkeys(threads, 1.0)

    for name in ("train_step", "losses"):
        real = getattr(cost, name)

        def noted(*arguments: Any, name: str = name, real: Any = real) -> Any:
            done.append(name)
            return real(*arguments)

        monkeypatch.setattr(cost, name, noted)
    monkeypatch.setattr(cost, "step_seconds", timed)
    estimate(TINY, SBM, threads=1)
    assert done == ["train_step", "|", "losses", "|"]


@pytest.mark.parametrize("every", [5, 200])
@pytest.mark.parametrize("encoder", ["[16]", "[300, 300]"], ids=["small", "large"])
def test_the_disk_told_is_what_a_run_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, every: int, encoder: str
) -> None:
    recipe = with_overrides(TINY, {"training.checkpoint_every": str(every), "model.encoder": encoder})
    run = Run.create(tmp_path, recipe)
    # at the end, before what is there for a trainer that is killed is removed: there are 27 steps
    monkeypatch.setattr(_Trainer, "tidy", lambda *_: None)
    train(run, SBM, threads=1)
    assert run.state_path.exists() == (every == 5)
    sizes = [path.stat().st_size for path in run.path.rglob("*") if path.is_file()]
    taken = sum(sizes) + max(sizes)  # while it is replaced by a new one
    assert estimate(recipe, SBM, threads=1, seconds=0.1).disk == pytest.approx(taken, rel=0.15)


def test_a_batch_larger_than_the_data_has_no_cost() -> None:
    with pytest.raises(SpivaeError, match=r"training\.batch: 289 is more than the 288"):
        estimate(with_overrides(TINY, {"training.batch": "289"}), SBM, threads=1)


def test_the_memory_told_grows_with_what_fills_it() -> None:
    def told(threads: int = 1, fast: bool = True, **changes: object) -> int:
        overrides = {name.replace("__", "."): str(value) for name, value in changes.items()}
        return needed_memory(with_overrides(Recipe(), overrides), SBM, threads, fast)

    whole = told()
    # 4 bytes a displacement, 12 bytes more while it is seen with noise, in double numbers
    plain = told(fast=False)
    more = told(fast=False, dataset__trajectories=2 * 99960) - plain
    assert 1.0 < more / (399 * 4 * 99_960) < 1.2
    seen = told(observation__noise=0.1)
    assert (seen - whole) / (399 * 12 * 80_010) == pytest.approx(1, rel=0.1)
    assert told(threads=2) > whole + 50e6
    assert plain > whole + 300e6
    assert told(model__res_channels=64) > whole + 100e6
    assert 0.5e9 < told(threads=2) < 1.2e9


@pytest.mark.parametrize("threads", [1, 2, 5, 1024])
def test_threads_without_rows_cost_nothing(threads: int) -> None:
    def told(threads: int, batch: int) -> int:
        recipe = with_overrides(TINY, {"training.batch": str(batch)})
        return needed_memory(recipe, SBM, threads, fast=True)

    assert told(threads, 1) == pytest.approx(told(1, 1), rel=1e-4)
    assert told(threads, 71) > told(1, 32)  # the last of the 72 that are validated is alone
    assert told(1024, 32) == pytest.approx(told(32, 32), rel=1e-4)


def test_making_is_timed_on_no_more_than_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[int] = []

    def noted(process: Process, theta: Any, steps: int, rng: object) -> None:
        drawn.append(len(theta) * steps)

    monkeypatch.setattr(cost, "simulate", noted)
    for steps in (63, 50_000, 10_000_000):
        recipe = with_overrides(TINY, {"dataset.steps": str(steps)})
        assert cost._seconds_of_making(recipe, SBM) >= 0
    assert drawn == [4096 * 63, 41 * 50_000, 10_000_000]


def test_what_does_not_fit_is_refused_before_it_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(cost, "example", never)
    monkeypatch.setattr(memory, "free_memory", lambda: 500_000_000)
    estimated = with_overrides(Recipe(), {"process.name": "sbm"})
    with pytest.raises(WorkFailed, match=r"not enough memory: this training needs about \d+ MB, and 500 MB"):
        estimate(estimated, SBM, threads=1)
    monkeypatch.setattr(type(TINY.architecture), "build", never)
    dense = with_overrides(TINY, {"model.encoder": "[2000, 2000, 2000]"})
    with pytest.raises(WorkFailed, match=r"needs about \d+ MB, and 500 MB are free"):
        estimate(dense, SBM, threads=1)


@pytest.mark.parametrize("threads", [1, 2])
def test_examples_and_data_are_made_with_the_threads_of_the_training(
    monkeypatch: pytest.MonkeyPatch, threads: int
) -> None:
    found: list[int | None] = []
    monkeypatch.setattr(cost, "_seconds_of_making", lambda *_: found.append(blocks._most) or 0.0)
    estimate(TINY, SBM, threads=threads, seconds=0.1)
    assert found == [threads]


def test_a_file_that_does_not_fit_is_told_of(tmp_path: Path) -> None:
    with pytest.raises(SpivaeError, match=r"none\.npz: no such file"):
        estimate(with_overrides(TINY, {"dataset.file": str(tmp_path / "none.npz")}), SBM, threads=1)


def test_data_that_are_seen_take_the_time_that_they_take(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    def noted(process: Process, *_: object) -> None:
        made.append(type(process).__name__)

    monkeypatch.setattr(cost, "simulate", noted)
    estimate(with_overrides(TINY, {"observation.noise": "0.1"}), SBM, threads=1, seconds=0.1)
    assert made == ["Observed"]


def test_a_training_without_the_memory_is_refused_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "free_memory", lambda: 200_000_000)
    run = Run.create(tmp_path, TINY)
    with pytest.raises(
        WorkFailed, match=r"not enough memory: this training needs about \d+ MB, and 200 MB are free; lower"
    ):
        train(run, SBM, threads=1)
    assert Run.open(run.path).info.state == "failed"


def test_the_memory_of_the_machine_and_of_a_container_or_job_both_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(memory, "memory_left", lambda: None)
    of_system = free_memory()
    assert of_system > 1 << 20
    monkeypatch.setattr(memory, "memory_left", lambda: 300)
    assert free_memory() == 300
    monkeypatch.setattr(memory, "memory_left", lambda: 1 << 60)
    assert free_memory() == pytest.approx(of_system, rel=0.5)
