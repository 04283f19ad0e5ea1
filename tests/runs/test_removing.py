"""`spivae rm`: what it asks, what it deletes, and what it keeps because somebody is at it."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from spivae.training import recipe as recipes
from spivae.training.lock import Lock
from spivae.training.run import Run
from spivae.training.sweep import Sweep


@pytest.fixture
def run(tiny_recipe: Path, tmp_path: Path) -> Run:
    made = Run.create(tmp_path, recipes.load(tiny_recipe))
    made.end("stopped")
    return made


@pytest.fixture
def sweep(tiny_recipe: Path, tmp_path: Path) -> Sweep:
    return Sweep.create(tmp_path, recipes.load(tiny_recipe), {"training.seed": ["0", "1", "2"]})


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Type something at the next question."""
    return lambda text: monkeypatch.setattr("sys.stdin", io.StringIO(text))


@pytest.mark.parametrize(
    ("typed", "deleted"), [("y\n", True), ("Yes\n", True), ("n\n", False), ("\n", False)]
)
def test_the_question_is_answered_with_yes_or_no(
    typed: str, deleted: bool, run: Run, answer: Callable[[str], None], spivae: Callable[..., Any]
):
    answer(typed)
    asked = spivae("rm", run.path)
    assert (asked.code, asked.err) == (0, "")
    said = "deleted" if deleted else "kept"
    assert asked.out == f"Delete {run.path} (stopped, 0 checkpoints)? [y/N] {said} {run.path}\n"
    assert run.path.exists() != deleted


def test_a_question_that_nobody_answers_asks_for_yes(
    run: Run, answer: Callable[[str], None], spivae: Callable[..., Any]
):
    answer("")
    asked = spivae("rm", run.path)
    assert (asked.code, asked.err) == (
        2,
        "error: rm: asks, and nobody has answered; --yes deletes without asking\n",
    )
    assert run.path.exists()


def test_a_run_that_was_taken_up_while_the_question_stood_is_kept(
    run: Run, monkeypatch: pytest.MonkeyPatch, spivae: Callable[..., Any]
):
    def resumed_and_finished(question: str) -> str:
        run.claim(1, "cpu")
        run.end("finished")
        return "y"

    monkeypatch.setattr("builtins.input", resumed_and_finished)
    refused = spivae("rm", run.path)
    assert refused.code == 2
    assert f"{run.id}: has changed meanwhile, and is kept" in refused.err
    assert Run.open(run.path).state() == "finished"
    assert not run.lock_path.exists()


def test_a_run_that_cannot_be_read_is_deleted_by_its_name(
    run: Run, tmp_path: Path, spivae: Callable[..., Any]
):
    (run.path / "run.json").write_text("{")
    assert spivae("rm", run.id, "--run-dir", tmp_path, "--yes").out == f"deleted {run.path}\n"
    assert not run.path.exists()


def test_a_sweep_is_deleted_with_its_runs(
    sweep: Sweep, answer: Callable[[str], None], spivae: Callable[..., Any]
):
    answer("y\n")
    asked = spivae("rm", sweep.id, "--run-dir", sweep.path.parent)
    assert asked.code == 0
    assert asked.out.startswith(f"Delete {sweep.path} (a sweep of 3 runs, 0 checkpoints)?")
    assert not sweep.path.exists()


def test_a_sweep_whose_queue_or_run_is_at_work_is_kept(sweep: Sweep, spivae: Callable[..., Any]):
    with Lock.take(sweep):
        refused = spivae("rm", sweep.path, "--yes")
        assert (refused.code, refused.out) == (2, "")
        assert f"{sweep.id}: its queue is at work; `spivae stop {sweep.id}` ends that" in refused.err
    last = list(sweep.runs().values())[-1]
    last.claim(1, "cpu")
    refused = spivae("rm", sweep.path, "--yes")
    assert f"{last.id}: is running; `spivae stop {last.id}` ends that" in refused.err
    last.end("stopped")
    (last.path / "run.json").write_text("{")
    last.lock_path.write_text('{"host": "elsewhere", "pid": 1}')
    assert "is trained by process 1 on elsewhere" in spivae("rm", sweep.path, "--yes").err
    assert len(list(sweep.path.glob("*/recipe.toml"))) == 3
    assert not list(sweep.path.glob("LOCK"))


@pytest.mark.parametrize("name", ["", ".."])
def test_what_names_nothing_deletes_nothing(name: str, run: Run, tmp_path: Path, spivae: Callable[..., Any]):
    assert spivae("rm", name, "--run-dir", tmp_path, "--yes").code == 2
    assert run.path.exists()


def test_a_beginning_that_several_have_names_none(
    sweep: Sweep, run: Run, tiny_recipe: Path, tmp_path: Path, spivae: Callable[..., Any]
):
    other = Sweep.create(tmp_path, recipes.load(tiny_recipe), {"training.seed": ["0"]})
    for command in ("rm", "stop", "resume", "sweep"):
        refused = spivae(command, "sweep-sbm", "--run-dir", tmp_path)
        assert refused.code == 2
        assert "'sweep-sbm' fits 2 ids: " in refused.err
    refused = spivae("rm", "s", "--run-dir", tmp_path, "--yes")
    assert "'s' fits 3 ids: " in refused.err
    assert run.path.exists()
    assert other.path.exists()
