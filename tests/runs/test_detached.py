"""A detached run from its start to its end, by the command line alone, as over a lost connection."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from spivae.liveness import is_alive
from spivae.training import recipe as recipes
from spivae.training.run import Run
from tests.commands import wait_for

LONG = ("--set", "training.phase.1.epochs=5000", "--set", "training.checkpoint_every=5")


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "spivae", *map(str, arguments)]


def state(spivae: Callable[..., Any], folder: Path) -> Any:
    [listed] = spivae("runs", "--run-dir", folder, "--json").json
    return listed["state"]


def test_a_detached_run_is_killed_found_resumed_stopped_and_deleted(
    spivae: Callable[..., Any], tiny_recipe: Path, tmp_path: Path
):
    at = ("--run-dir", tmp_path)
    started = spivae("train", tiny_recipe, *LONG, *at, "--detach", "--json").json
    run = Run.open(started["path"])
    assert (started["id"], run.info.pid > 0) == (run.id, True)
    assert os.getsid(run.info.pid) != os.getsid(0)
    wait_for(run.state_path.exists)
    assert state(spivae, tmp_path) == "running"
    assert run.lock_path.exists()
    os.kill(run.info.pid, signal.SIGKILL)
    wait_for(lambda: state(spivae, tmp_path) == "lost")
    assert spivae("stop", run.id, *at).err.endswith("has already ended (lost)\n")

    again = spivae("resume", run.id[:8], *at, "--detach", "--lr-scale", 0.5, "--json").json
    assert again["id"] == run.id
    second = spivae("resume", run.id, *at, "--detach")
    assert second.code == 2
    assert f"`spivae stop {run.id}` ends that" in second.err
    run.refresh()
    attempt, pid = run.info.attempt, run.info.pid
    wait_for(lambda: Run.open(run.path).info.resumed_at > 0)
    assert spivae("rm", run.id, *at, "--yes").code == 2

    assert spivae("stop", run.id, *at, "--wait", 60, "--json").json["state"] == "stopped"
    run.refresh()
    assert (run.info.attempt, run.info.pid, run.info.lr_scale) == (2, pid, 0.5)
    assert attempt in (1, 2)
    assert not is_alive(pid, run.info.pid_started)  # `stop` waits for its last words too
    log = spivae("logs", run.id, *at).out.splitlines()
    assert log[0] == run.id
    assert f"goes on after step {run.info.resumed_at:,}" in log
    assert log[-1] == f"stopped: {run.checkpoint_folder / 'stopped.safetensors'}"
    assert spivae("logs", run.id, *at, "--lines", 2).out.splitlines() == log[-2:]
    assert spivae("logs", run.id, *at, "--follow", "-n", 1).out.splitlines() == log[-1:]
    assert spivae("logs", run.id, *at, "-n", 2, "--json").json["log"] == log[-2:]
    assert spivae("logs", run.id, *at, "--follow", "--json").code == 2

    assert spivae("rm", run.id, *at, "--json").code == 2
    assert spivae("rm", run.id, *at, "--yes", "--json").json == {"id": run.id, "path": str(run.path)}
    assert not run.path.exists()


def test_a_run_that_waits_is_stopped_without_a_process(tiny_recipe: Path, tmp_path: Path, spivae):
    run = Run.create(tmp_path, recipes.load(tiny_recipe))
    assert spivae("stop", run.path).out == f"{run.id}: stopped\n"
    assert not run.stop_path.exists()


@pytest.mark.parametrize("scale", ["0", "-1", "nan"])
def test_a_scale_of_the_rate_that_is_none_is_refused(scale: str, tiny_run: Path, spivae):
    assert "--lr-scale: needs a number above 0" in spivae("resume", tiny_run, "--lr-scale", scale).err


def test_a_finished_run_is_not_resumed(tiny_run: Path, spivae):
    refused = spivae("resume", tiny_run)
    assert (refused.code, refused.out) == (2, "")
    assert "has finished; `spivae train " in refused.err


def test_a_run_without_a_log_says_why(tiny_run: Path, spivae):
    assert "only a detached training writes one" in spivae("logs", tiny_run).err


def test_starting_and_resuming_in_the_background_does_not_import_torch(tiny_recipe: Path, tmp_path: Path):
    probe = (
        "import sys; from spivae.cli import main; code = main(sys.argv[1:]);"
        "print(*sys.modules, file=sys.stderr); sys.exit(code)"
    )

    def modules(*arguments: object) -> tuple[str, set[str]]:
        done = subprocess.run(
            [sys.executable, "-c", probe, *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        return done.stdout, set(done.stderr.split())

    out, imported = modules("train", tiny_recipe, *LONG, "--run-dir", tmp_path, "--detach", "--json")
    assert "torch" not in imported
    run = Run.open(json.loads(out)["path"])
    os.kill(run.info.pid, signal.SIGKILL)
    wait_for(lambda: Run.open(run.path).state() == "lost")
    for arguments in (("resume", run.path, "--detach"), ("stop", run.path, "--wait", 60), ("logs", run.path)):
        assert not modules(*arguments)[1] & {"torch", "numpy"}
    assert Run.open(run.path).state() in ("stopped", "lost")


def test_tags_find_runs_again(spivae: Callable[..., Any], tiny_recipe: Path, tmp_path: Path):
    runs = [Run.create(tmp_path, recipes.load(tiny_recipe)) for _ in range(2)]
    at = ("--run-dir", tmp_path)
    assert spivae("tag", runs[0].id, *at).out == "no tags\n"
    assert spivae("tag", runs[0].id, "best", "paper-2", "best", *at, "--json").json["tags"] == [
        "best",
        "paper-2",
    ]
    assert spivae("tag", runs[0].id, "best", "--remove", *at).out == "paper-2\n"
    assert [found["id"] for found in spivae("runs", *at, "--tag", "paper-2", "--json").json] == [runs[0].id]
    assert "paper-2" in spivae("runs", *at).out
    assert spivae("runs", *at, "--tag", "none").out == f"No runs with the tag none in {tmp_path}.\n"
    refused = spivae("tag", runs[1].id, "two words", *at)
    assert (refused.code, refused.err[:30]) == (2, "error: 'two words': is no tag;")
    assert not (runs[1].path / "tags.txt").exists()
