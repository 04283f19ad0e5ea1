"""What a training costs, told before it is begun."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from test_loop import SBM, TINY

from spivae.errors import SpivaeError, WorkFailed
from spivae.training import cost, memory
from spivae.training.cost import estimate
from spivae.training.loop import train
from spivae.training.memory import free_memory, needed_memory
from spivae.training.metrics import MetricsReader
from spivae.training.recipe import Recipe, load, with_overrides
from spivae.training.run import Run


def test_the_cost_of_a_training_is_counted_right() -> None:
    told = estimate(TINY, SBM, threads=1, seconds=0.1)
    shapes = TINY.architecture.shapes(TINY.model_args)
    assert told.parameters == sum(math.prod(shape) for shape in shapes.values())
    assert (told.epochs, told.steps_per_epoch, told.receptive_field) == (3, 9, 8)
    assert (told.code_path, told.why_plain, told.threads) == ("fast", None, 1)
    assert told.seconds == 3 * told.seconds_per_epoch > 27 * told.seconds_per_step
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
    # 9 batches and 288 new trajectories an epoch; the 72 of the validation are 3 batches
    assert estimate(TINY, SBM, threads=1).seconds == pytest.approx(3 * (9 * 3.0 + 3 * 0.5 + 288 * 0.01))
    fixed = with_overrides(TINY, {"dataset.fresh": "false"})
    assert estimate(fixed, SBM, threads=1).seconds == pytest.approx(3 * (9 * 3.0 + 3 * 0.5))

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


def test_the_disk_told_is_what_a_run_takes(tiny_run: Path, tiny_recipe: Path) -> None:
    taken = sum(path.stat().st_size for path in tiny_run.rglob("*") if path.is_file())
    assert estimate(load(tiny_recipe), SBM, threads=1, seconds=0.1).disk == pytest.approx(taken, rel=0.2)


def test_a_batch_larger_than_the_data_has_no_cost() -> None:
    with pytest.raises(SpivaeError, match=r"training\.batch: 289 is more than the 288"):
        estimate(with_overrides(TINY, {"training.batch": "289"}), SBM, threads=1)


def test_the_memory_told_grows_with_what_fills_it() -> None:
    def told(threads: int = 1, fast: bool = True, **changes: object) -> int:
        overrides = {name.replace("__", "."): str(value) for name, value in changes.items()}
        return needed_memory(with_overrides(Recipe(), overrides), SBM, threads, fast)

    whole = told()
    # 8 bytes a displacement while the next epoch is made, 4 of the validation set
    assert told(dataset__trajectories=2 * 99960) - whole == 399 * (8 * 80_010 + 4 * 19_950)
    assert told(threads=2) > whole + 50e6
    assert told(fast=False) > whole + 300e6
    assert told(model__res_channels=64) > whole + 100e6
    assert 0.5e9 < told(threads=2) < 1.2e9


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
