"""What a training costs, told before it is begun."""

from __future__ import annotations

import math
import time
from pathlib import Path

import pytest
from test_loop import SBM, TINY

from spivae.errors import SpivaeError, WorkFailed
from spivae.training import memory
from spivae.training.cost import estimate
from spivae.training.loop import train
from spivae.training.memory import check_memory, free_memory, needed_memory
from spivae.training.recipe import Recipe, load, with_overrides
from spivae.training.run import Run


def test_the_cost_of_a_training_is_counted_right() -> None:
    cost = estimate(TINY, SBM, threads=1, seconds=0.1)
    shapes = TINY.architecture.shapes(TINY.model_args)
    assert cost.parameters == sum(math.prod(shape) for shape in shapes.values())
    assert (cost.epochs, cost.steps_per_epoch, cost.receptive_field) == (3, 9, 8)
    assert (cost.code_path, cost.why_plain, cost.threads) == ("fast", None, 1)
    assert cost.seconds == 3 * cost.seconds_per_epoch > 27 * cost.seconds_per_step
    padded = estimate(with_overrides(TINY, {"model.use_pad": "true"}), SBM, threads=1, seconds=0.1)
    assert (padded.code_path, padded.why_plain) == ("plain", "use_pad: the fast path has no padding")


def test_the_time_told_is_that_of_the_steps(tmp_path: Path) -> None:
    # others use the machine: a factor of five either way
    told = estimate(TINY, SBM, threads=1, seconds=0.3).seconds
    run = Run.create(tmp_path, TINY)
    began = time.perf_counter()
    train(run, SBM, threads=1)
    assert told / 5 < time.perf_counter() - began < 5 * told + 1


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


def test_memory_that_nobody_tells_of_is_not_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "free_memory", lambda: None)
    check_memory(1 << 60)


def test_the_memory_of_a_container_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "Path", lambda path: tmp_path)
    assert free_memory() is None
    (tmp_path / "memory.max").write_text("1000\n")
    (tmp_path / "memory.current").write_text("700\n")
    (tmp_path / "memory.stat").write_text("anon 300\ninactive_file 400\n")
    monkeypatch.setattr(memory, "_of_system", lambda: 5000)
    assert free_memory() == 1000 - (700 - 400)
    (tmp_path / "memory.max").write_text("max\n")
    assert free_memory() == 5000
