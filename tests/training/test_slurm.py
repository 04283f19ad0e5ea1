"""Whose turn it is to train a run of Slurm's, and what becomes of a job that Slurm has stopped."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from spivae.errors import SpivaeError
from spivae.slurm import queue as queues
from spivae.slurm.job import Job
from spivae.slurm.options import Options
from spivae.slurm.queue import Queue
from spivae.training import slurm
from spivae.training.recipe import Recipe
from spivae.training.resume import relaunch
from spivae.training.run import Run
from spivae.training.stopping import stop
from spivae.training.sweep import Sweep

Program = Callable[[str, str], None]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run that job 12 trains, or is to."""
    run = Run.create(tmp_path / "runs", Recipe())
    run.info.launcher, run.info.job, run.info.slurm = "slurm", Job("12", os.getuid()), Options()
    run.save()
    return run


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """A program that stands for one of Slurm's; what it is called with is added to the file `called`."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(queues, "queue", Queue())
    monkeypatch.setattr(slurm, "queue", queues.queue)

    def made(name: str, text: str) -> None:
        path = folder / name
        path.write_text(f'#!/bin/sh\necho {name} "$@" >> {tmp_path}/called\n{text}\n')
        path.chmod(0o755)

    return made


def in_job(monkeypatch: pytest.MonkeyPatch, number: str, restart: int = 0) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", number)
    monkeypatch.setenv("SLURMD_NODENAME", "node08")
    monkeypatch.setenv("SLURM_RESTART_COUNT", str(restart))


@pytest.mark.parametrize(
    ("state", "restart"), [("queued", 0), ("queued", 1), ("running", 1), ("stopped", 1), ("stopped", 2)]
)
def test_a_job_trains_its_run_and_goes_on_with_it_each_time(
    run: Run, monkeypatch: pytest.MonkeyPatch, state: str, restart: int
):
    in_job(monkeypatch, "12", restart)
    run.info.state = state  # type: ignore[assignment]
    slurm.check_turn(run)


@pytest.mark.parametrize(
    ("number", "state", "restart", "said"),
    [
        ("13", "queued", 0, "Slurm job 12 trains it"),  # another job, as one that was given up
        (None, "queued", 0, "Slurm job 12 trains it"),
        ("12", "stopped", 0, r"is over \(stopped\)"),
        ("12", "finished", 1, r"is over \(finished\)"),
        ("12", "failed", 1, r"is over \(failed\)"),
    ],
)
def test_who_is_not_to_train_it_is_told(
    run: Run, monkeypatch: pytest.MonkeyPatch, number: str | None, state: str, restart: int, said: str
):
    if number is not None:
        in_job(monkeypatch, number, restart)
    run.info.state = state  # type: ignore[assignment]
    with pytest.raises(SpivaeError, match=said):
        slurm.check_turn(run)


def test_a_run_of_no_job_is_trained_anywhere_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    run = Run.create(tmp_path, Recipe())
    slurm.check_turn(run)
    in_job(monkeypatch, "12")  # by hand, in a job of the user's own
    slurm.check_turn(run)
    run.info.state = "stopped"
    with pytest.raises(SpivaeError, match="is no new run"):
        slurm.check_turn(run)


def stopped_in_job(
    run: Run, monkeypatch: pytest.MonkeyPatch, *, steps: int = 40, restart: int = 0
) -> str | None:
    """What `go_on_later` says after a turn of so many steps in job 12."""
    in_job(monkeypatch, "12", restart)
    monkeypatch.setattr(slurm, "_reached", lambda run: 100 + steps)
    run.info.resumed_at = 100
    run.end("stopped")
    told: list[str] = []
    slurm.go_on_later(run, told.append)
    return told[-1] if told else None


def calls(tmp_path: Path) -> list[str]:
    return (tmp_path / "called").read_text().splitlines()


def test_a_job_that_is_warned_has_itself_begun_again(
    run: Run, program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    program("scontrol", "echo JobId=12 JobState=RUNNING Restarts=3 Partition=debug")
    assert stopped_in_job(run, monkeypatch, restart=3) == (
        "job 12 goes on after step 140 when Slurm begins it again"
    )
    assert Run.open(run.path).info.state == "queued"
    assert calls(tmp_path)[-1] == "scontrol requeue 12"
    assert not run.lock_path.exists()


def test_a_job_that_slurm_begins_again_only_waits(
    run: Run, program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    program("scontrol", "echo JobId=12 JobState=COMPLETING Restarts=1")
    assert stopped_in_job(run, monkeypatch) == "Slurm begins job 12 again"
    assert Run.open(run.path).info.state == "queued"
    assert len(calls(tmp_path)) == 1


def test_a_job_that_has_to_make_room_before_its_first_step_waits_for_another_turn(
    run: Run, program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    program("scontrol", "echo JobState=RUNNING Restarts=0 PreemptTime=2026-01-31T12:00:00")
    heard = stopped_in_job(run, monkeypatch, steps=0)
    assert heard == "job 12 goes on after step 100 when Slurm begins it again"
    assert Run.open(run.path).info.state == "queued"
    assert calls(tmp_path)[-1] == "scontrol requeue 12"


@pytest.mark.parametrize(
    ("answer", "options", "steps", "said"),
    [
        ("echo JobState=COMPLETING Restarts=0", Options(), 40, None),  # cancelled
        ("echo JobState=RUNNING Restarts=0", Options(requeue=False), 40, None),
        ("echo JobState=RUNNING Restarts=0 PreemptTime=None", Options(), 0, "ask for more --time"),
        ("exit 1", Options(), 40, "scontrol: failed with exit code 1"),
        ('[ "$1" = show ] && echo JobState=RUNNING || exit 1', Options(), 40, "cannot be begun again"),
    ],
)
def test_what_is_not_begun_again_stays_stopped(
    run: Run,
    program: Program,
    monkeypatch: pytest.MonkeyPatch,
    answer: str,
    options: Options,
    steps: int,
    said: str | None,
):
    program("scontrol", answer)
    run.info.slurm = options
    heard = stopped_in_job(run, monkeypatch, steps=steps)
    assert (said is None and heard is None) or said in str(heard)
    assert Run.open(run.path).info.state == "stopped"


def test_what_the_user_has_stopped_asks_slurm_nothing(
    run: Run, program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    program("scontrol", "echo JobState=RUNNING Restarts=0")
    run.request_stop()
    assert stopped_in_job(run, monkeypatch) is None
    assert not (tmp_path / "called").exists()


def test_a_run_that_waits_is_asked_to_stop_even_where_scancel_is_missing(
    run: Run, program: Program, monkeypatch: pytest.MonkeyPatch
):
    program("squeue", "echo '12|PENDING|Priority'")
    program("scancel", "exit 1")
    with pytest.raises(SpivaeError, match="scancel: failed"):
        stop(run)
    assert run.stop_path.exists()  # it ends at its first step
    assert run.state() == "queued"


def test_the_job_of_a_submission_that_fails_half_way_is_cancelled(run: Run, program: Program, tmp_path: Path):
    program("scontrol", "exit 1")
    program("scancel", "")
    with pytest.raises(SpivaeError, match="scontrol: failed"):
        slurm.begin("12")
    assert calls(tmp_path) == ["scontrol release 12", "scancel 12"]


@pytest.mark.parametrize(("said", "noted"), [("13", "ours"), ("13;other", "other")])
def test_a_run_notes_the_cluster_of_its_job(run: Run, program: Program, said: str, noted: str):
    program("sbatch", f"echo '{said}'")
    program("scontrol", "echo 'ClusterName = ours'")
    run.end("stopped")
    relaunch(run, slurm=Options())
    assert (run.job_id, Run.open(run.path).info.job) == ("13", run.info.job)
    assert run.info.job is not None
    assert run.info.job.cluster == noted


def test_a_job_of_another_cluster_is_not_cancelled_by_its_number(run: Run, program: Program, tmp_path: Path):
    program("scontrol", "echo 'ClusterName = ours'")
    program("scancel", "")
    run.info.job = Job("12", os.getuid(), cluster="other")
    run.save()
    with pytest.raises(SpivaeError, match="job 12 is one of cluster other, and this is ours; go there"):
        stop(run)
    assert "scancel 12" not in calls(tmp_path)


def test_what_several_nodes_have_trained_is_handed_over_again_as_it_was(
    run: Run, program: Program, tmp_path: Path
):
    program("sbatch", "echo 13")
    program("scontrol", "")
    run.info.nproc, run.info.nnodes = 2, 3
    run.end("stopped")
    with pytest.raises(SpivaeError, match="--nnodes: 3 machines need --rdzv-endpoint"):
        relaunch(Run.open(run.path))
    relaunch(run, slurm=Options())
    assert calls(tmp_path)[-1] == "scontrol release 13"
    lines = (run.path / "job.sh").read_text().splitlines()
    assert {"#SBATCH --nodes=3", "#SBATCH --cpus-per-task=2"} <= set(lines)
    assert (run.job_id, run.info.nproc, run.info.nnodes) == ("13", 2, 3)


def test_the_runs_of_a_sweep_have_several_processes_each(program: Program, tmp_path: Path):
    program("sbatch", "echo 13")
    program("scontrol", "")
    grid = {"training.seed": ["0", "1"]}
    sweep = Sweep.create(tmp_path / "runs", Recipe(), grid, threads=3, nproc=2, slurm=Options())
    sweep.launch()
    assert [run.info.nproc for run in sweep.runs().values()] == [2, 2]
    assert "#SBATCH --cpus-per-task=6" in (sweep.path / "job.sh").read_text()
    before = sorted(tmp_path.glob("runs/*"))
    with pytest.raises(SpivaeError, match="--nproc: 100000 processes cannot share a batch"):
        Sweep.create(tmp_path / "runs", Recipe(), grid, nproc=100_000)
    assert sorted(tmp_path.glob("runs/*")) == before


def test_the_app_takes_a_run_that_waits_out_of_the_queue(run: Run, program: Program, tmp_path: Path):
    from spivae.following.follower import RunFollower

    program("scancel", f"touch {tmp_path}/cancelled")
    program("squeue", f"test -e {tmp_path}/cancelled || echo '12|PENDING|Priority'")
    follower = RunFollower(str(run.path), Run.open, draws=False)
    [view] = follower.poll()
    assert (view.state, view.job) == ("queued", "Slurm job 12 waits (Priority)")
    stop(Run.open(run.path))
    [view] = follower.poll()
    assert (view.state, view.job, view.stopping) == ("stopped", "", False)
    assert "scancel 12" in calls(tmp_path)


def test_the_app_tells_what_slurm_says_of_a_lost_run(run: Run, program: Program):
    from spivae.following.follower import RunFollower
    from spivae_tui.run_words import advice, state_line

    program("squeue", "echo '12|PENDING|Priority'")
    [view] = RunFollower(str(run.path), Run.open, draws=False).poll()
    assert [piece.words for piece in state_line(view, 0.0)] == ["queued", "Slurm job 12 waits (Priority)"]
    program("squeue", "echo '12|TIMEOUT|None'")
    queues.queue.forget()
    [view] = RunFollower(str(run.path), Run.open, draws=False).poll()
    assert advice(view)[0].startswith("Lost: Slurm job 12 ran out of time. ")
