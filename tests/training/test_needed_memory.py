"""The memory that is told of a training, beside what trainings take."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from spivae.dataset import Grid
from spivae.layout import simulate_npz
from spivae.plugins import load_plugins
from spivae.training.memory import needed_memory, peak
from spivae.training.recipe import Recipe, with_overrides
from spivae_plugins.sbm import ScaledBrownianMotion

TRAINING = Path(__file__).parents[1] / "benchmarks" / "training_memory.py"
# what a process takes without data is 0.4 GB: so many that they take as much
MANY = {"dataset.trajectories": "80000", "dataset.validation": "0.01", "training.batch": "32"}


def taken(overrides: dict[str, str]) -> int:
    """The most that a process takes which trains the default recipe with these values, in bytes."""
    command = [sys.executable, str(TRAINING), *(f"{name}={value}" for name, value in overrides.items())]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def told(overrides: dict[str, str]) -> int:
    recipe = with_overrides(Recipe(), overrides)
    return needed_memory(recipe, load_plugins().process(recipe.process.name), 2, fast=True)


@pytest.mark.parametrize(
    "overrides",
    [
        MANY,
        MANY | {"process.name": "two_state"},
        MANY | {"observation.noise": "0.1"},
        MANY | {"dataset.fresh": "false", "observation.blur": "0.5"},
        {"dataset.trajectories": "840", "model.res_channels": "64", "model.skip_channels": "64"},
        {"dataset.trajectories": "840", "model.architecture": "scaled-wavenet-vae"},
        {"dataset.trajectories": "210", "training.batch": "8", "model.encoder": "[2000, 2000]"},
    ],
    ids=["single numbers", "double numbers", "noise", "blur", "wide", "scaled", "dense"],
)
def test_a_training_takes_no_more_memory_than_is_told_and_hardly_less(overrides: dict[str, str]) -> None:
    assert 1.0 < told(overrides) / taken(overrides) < 1.6


def test_a_training_on_a_file_takes_no_more_memory_than_is_told(tmp_path: Path) -> None:
    process, path = ScaledBrownianMotion(), tmp_path / "some.npz"
    grid = Grid.of(process, {"alpha": 3, "D": 2})
    simulate_npz(path, process, grid, 5000, 399, np.random.default_rng(0))
    axes = {
        "process.grid.alpha": "{ low = 0.2, high = 1.8, n = 3 }",
        "process.grid.D": '{ low = 1e-5, high = 1e-2, n = 2, scale = "log" }',
    }
    overrides = MANY | axes | {"dataset.trajectories": "30000", "dataset.file": f'"{path}"'}
    assert 1.0 < told(overrides) / taken(overrides) < 1.6


def test_the_peak_of_some_work_is_its_own() -> None:
    before = np.ones(1_000_000)
    assert peak(lambda: np.ones(500_000).sum()) == pytest.approx(4e6, rel=0.01)
    tracemalloc.start()
    try:
        held = [before * 2, peak(lambda: np.ones(500_000).sum())]
        assert held[1] == pytest.approx(4e6, rel=0.01)
        assert tracemalloc.is_tracing()
    finally:
        tracemalloc.stop()
