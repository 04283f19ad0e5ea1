"""`spivae logs` of what has not begun yet, and of the queue of a sweep; for a log that grows, it waits."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from spivae.slurm import queue as queues
from spivae.slurm.job import Job
from spivae.slurm.options import Options
from spivae.slurm.queue import Answer, Queue
from spivae.training import recipe as recipes
from spivae.training import slurm
from spivae.training.lock import Lock
from spivae.training.run import Run
from spivae.training.sweep import Sweep

Spivae = Callable[..., Any]
Asked = Callable[[Callable[[], Answer]], None]


@pytest.fixture
def run(tiny_recipe: Path, tmp_path: Path) -> Run:
    """A run that job 12 trains, or is to."""
    run = Run.create(tmp_path, recipes.load(tiny_recipe))
    run.info.launcher, run.info.job, run.info.slurm = "slurm", Job("12", os.getuid()), Options()
    run.save()
    return run


@pytest.fixture
def squeue(monkeypatch: pytest.MonkeyPatch) -> Asked:
    """What Slurm answers is what a function gives; it is asked at every look."""

    def answered(answer: Callable[[], Answer]) -> None:
        queue = Queue(lambda uids: answer(), lambda: "")
        monkeypatch.setattr(queues, "KEPT_SECONDS", 0.0)
        for module in (queues, slurm):
            monkeypatch.setattr(module, "queue", queue)

    return answered


@pytest.fixture
def sweep(tiny_recipe: Path, tmp_path: Path) -> Sweep:
    """A sweep of two runs that wait."""
    return Sweep.create(tmp_path, recipes.load(tiny_recipe), {"training.seed": ["0", "1"]})


def later(*steps: Callable[[], object]) -> threading.Thread:
    """Do one thing after another, while the test waits for something else."""

    def work() -> None:
        for step in steps:
            step()

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def write(path: Path, text: str) -> None:
    with open(path, "a") as file:
        file.write(text)


def test_a_run_that_waits_in_slurm_says_for_what(run: Run, squeue: Asked, spivae: Spivae):
    squeue(lambda: {"12": ("PENDING", "Priority")})
    told = spivae("logs", run.path)
    assert (told.code, told.out) == (2, "")
    assert told.err == f"error: {run.id}: has no log; Slurm job 12 waits (Priority)\n"


def test_watching_says_for_what_a_run_waits(
    run: Run, squeue: Asked, sweep: Sweep, spivae: Spivae, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("spivae.cli.watch._LOOK_SECONDS", 0.01)
    asked: list[str] = []

    def answer() -> Answer:
        asked.append("")
        if len(asked) == 80:
            run.end("finished")
        return {"12": ("PENDING", "Priority" if len(asked) < 40 else "Resources")}

    squeue(answer)
    state, waits = spivae("watch", run.path, "--once").out.splitlines()
    assert state.startswith("queued ")
    assert waits == "Slurm job 12 waits (Priority)"
    asked.clear()
    watched = spivae("watch", run.path).out.splitlines()
    assert watched == [
        "queued: Slurm job 12 waits (Priority)",
        "queued: Slurm job 12 waits (Resources)",
        f"finished: {run.id}",
    ]
    with Lock.take(sweep):
        first, _ = sweep.runs().values()
        assert spivae("watch", first.path, "--once").out.endswith(f"\nit waits in the queue of {sweep.id}\n")


def test_following_waits_for_slurm_and_goes_on_to_the_end(run: Run, squeue: Asked, spivae: Spivae):
    asked: list[str] = []

    def answer() -> Answer:
        asked.append("")
        if len(asked) == 4:  # it begins
            write(run.log_path, "first\n")
            run.info.state = "running"
            run.save()
        elif len(asked) == 7:
            write(run.log_path, "last\n")
            run.end("finished")
        return {"12": ("PENDING", "Priority") if len(asked) < 4 else ("RUNNING", "None")}

    squeue(answer)
    told = spivae("logs", run.path, "--follow")
    assert (told.code, told.out) == (0, "first\nlast\n")
    assert told.err == f"{run.id}: Slurm job 12 waits (Priority)\n"


def test_what_slurm_has_stopped_is_followed_until_slurm_has_its_job_no_more(
    run: Run, squeue: Asked, spivae: Spivae
):
    run.log_path.write_text("first\n")
    run.end("stopped")
    answers = [{"12": ("RUNNING", "None")}, {"12": ("RUNNING", "None")}, {"12": ("COMPLETED", "None")}]

    def answer() -> Answer:
        write(run.log_path, "more\n")
        return answers.pop(0)

    squeue(answer)
    assert spivae("logs", run.path, "--follow").out == "first\nmore\nmore\nmore\n"
    run.request_stop()  # by the user, who is not kept waiting
    assert spivae("logs", run.path, "--follow", "-n", 1).out == "more\n"


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_watching_does_not_end_where_slurm_begins_a_job_again(
    more: list[str], tiny_run: Path, tmp_path: Path, squeue: Asked, spivae: Spivae
):
    run = Run.open(shutil.copytree(tiny_run, tmp_path / tiny_run.name))
    run.info.job = Job("12", os.getuid())
    run.end("stopped")

    def answer() -> Answer:
        run.end("finished")
        return {"12": ("RUNNING", "None")}

    squeue(answer)
    watched = spivae("watch", run.path, *more)
    assert watched.json["state"] == "finished" if more else "\nfinished: " in watched.out


def test_a_run_in_the_queue_of_a_sweep_says_so(sweep: Sweep, spivae: Spivae):
    first, second = sweep.runs().values()
    with Lock.take(sweep):
        assert f"has no log; it waits in the queue of {sweep.id}\n" in spivae("logs", first.path).err
        start = later(
            lambda: time.sleep(0.3),
            lambda: write(first.log_path, "first\n"),
            lambda: first.end("finished"),
        )
        assert spivae("logs", first.path, "-f").out == "first\n"
        start.join()
    assert f"has ended; `spivae resume {sweep.id}` goes on\n" in spivae("logs", second.path).err
    assert spivae("stop", second.path).code == 0
    for more in ((), ("--follow",)):
        told = spivae("logs", second.path, *more)
        assert (told.code, told.err) == (
            2,
            f"error: {second.id}: has no log; it was stopped before it began\n",
        )


def test_the_log_of_a_sweep_is_that_of_its_queue(sweep: Sweep, tmp_path: Path, spivae: Spivae):
    at = ("--run-dir", tmp_path)
    assert f"never begun; `spivae resume {sweep.id}` starts it\n" in spivae("logs", sweep.id, *at).err
    queue = Lock.take(sweep)
    sweep.log_path.write_text("one: started\ntwo: started\n")
    assert spivae("logs", sweep.id[:9], *at, "-n", 1).out == "two: started\n"
    assert spivae("logs", sweep.id, *at, "--json").json == {
        "id": sweep.id,
        "path": str(sweep.path),
        "log": ["one: started", "two: started"],
    }
    end = later(
        lambda: time.sleep(0.3),
        lambda: write(sweep.log_path, "three: started\n"),
        queue.release,
    )
    assert spivae("logs", sweep.id, *at, "-f").out.splitlines()[1:] == ["two: started", "three: started"]
    end.join()
    sweep.log_path.unlink()
    sweep.info.slurm, sweep.info.job = Options(), "12"
    sweep.save()
    assert "Slurm is its queue (job 12); each of its runs has one" in spivae("logs", sweep.id, *at).err
