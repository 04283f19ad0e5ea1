"""Run directories: made, found, told apart from those whose trainer is gone."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from spivae.catalog import scan
from spivae.errors import SpivaeError, WorkFailed
from spivae.liveness import is_alive, process_start
from spivae.training.recipe import Recipe
from spivae.training.run import Run, find_run, list_runs


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.create(tmp_path, Recipe())


def test_a_new_run_is_queued_and_keeps_its_recipe(run: Run) -> None:
    opened = Run.open(run.path)
    assert opened.state() == "queued"
    assert opened.recipe == Recipe()
    assert opened.info.process == "sbm"


def test_a_claimed_run_runs_until_it_ends(run: Run) -> None:
    run.claim(threads=1, device="cpu")
    opened = Run.open(run.path)
    assert opened.state() == "running"
    assert opened.info.pid == os.getpid()
    run.end("finished")
    opened.refresh()
    assert opened.state() == "finished"


@pytest.fixture(params=[sys.platform.startswith("linux"), False], ids=["here", "without /proc"])
def system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """How processes are looked for."""
    monkeypatch.setattr("spivae.liveness._HAS_PROC", request.param)


@pytest.mark.usefixtures("system")
def test_a_run_whose_trainer_died_is_lost(run: Run) -> None:
    child = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    run.claim(threads=1, device="cpu")
    run.info.pid, run.info.pid_started = child.pid, process_start(child.pid)
    run.save()
    assert Run.open(run.path).state() == "running"
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert Run.open(run.path).state() == "lost"  # a zombie is no trainer
    child.communicate()
    assert Run.open(run.path).state() == "lost"


@pytest.mark.usefixtures("system")
def test_a_recycled_pid_is_not_taken_for_the_trainer() -> None:
    started = process_start(os.getpid())
    assert started is not None
    assert is_alive(os.getpid(), started)
    assert not is_alive(os.getpid(), started - 1)


def test_a_trainer_that_dies_before_its_first_word_is_noticed(run: Run) -> None:
    child = subprocess.Popen([sys.executable, "-c", "raise SystemExit(1)"])
    run.note_process(child.pid)
    child.wait()
    assert Run.open(run.path).state() == "lost"
    assert next(iter(scan([run.path]))).state == "lost"


def test_the_word_of_another_host_is_taken(run: Run) -> None:
    run.claim(threads=1, device="cpu")
    run.info.host, run.info.pid = socket.gethostname() + "-other", 2**22 + 1
    run.save()
    assert Run.open(run.path).state() == "running"


def test_runs_are_found_by_id_beginning_or_path(tmp_path: Path) -> None:
    first, second = Run.create(tmp_path, Recipe()), Run.create(tmp_path, Recipe())
    assert {run.id for run in list_runs(tmp_path)} == {first.id, second.id}
    assert find_run(first.id, tmp_path).id == first.id
    assert find_run(str(second.path), tmp_path / "elsewhere").id == second.id
    with pytest.raises(SpivaeError, match="fits 2 ids"):
        find_run("sbm", tmp_path)
    with pytest.raises(SpivaeError, match="no run 'fbm'"):
        find_run("fbm", tmp_path)


def test_a_whole_id_is_found_without_reading_the_other_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [Run.create(tmp_path, Recipe()) for _ in range(2)] + [Run.create(tmp_path / "sweep-a", Recipe())]
    real, read = Run.open, []
    monkeypatch.setattr(Run, "open", lambda path: read.append(Path(path)) or real(path))
    for run in runs:
        assert find_run(run.id, tmp_path).path == run.path
    assert read == [run.path for run in runs]


def test_what_is_no_run_is_told(tmp_path: Path) -> None:
    with pytest.raises(SpivaeError, match="not a run"):
        Run.open(tmp_path)
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(SpivaeError, match=r"run\.json is broken"):
        Run.open(tmp_path)


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(WorkFailed, match="choose another --run-dir"):
        Run.create(tmp_path / "file", Recipe())
