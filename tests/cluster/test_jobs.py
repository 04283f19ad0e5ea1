"""Runs as jobs of a real Slurm: submitted, begun again, stopped, killed, and in arrays."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spivae.checkpoint import read
from spivae.plugins import load_plugins
from spivae.slurm.accounting import ask_sacct
from spivae.slurm.commands import SlurmError
from spivae.slurm.job import Job
from spivae.slurm.queue import describe
from spivae.slurm.script import cancel
from spivae.training.loop import Events, train
from spivae.training.metrics import MetricsReader
from spivae.training.run import Run
from spivae.training.sweep import Sweep
from tests.commands import wait_for as waiting
from tests.commands import workers

# jobs are as nice as can be, and a machine may be busy
pytestmark = [pytest.mark.xdist_group("slurm"), pytest.mark.timeout(1200)]

LONG = ("--set", "training.phase.1.epochs=5000", "--set", "training.checkpoint_every=20")
SHORT = ("--set", "training.phase.0.epochs=1", "--set", "training.phase.1.epochs=1")
PROCESSES, NODES = ("--nproc", "2"), ("--nnodes", "2", "--partition", "two")
TIME_IS_UP, REQUEUED = ("scancel", "--batch", "--signal=USR1"), ("scontrol", "requeue")
Spivae = Callable[..., Any]
State = Callable[[str], str]


def wait_for(condition: Callable[[], object]) -> None:
    waiting(condition, 300)


def listed(spivae: Spivae, folder: Path) -> Any:
    [document] = spivae("runs", "--run-dir", folder, "--json").json
    return document


def steps_of(run: Run) -> int:
    records = MetricsReader(run.metrics_path).poll()
    return records[-1]["step"] if records else 0


def weights(run: Run, name: str) -> dict[str, Any]:
    return read(run.checkpoint_folder / f"{name}.safetensors").weights


def preempting_job() -> str:
    """A job that takes a whole node, whoever is there; its number."""
    wanted = ("--partition=urgent", "--exclusive", "--output=/dev/null", "--wrap=exec sleep 600")
    done = subprocess.run(["sbatch", "--parsable", *wanted], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_a_job_that_slurm_begins_again_goes_on_as_if_it_had_never_stopped(
    spivae: Spivae, tiny_recipe: Path, tmp_path: Path, slurm_state: State
):
    # a folder whose name needs care in a script, and in a pattern of Slurm's
    folder = tmp_path / "a run's 50%j"
    at = ("--run-dir", folder)
    made = spivae("train", tiny_recipe, *LONG, *at, "--slurm", "--time", "10", "--json").json
    run, job = Run.open(made["path"]), made["job"]
    assert (run.job_id, run.info.launcher, made["id"]) == (job, "slurm", run.id)
    assert not run.lock_path.exists() or run.state() != "lost"
    wait_for(run.state_path.exists)
    document = listed(spivae, folder)
    assert [document[key] for key in ("state", "launcher", "job")] == ["running", "slurm", job]
    assert spivae("resume", run.id, *at).err.startswith(f"error: {run.id}: is running (Slurm job {job})")
    assert spivae("rm", run.id, *at, "--yes").code == 2

    # another job takes its place, at once
    other = preempting_job()
    wait_for(lambda: slurm_state(other) == "RUNNING" and slurm_state(job) == "PENDING")
    document = listed(spivae, folder)
    assert [document[key] for key in ("state", "host", "job")] == ["queued", "", job]
    assert f"job {job}" in spivae("runs", "--run-dir", folder).out
    assert f"\nSlurm begins job {job} again\n" in spivae("logs", run.id, *at).out
    stopped_at = steps_of(run)
    subprocess.run(["scancel", other], check=True)
    wait_for(lambda: Run.open(run.path).info.resumed_at > 0)
    run.refresh()
    assert (run.info.attempt, run.info.resumed_at) == (2, stopped_at)

    # its time is nearly up
    wait_for(lambda: steps_of(run) > stopped_at + 30)
    subprocess.run(["scancel", "--batch", "--signal=USR1", job], check=True)
    wait_for(lambda: slurm_state(job) == "PENDING")
    wait_for(lambda: Run.open(run.path).info.state == "queued")
    last = steps_of(run)
    assert (
        f"job {job} goes on after step {last:,} when Slurm begins it again" in spivae("logs", run.id, *at).out
    )

    # and it waits no longer
    assert spivae("stop", run.id, *at).out == f"{run.id}: stopped\n"
    assert slurm_state(job) == "CANCELLED"
    assert not run.stop_path.exists()

    whole = Run.create(tmp_path, run.recipe)
    steps: list[int] = []
    train(
        whole,
        load_plugins().process("sbm"),
        threads=1,
        events=Events(step=lambda record: steps.append(record["step"])),
        should_stop=lambda: len(steps) >= last,
    )
    assert steps[-1] == last
    for name, tensor in weights(run, "stopped").items():
        np.testing.assert_array_equal(tensor, weights(whole, "stopped")[name], err_msg=name)


def test_a_job_that_is_asked_to_make_room_ends_as_if_nothing_had_been(
    spivae: Spivae, tiny_recipe: Path, tmp_path: Path, slurm_state: State
):
    length = ("--set", "training.phase.1.epochs=300", "--set", "training.checkpoint_every=20")
    at = ("--run-dir", tmp_path)
    asked = ("--slurm", "--partition", "graceful", "--json")
    made = spivae("train", tiny_recipe, *length, *at, *asked).json
    run, job = Run.open(made["path"]), made["job"]
    wait_for(run.state_path.exists)
    command = [sys.executable, "-m", "spivae", "logs", str(run.path), "--follow"]
    logs = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    other = preempting_job()
    wait_for(lambda: slurm_state(other) == "RUNNING")  # long before the minute that it was given is over
    assert slurm_state(job) == "PENDING"
    assert listed(spivae, tmp_path)["state"] == "queued"
    run.refresh()
    assert (run.info.state, run.info.attempt) == ("queued", 1)
    reached = steps_of(run)
    assert 20 <= reached < run.info.steps
    assert f"job {job} goes on after step {reached:,}" in spivae("logs", run.id, *at).out

    subprocess.run(["scancel", other], check=True)
    wait_for(lambda: Run.open(run.path).state() == "finished")
    wait_for(lambda: slurm_state(job) == "COMPLETED")
    run.refresh()
    assert (run.info.attempt, run.info.resumed_at, run.job_id) == (2, reached, job)
    assert logs.communicate(timeout=60)[0] == run.log_path.read_text()
    whole = Run.create(tmp_path, run.recipe)
    train(whole, load_plugins().process("sbm"), threads=1)
    steps = [[record["step"] for record in MetricsReader(r.metrics_path).poll()] for r in (run, whole)]
    assert steps[0] == steps[1]
    for name, tensor in weights(run, "final").items():
        np.testing.assert_array_equal(tensor, weights(whole, "final")[name], err_msg=name)


@pytest.mark.parametrize(
    ("asked", "again"),
    [
        (PROCESSES, TIME_IS_UP),
        pytest.param(PROCESSES, REQUEUED, marks=pytest.mark.full),
        pytest.param(NODES, TIME_IS_UP, marks=pytest.mark.full),
        pytest.param(NODES, REQUEUED, marks=pytest.mark.full),
    ],
)
def test_several_processes_of_a_job_and_those_of_two_nodes_train_as_one_does(
    asked: tuple[str, ...],
    again: tuple[str, ...],
    spivae: Spivae,
    tiny_recipe: Path,
    tmp_path: Path,
    slurm_state: State,
):
    length = ("--set", "training.phase.1.epochs=15", "--set", "training.checkpoint_every=5")
    at = ("--run-dir", tmp_path, "--json")
    made = spivae("train", tiny_recipe, *length, *asked, *at, "--slurm", "--cpus", "1").json
    run, job = Run.open(made["path"]), made["job"]
    wait_for(run.state_path.exists)
    assert len(workers(run)) == 2
    subprocess.run([*again, job], check=True)
    wait_for(lambda: Run.open(run.path).state() == "finished")
    wait_for(lambda: slurm_state(job) == "COMPLETED")
    run.refresh()
    assert (run.info.nproc * run.info.nnodes, run.info.threads, run.info.attempt) == (2, 1, 2)
    assert 0 < run.info.resumed_at < steps_of(run)
    assert not run.stop_path.exists()
    assert not run.lock_path.exists()
    assert not workers(run)

    alone = Run.create(tmp_path, run.recipe)
    train(alone, load_plugins().process("sbm"), threads=1)
    losses = [
        [record["loss"] for record in MetricsReader(found.metrics_path).poll() if "loss" in record]
        for found in (run, alone)
    ]
    np.testing.assert_allclose(*losses, rtol=1e-4)
    if asked is NODES:  # begun again or not, on one machine or two: the same bits
        command = [sys.executable, "-m", "spivae", "train", str(run.recipe_path), "--nproc", "2"]
        done = subprocess.run([*command, *map(str, at)], check=True, capture_output=True)
        whole = Run.open(json.loads(done.stdout)["path"])
        for name, tensor in weights(run, "final").items():
            np.testing.assert_array_equal(tensor, weights(whole, "final")[name], err_msg=name)


def test_a_job_that_is_killed_is_told_of_and_resumed_where_it_was(
    spivae: Spivae, tiny_recipe: Path, tmp_path: Path, slurm_state: State
):
    at = ("--run-dir", tmp_path)
    made = spivae("train", tiny_recipe, *LONG, *at, "--slurm", "--cpus", "1", "--json").json
    run = Run.open(made["path"])
    wait_for(run.state_path.exists)
    cancel(made["job"], kill=True)
    wait_for(lambda: slurm_state(made["job"]) not in ("RUNNING", "COMPLETING"))
    assert Run.open(run.path).info.state == "running"  # it had no time to say anything
    wait_for(lambda: listed(spivae, tmp_path)["state"] == "lost")
    assert listed(spivae, tmp_path)["error"].startswith(f"Slurm job {made['job']} ")
    watched = spivae("watch", run.id, *at, "--once")
    assert watched.code == 1
    assert f"{run.id}: lost: Slurm job {made['job']} " in watched.err

    again = spivae("resume", run.id, *at, "--json").json  # to Slurm, as before
    assert again["job"] not in (made["job"], None)
    wait_for(lambda: Run.open(run.path).info.resumed_at > 0)
    assert Run.open(run.path).info.slurm == run.info.slurm
    # ended by Slurm's own command, it saves; nobody begins it again
    subprocess.run(["scancel", again["job"]], check=True)
    wait_for(lambda: listed(spivae, tmp_path)["state"] == "stopped")
    wait_for(lambda: slurm_state(again["job"]) == "CANCELLED")
    assert (run.checkpoint_folder / "stopped.safetensors").exists()
    assert spivae("rm", run.id, *at, "--yes").code == 0


def test_a_cluster_without_an_accounting_is_no_error():
    with pytest.raises(SlurmError, match="accounting storage is disabled"):
        ask_sacct("99999")
    assert describe(Job("99999", os.getuid())) == "Slurm no longer knows job 99999"


def test_a_running_job_is_stopped_and_saves(spivae: Spivae, tiny_recipe: Path, tmp_path: Path, slurm_state):
    at = ("--run-dir", tmp_path)
    made = spivae("train", tiny_recipe, *LONG, *at, "--slurm", "--json").json
    run = Run.open(made["path"])
    wait_for(run.state_path.exists)
    assert spivae("stop", run.id, *at, "--wait", 60, "--json").json["state"] == "stopped"
    wait_for(lambda: slurm_state(made["job"]) == "COMPLETED")
    assert (run.checkpoint_folder / "stopped.safetensors").exists()


def test_a_sweep_is_one_array(spivae: Spivae, tiny_recipe: Path, tmp_path: Path, slurm_state: State):
    at = ("--run-dir", tmp_path)
    grid = ("--grid", "training.phase.1.epochs=5000,1,2", "--jobs", "1")
    made = spivae("sweep", tiny_recipe, *grid, *at, "--slurm", "--json").json
    sweep = Sweep.open(made["path"])
    runs = list(sweep.runs().values())
    assert [run.job_id for run in runs] == [f"{made['job']}_{task}" for task in (1, 2, 3)]
    wait_for(runs[0].state_path.exists)
    states = {run["id"]: run["state"] for run in spivae("sweep", sweep.id, *at, "--json").json["runs"]}
    assert list(states.values()) == ["running", "queued", "queued"]
    assert "queue has ended" not in spivae("sweep", sweep.id, *at).out
    waits = f"has no log; Slurm job {made['job']}_2 waits (JobArrayTaskLimit)\n"
    assert spivae("logs", runs[1].path).err.endswith(waits)
    assert spivae("stop", sweep.id, *at, "--wait", 60).out == f"{sweep.id}: stopped\n"
    wait_for(lambda: [run.state() for run in sweep.runs().values()] == ["stopped"] * 3)
    assert slurm_state(f"{made['job']}_3") in ("CANCELLED", "")

    # without the one that would never end
    assert spivae("rm", runs[0].id, "--run-dir", sweep.path, "--yes").code == 0
    again = spivae("resume", sweep.id, *at, "--json")
    assert again.err == f"{sweep.id}: 2 runs waiting\n"
    assert again.json["job"] != made["job"]
    wait_for(lambda: [run.state() for run in sweep.runs().values()] == ["finished"] * 2)
    for run in sweep.runs().values():
        assert run.log_path.read_text().startswith(run.id)


def test_what_slurm_refuses_leaves_nothing_behind(spivae: Spivae, tiny_recipe: Path, tmp_path: Path):
    at = ("--run-dir", tmp_path / "runs", "--slurm", "--partition", "nowhere")
    for command in (("train", tiny_recipe), ("sweep", tiny_recipe, "--grid", "training.seed=0,1")):
        refused = spivae(*command, *at)
        assert (refused.code, refused.out) == (1, "")
        assert refused.err.startswith("error: sbatch: ")
        assert "invalid partition" in refused.err
    assert list((tmp_path / "runs").iterdir()) == []
