"""What `spivae stop` does to trainers that listen, are deaf, or elsewhere, and its exit codes."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from spivae.training import recipe as recipes
from spivae.training.run import Run
from spivae.training.stopping import stop
from spivae.training.sweep import Sweep

DEAF = """
import signal, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print(flush=True)
sys.stdin.read()
"""

Deafened = Callable[[Run], "subprocess.Popen[bytes]"]


@pytest.fixture
def deafened() -> Iterator[Deafened]:
    """Give a run a trainer that sees no STOP and ignores SIGTERM."""
    children = []

    def begin(run: Run) -> subprocess.Popen[bytes]:
        child = subprocess.Popen([sys.executable, "-c", DEAF], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        children.append(child)
        assert child.stdout is not None
        child.stdout.readline()
        run.claim(1, "cpu")
        run.note_process(child.pid)
        return child

    yield begin
    for child in children:
        child.kill()
        child.communicate()


@pytest.fixture
def run(tiny_recipe: Path, tmp_path: Path) -> Run:
    return Run.create(tmp_path, recipes.load(tiny_recipe))


@pytest.fixture
def sweep(tiny_recipe: Path, tmp_path: Path) -> Sweep:
    """A sweep of three runs."""
    return Sweep.create(tmp_path, recipes.load(tiny_recipe), {"training.seed": ["0", "1", "2"]})


def test_a_trainer_that_does_not_listen_is_killed_by_force(run: Run, deafened: Deafened):
    child = deafened(run)
    assert stop(run, 0.2) == "running"
    assert child.poll() is None
    assert stop(run, 0.2, force=True) == "lost"
    assert child.wait(10) == -signal.SIGKILL


def test_a_run_that_goes_on_after_the_wait_is_exit_code_1(
    run: Run, deafened: Deafened, spivae: Callable[..., Any]
):
    child = deafened(run)
    waited = spivae("stop", run.path, "--wait", 0.2, "--json")
    assert (waited.code, waited.json["state"]) == (1, "running")
    assert waited.err == (
        f"error: {run.id}: is still running after 0.2 s; --force kills what does not save and end\n"
    )
    asked = spivae("stop", run.path, "--wait", 0)
    assert (asked.code, asked.out) == (0, f"{run.id}: saves and ends at its next step\n")
    assert child.poll() is None


def test_force_without_a_wait_kills_at_once(run: Run, deafened: Deafened, spivae: Callable[..., Any]):
    child = deafened(run)
    forced = spivae("stop", run.path, "--force", "--wait", 0)
    assert (forced.code, forced.out) == (0, f"{run.id}: lost\n")
    assert child.wait(10) == -signal.SIGKILL


def test_a_sweep_s_runs_are_waited_for_and_forced_too(
    sweep: Sweep, deafened: Deafened, spivae: Callable[..., Any]
):
    runs = list(sweep.runs().values())
    children = [deafened(run) for run in runs[:2]]
    asked = spivae("stop", sweep.path, "--wait", 0)
    assert (asked.code, asked.err) == (0, "")
    assert asked.out == f"{sweep.id}: starts no more runs; asked 2 runs at work to save and end\n"
    assert [run.stop_path.exists() for run in runs] == [True, True, False]
    waited = spivae("stop", sweep.path, "--wait", 0.2, "--json")
    document = {"id": sweep.id, "path": str(sweep.path)}
    assert (waited.code, waited.json) == (1, document | {"state": "stopping"})
    assert "2 runs still at work after 0.2 s; --force kills" in waited.err
    assert [child.poll() for child in children] == [None, None]
    forced = spivae("stop", sweep.path, "--force", "--wait", 0, "--json")
    assert (forced.code, forced.json) == (0, document | {"state": "stopped"})
    assert [child.wait(10) for child in children] == [-signal.SIGKILL] * 2
    assert [Run.open(run.path).state() for run in runs] == ["lost", "lost", "stopped"]


def test_a_trainer_that_cannot_be_killed_from_here_does_not_save_the_others(
    sweep: Sweep, deafened: Deafened, spivae: Callable[..., Any]
):
    away, here, _ = sweep.runs().values()
    child = deafened(here)
    away.claim(1, "cpu")
    away.info.host = "elsewhere"
    away.save()
    forced = spivae("stop", sweep.path, "--force", "--wait", 0)
    assert forced.code == 1
    assert f"{away.id}: process {away.info.pid} on elsewhere cannot be killed from here" in forced.err
    assert child.wait(10) == -signal.SIGKILL
