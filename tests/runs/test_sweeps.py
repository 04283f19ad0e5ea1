"""Looking at sweeps: the list of them, following one, and words on all of its runs."""

from __future__ import annotations

import os
import pty
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from spivae.training import recipe as recipes
from spivae.training.lock import Lock
from spivae.training.run import Run
from spivae.training.sweep import Sweep

Spivae = Callable[..., Any]


@pytest.fixture
def sweep(tiny_recipe: Path, tmp_path: Path) -> Sweep:
    """A sweep of three runs that wait."""
    grid = {"training.seed": ["0", "1", "2"]}
    return Sweep.create(tmp_path, recipes.load(tiny_recipe), grid)


def result(run: Run, tiny_run: Path) -> None:
    """Let a run have finished, with the metrics of another one."""
    shutil.copy(tiny_run / "metrics.jsonl", run.metrics_path)
    run.end("finished")


def at_work(run: Run) -> None:
    """Let a run be trained, by this process."""
    run.info.state = "running"
    run.note_process(os.getpid())


def test_sweeps_are_listed_with_how_their_runs_stand_and_the_best_result(
    sweep: Sweep, tiny_run: Path, tmp_path: Path, spivae: Spivae
):
    first, second, third = sweep.runs().values()
    at = ("--run-dir", tmp_path)
    result(first, tiny_run)
    second.end("failed", "the loss diverged at step 3")
    with Lock.take(sweep):
        heading, row, hint = spivae("runs", "--sweeps", *at).out.splitlines()
        assert heading.split()[:8] == [
            "sweep", "process", "varies", "runs", "finished", "running", "waiting", "stopped",
        ]  # fmt: skip
        assert row.split()[:9] == [sweep.id, "sbm", "seed", "3", "1", "0", "1", "0", "1"]
        assert hint == "`spivae sweep SWEEP` shows its runs."
    [about] = spivae("runs", "--sweeps", *at, "--json").json
    assert about["states"] == {"finished": 1, "stopped": 1, "failed": 1}
    assert (about["id"], about["process"], about["runs"], about["best"]) == (sweep.id, "sbm", 3, first.id)
    assert about["metrics"]["nll"] == spivae("runs", *at, "--json").json[-1]["metrics"]["nll"]
    assert about["why"].endswith(f"`spivae resume {sweep.id}` goes on")
    assert spivae("tag", third.id, "later", *at).code == 0
    assert len(spivae("runs", "--sweeps", "--tag", "later", *at, "--json").json) == 1
    assert "No sweeps with the tag other in" in spivae("runs", "--sweeps", "--tag", "other", *at).out


def test_a_sweep_is_followed_by_a_line_a_change_until_nothing_of_it_goes_on(
    sweep: Sweep, tiny_run: Path, tmp_path: Path, spivae: Spivae
):
    first, second, third = sweep.runs().values()
    at_work(first)
    queue = Lock.take(sweep)

    def go_on() -> None:
        time.sleep(1.2)
        result(first, tiny_run)
        second.end("failed", "the loss diverged at step 3")
        queue.release()

    thread = threading.Thread(target=go_on)
    thread.start()
    watched = spivae("watch", sweep.id[:9], "--run-dir", tmp_path)
    thread.join()
    lines = watched.out.splitlines()
    assert lines[0] == f"{first.id}: running"
    assert lines[1].startswith(f"{first.id}: finished  NLL ")
    assert lines[2:4] == [
        f"{second.id}: failed",
        f"{sweep.id}: 1 of 3 finished, 1 stopped, 1 failed",
    ]
    assert lines[-1].startswith("1 run not begun, and the queue of ")
    assert watched.code == 1
    assert watched.err.startswith(f"error: {sweep.id}: 1 run failed or lost ({second.id}); ")
    shutil.rmtree(second.path)
    assert spivae("watch", sweep.path).code == 0
    assert spivae("watch", sweep.path, "--json").json == spivae("sweep", sweep.path, "--json").json
    assert third.id in spivae("watch", sweep.path, "--once").out
    assert spivae("watch", sweep.path, "--width", 90).code == 2


def test_in_a_terminal_the_table_of_a_sweep_changes_in_place(sweep: Sweep, tiny_run: Path):
    first, second, third = sweep.runs().values()
    at_work(first)
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", "LINES": "4"}
    queue = Lock.take(sweep)
    process = subprocess.Popen(
        [sys.executable, "-m", "spivae", "watch", str(sweep.path)],
        stdin=theirs, stdout=theirs, stderr=theirs, env=environment,
    )  # fmt: skip
    os.close(theirs)
    seen = b""
    try:
        while b"0 of 3 finished, 1 running, 2 queued" not in seen:
            seen += os.read(ours, 65536)
        while b"shows all" not in seen:
            seen += os.read(ours, 65536)
        assert b"\x1b[?1049h" in seen
        for run in (first, second, third):
            result(run, tiny_run)
        queue.release()
        while b"\x1b[?1049l" not in seen or b": 3 of 3 finished" not in seen:
            seen += os.read(ours, 65536)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def test_words_on_a_sweep_are_words_on_all_of_its_runs(sweep: Sweep, tmp_path: Path, spivae: Spivae):
    at = ("--run-dir", tmp_path)
    [first, *_] = sweep.runs().values()
    assert spivae("tag", first.id, "alone", *at).out == "alone\n"
    assert spivae("tag", sweep.id, "paper", *at).out == "paper\n"
    assert spivae("tag", sweep.id, *at, "--json").json == {
        "id": sweep.id,
        "path": str(sweep.path),
        "tags": ["paper"],
    }
    assert len(spivae("runs", "--tag", "paper", *at, "--json").json) == 3
    assert spivae("tag", first.id, *at).out == "alone paper\n"
    assert spivae("tag", sweep.id, "paper", "--remove", *at).out == "no tags\n"
    assert spivae("tag", first.id, *at).out == "alone\n"
    refused = spivae("tag", sweep.id, "two words", *at)
    assert (refused.code, refused.out) == (2, "")
