"""kill -9 at random moments: a run that is resumed ends at the bits of one that nobody touched."""

from __future__ import annotations

import os
import random
import signal
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from trainers import Trainers

from spivae.checkpoint import read
from spivae.training import recipe as recipes
from spivae.training.metrics import MetricsReader, epochs_so_far
from spivae.training.recipe import Recipe
from spivae.training.run import Run
from spivae.training.state import read_state

Weights = dict[str, np.ndarray]
STEPS, EVERY = 120, 10  # 8 epochs of 15 steps


@pytest.fixture(scope="module")
def recipe(tiny_recipe: Path) -> Recipe:
    return recipes.with_overrides(
        recipes.load(tiny_recipe),
        {
            "dataset.trajectories": "1200",
            "training.phase.0.epochs": "3",
            "training.phase.1.epochs": "5",
            "training.checkpoint_every": str(EVERY),
        },
    )


@pytest.fixture(scope="module")
def untouched(trainers: Trainers, recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Weights:
    run = Run.create(tmp_path_factory.mktemp("untouched"), recipe)
    trainers.start(run.path)
    assert trainers.ended() == 0
    return final(run)


def final(run: Run) -> Weights:
    weights = read(run.checkpoint_folder / "final.safetensors").weights
    assert weights is not None
    return weights


def kill_after(pid: int, run: Run, size: int, pause: float) -> None:
    """Kill a trainer a moment after metrics.jsonl has become so long, or the run has ended."""
    while os.path.exists(f"/proc/{pid}") and run.metrics_path.stat().st_size < size:
        time.sleep(0.0005)
        if not os.path.exists(run.metrics_path) or Run.open(run.path).info.state == "finished":
            break
    time.sleep(pause)
    os.kill(pid, signal.SIGKILL)


def kill_and_resume(kills: int, seed: int, trainers: Trainers, run: Run) -> int:
    """How often the trainer was killed before it could finish."""
    rng = random.Random(seed)
    run.metrics_path.touch()
    done = 0
    for _ in range(kills):
        pid = trainers.start(run.path)
        # from before its first step to a third of the way further than it was
        more = rng.choice([0, rng.randrange(STEPS // 3)])
        kill_after(pid, run, run.metrics_path.stat().st_size + 260 * more, rng.random() * 0.03)
        if trainers.ended() == 0:
            break
        done += 1
        assert Run.open(run.path).state() in ("lost", "queued", "finished")
        read_state(run)  # never torn
    trainers.start(run.path)
    assert trainers.ended() == 0
    return done


def check(run: Run, untouched: Weights) -> None:
    run.refresh()
    assert run.state() == "finished"
    for name, value in final(run).items():
        assert_array_equal(value, untouched[name])
    records = MetricsReader(run.metrics_path).poll()
    attempts = [record["attempt"] for record in records]
    assert attempts == sorted(attempts)
    steps = [(r["attempt"], r["step"]) for r in records if r["kind"] == "step"]
    # each attempt begins at most `checkpoint_every` steps before the end of the last
    for (attempt, step), (after, following) in pairwise(steps):
        assert following == step + 1 if after == attempt else step - EVERY <= following - 1 <= step
    assert sorted({step for _, step in steps}) == list(range(1, STEPS + 1))
    assert [record["epoch"] for record in epochs_so_far(run.metrics_path, 8)] == list(range(1, 9))
    assert not run.lock_path.exists()
    assert not list(run.path.glob("**/.*.part")), "a killed write left its temporary file"


@pytest.mark.parametrize("seed", [1])
def test_five_kills_at_random_moments_cost_no_bit(
    seed: int, trainers: Trainers, recipe: Recipe, untouched: Weights, tmp_path: Path
):
    run = Run.create(tmp_path, recipe)
    assert kill_and_resume(5, seed, trainers, run) >= 3
    check(run, untouched)


@pytest.mark.full
@pytest.mark.parametrize("seed", range(10, 16))
def test_thirty_kills_at_random_moments_cost_no_bit(
    seed: int, trainers: Trainers, recipe: Recipe, untouched: Weights, tmp_path: Path
):
    run = Run.create(tmp_path, recipe)
    kill_and_resume(5, seed, trainers, run)
    check(run, untouched)
