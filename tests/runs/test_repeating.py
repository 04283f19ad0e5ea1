"""Training a run again: in the way in which it was trained, to the same bits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from numpy.testing import assert_array_equal

from spivae.checkpoint import read
from spivae.training.run import Change, Run, RunInfo

Spivae = Callable[..., Any]


def assert_same(run: Run, other: Run) -> None:
    ours, theirs = (read(each.checkpoint_folder / "final.safetensors").weights for each in (run, other))
    assert ours is not None
    assert theirs is not None
    for name, value in ours.items():
        assert_array_equal(value, theirs[name])


def trained(spivae: Spivae, tmp_path: Path, *arguments: object) -> Run:
    return Run.open(tmp_path / spivae("train", *arguments, "--run-dir", tmp_path).out.strip())


@pytest.fixture(autouse=True)
def _one_thread_is_fastest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spivae.training.loop.choose", lambda step, free: 1)


@pytest.mark.parametrize("form", ["fast", "plain"])
def test_a_run_is_trained_again_in_its_own_way_to_its_own_bits(
    form: str, spivae: Spivae, tiny_recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    with monkeypatch.context() as patch:
        if form == "plain":
            patch.setattr("spivae.training.loop.why_plain", lambda model: "not yet covered")
        first = trained(spivae, tmp_path, tiny_recipe, "--threads", 2)
    again = trained(spivae, tmp_path, first.id)
    assert (again.info.threads, again.info.code_path, again.info.repeats) == (2, form, first.id)
    assert again.info.why_plain == (None if form == "fast" else f"as {first.id} was")
    assert_same(again, first)
    told = spivae("train", first.path, "--dry-run", "--json").json
    assert told["threads"] == 2


def test_processes_and_flags_of_a_repeated_run(tmp_path: Path, tiny_run: Path):
    recipe, before = Run.open(tiny_run).recipe, RunInfo("a", "sbm", 1, 0.0)
    before.threads, before.nproc, before.code_path, before.device = 3, 2, "plain", "cuda"
    same = Run.create(tmp_path, recipe, device="cuda", repeats=before).info
    assert (same.threads, same.nproc, same.code_path) == (3, 2, "plain")
    assert Run.create(tmp_path, recipe, device="cpu", repeats=before).info.code_path == "fast"


def test_a_flag_is_stronger_than_what_was(spivae: Spivae, tiny_run: Path, tmp_path: Path):
    again = trained(spivae, tmp_path, tiny_run, "--threads", 2, "--set", "training.seed=7")
    assert (again.info.threads, again.recipe.training.seed) == (2, 7)


def test_a_run_that_went_on_otherwise_is_not_promised(
    spivae: Spivae, tiny_recipe: Path, tiny_run: Path, tmp_path: Path
):
    run = Run.create(tmp_path, Run.open(tiny_run).recipe)
    refused = spivae("train", run.id[:-1], "--run-dir", tmp_path)
    assert (refused.code, refused.out) == (2, "")
    assert "has not been trained yet" in refused.err
    run.info.threads, run.info.changes = 1, (Change(3, "threads 1, not 2"),)
    run.save()
    told = spivae("train", run.id, "--run-dir", tmp_path, "--dry-run")
    assert f"{run.id} went on otherwise (threads 1, not 2 after step 3)" in told.err


def test_what_is_neither_recipe_nor_run_is_told_as_a_recipe(spivae: Spivae, tmp_path: Path):
    assert "no such recipe" in spivae("train", "nothing", "--run-dir", tmp_path).err
