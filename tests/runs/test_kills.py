"""kill -9 at random moments: a run that is resumed ends at the bits of one that nobody touched."""

from __future__ import annotations

import contextlib
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
from spivae.training.data import TrainingData
from spivae.training.metrics import MetricsReader, epochs_so_far
from spivae.training.recipe import Recipe
from spivae.training.run import Run
from spivae.training.state import read_state
from spivae_plugins.sbm import ScaledBrownianMotion

Weights = dict[str, np.ndarray]
MACHINE_CHECK = Path(__file__).parents[2] / "models" / "tiny.toml"


@pytest.fixture(scope="module")
def short(tiny_recipe: Path) -> Recipe:
    """8 epochs of 15 steps."""
    return recipes.with_overrides(
        recipes.load(tiny_recipe),
        {
            "dataset.trajectories": "1200",
            "training.phase.0.epochs": "3",
            "training.phase.1.epochs": "5",
            "training.checkpoint_every": "10",
        },
    )


def steps_of(recipe: Recipe) -> int:
    return TrainingData.prepare(recipe, ScaledBrownianMotion()).steps_per_epoch * recipe.epochs


def final(run: Run) -> Weights:
    weights = read(run.checkpoint_folder / "final.safetensors").weights
    assert weights is not None
    return weights


def kill_after(pid: int, run: Run, size: int, pause: float) -> None:
    """Kill a trainer a moment after metrics.jsonl has become so long, unless it ends before."""
    while os.path.exists(f"/proc/{pid}") and run.metrics_path.stat().st_size < size:
        time.sleep(0.0005)
    time.sleep(pause)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def kill_and_resume(kills: int, seed: int, trainers: Trainers, recipe: Recipe, folder: Path) -> list[Run]:
    """The runs in which a trainer was killed so often, all at their end now; one follows upon another."""
    rng, steps, runs, done = random.Random(seed), steps_of(recipe), [], 0
    while done < kills:
        run = Run.create(folder, recipe)
        run.metrics_path.touch()
        runs.append(run)
        while Run.open(run.path).info.state != "finished":
            pid = trainers.start(run.path)
            if done < kills:
                # from before its first step to a third of the way further than it was
                more = rng.choice([0, rng.randrange(steps // 3)])
                kill_after(pid, run, run.metrics_path.stat().st_size + 260 * more, rng.random() * 0.03)
            code = trainers.ended()
            assert code in (0, -signal.SIGKILL)
            done += code != 0
            assert Run.open(run.path).state() in ("lost", "queued", "finished")
            read_state(run)  # never torn
    assert done == kills
    return runs


def check(run: Run, untouched: Weights) -> None:
    run.refresh()
    assert run.state() == "finished"
    for name, value in final(run).items():
        assert_array_equal(value, untouched[name])
    steps, every, epochs = steps_of(run.recipe), run.recipe.training.checkpoint_every, run.recipe.epochs
    records = MetricsReader(run.metrics_path).poll()
    attempts = [record["attempt"] for record in records]
    assert attempts == sorted(attempts)
    found = [(r["attempt"], r["step"]) for r in records if r["kind"] == "step"]
    # each attempt begins at most `checkpoint_every` steps before the end of the last
    for (attempt, step), (after, following) in pairwise(found):
        assert following == step + 1 if after == attempt else step - every <= following - 1 <= step
    assert sorted({step for _, step in found}) == list(range(1, steps + 1))
    assert [r["epoch"] for r in epochs_so_far(run.metrics_path, epochs)] == list(range(1, epochs + 1))
    assert not list(run.path.glob("LOCK*"))
    assert not list(run.path.glob("**/.*.part")), "a killed write left its temporary file"


def check_kills(kills: int, seed: int, trainers: Trainers, recipe: Recipe, folder: Path) -> None:
    """Kill so often, and compare all that came of it with a run that nobody touched."""
    untouched = Run.create(folder, recipe)
    trainers.start(untouched.path)
    assert trainers.ended() == 0
    for run in kill_and_resume(kills, seed, trainers, recipe, folder):
        check(run, final(untouched))


def test_five_kills_at_random_moments_cost_no_bit(trainers: Trainers, short: Recipe, tmp_path: Path):
    check_kills(5, 1, trainers, short, tmp_path)


@pytest.mark.full
@pytest.mark.timeout(3600)
def test_thirty_kills_of_the_machine_check_at_random_moments_cost_no_bit(trainers: Trainers, tmp_path: Path):
    # saved so often that kills come before, between and after all of its saves
    recipe = recipes.with_overrides(recipes.load(MACHINE_CHECK), {"training.checkpoint_every": "20"})
    check_kills(30, 2, trainers, recipe, tmp_path)
