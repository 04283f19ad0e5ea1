"""Trainings by several processes: the curve of one, whoever is killed, and nobody left behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from spivae.checkpoint import read
from spivae.liveness import is_alive, process_start
from spivae.training import recipe as recipes
from spivae.training.loop import train
from spivae.training.metrics import MetricsReader
from spivae.training.run import Run
from spivae_plugins.sbm import ScaledBrownianMotion
from tests.commands import wait_for, workers

pytestmark = pytest.mark.xdist_group("torchrun")

# 63 rows do not divide by two, and neither do 25 validation rows
UNEVEN = {"training.batch": "63", "training.checkpoint_every": "2", "dataset.trajectories": "246"}
UNEVEN |= {"dataset.validation": "0.1", "training.clip": "0.05"}
LONG = {"training.phase.1.epochs": "5000", "training.checkpoint_every": "5"}


def flags(overrides: dict[str, str]) -> list[str]:
    return [word for key, value in overrides.items() for word in ("--set", f"{key}={value}")]


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "spivae", *map(str, arguments)]


def records(run: Run) -> list[dict[str, Any]]:
    return MetricsReader(run.metrics_path).poll()


def rank_of(pid: int) -> int:
    words = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    [rank] = [word for word in words if word.startswith(b"RANK=")]
    return int(rank[5:])


@pytest.fixture(autouse=True)
def no_worker_left(tmp_path: Path) -> Iterator[None]:
    """A test that fails leaves none of its workers behind."""
    yield
    for path in tmp_path.glob("**/run.json"):
        for pid in workers(Run.open(path.parent)):
            os.kill(pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def undisturbed(tiny_recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run by two processes that nobody touched."""
    folder = tmp_path_factory.mktemp("undisturbed")
    done = subprocess.run(
        command("train", tiny_recipe, *flags(UNEVEN), "--run-dir", folder, "--nproc", 2),
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    run = Run.open(folder / done.stdout.strip())
    lines = done.stderr.splitlines()
    assert lines[1] == "fast path, 1 thread in each of 2 processes"
    assert lines[-1] == f"finished: {run.checkpoint_folder / 'final.safetensors'}"
    assert len(lines) == 2 + run.info.epochs + 1, "more than one process told of its progress"
    return run


def test_two_processes_train_as_one_does(undisturbed: Run, tmp_path: Path):
    alone = Run.create(tmp_path, undisturbed.recipe)
    train(alone, ScaledBrownianMotion(), threads=1)
    pairs = list(zip(records(alone), records(undisturbed), strict=True))
    assert len(pairs) == 9 + 3
    for one, two in pairs:
        assert one.keys() == two.keys()
        for key in one.keys() - {"seconds"}:
            if key == "nll_cells" or not isinstance(one[key], str):
                np.testing.assert_allclose(two[key], one[key], rtol=1e-4, atol=1e-5, err_msg=key)
    first, second = (
        read(run.checkpoint_folder / "final.safetensors").weights for run in (alone, undisturbed)
    )
    assert first is not None
    assert second is not None
    for name, weight in first.items():
        np.testing.assert_allclose(second[name], weight, atol=1e-4)
    info = undisturbed.info
    assert (info.state, info.nproc, info.nnodes, info.threads, info.attempt) == ("finished", 2, 1, 1, 1)
    assert {path.name for path in alone.checkpoints()} == {path.name for path in undisturbed.checkpoints()}
    assert not list(undisturbed.path.glob("**/*.part"))
    assert not undisturbed.lock_path.exists()


@pytest.mark.skipif(not os.path.exists("/proc"), reason="looks for workers as Linux tells of them")
@pytest.mark.parametrize("rank", [0, pytest.param(1, marks=pytest.mark.full)])
def test_a_killed_worker_costs_no_bit(rank: int, undisturbed: Run, tiny_recipe: Path, tmp_path: Path):
    run = Run.create(tmp_path, undisturbed.recipe)
    run.info.nproc = 2
    run.save()
    with subprocess.Popen(command("train", "--run", run.path), stderr=subprocess.PIPE, text=True) as trainer:
        wait_for(run.state_path.exists)
        [victim] = [pid for pid in workers(run) if rank_of(pid) == rank]
        os.kill(victim, signal.SIGKILL)
        _, text = trainer.communicate(timeout=240)
    assert trainer.returncode == 0, text
    assert "a process died; all are started again, 1 of at most 3 times" in text
    run.refresh()
    assert (run.info.state, run.info.attempt) == ("finished", 2)
    assert run.info.resumed_at >= 2
    first, second = (read(r.checkpoint_folder / "final.safetensors").weights for r in (run, undisturbed))
    assert first is not None
    assert second is not None
    for name, weight in first.items():
        assert_array_equal(weight, second[name])
    assert not workers(run)


@pytest.mark.skipif(not os.path.exists("/proc"), reason="looks for workers as Linux tells of them")
@pytest.mark.parametrize(
    ("restarts", "said"),
    [(0, "--max-restarts is 0"), (1, "all were started again 1 of at most 1 times")],
)
def test_a_worker_that_is_killed_each_time_fails_the_run_in_words(
    restarts: int, said: str, spivae: Callable[..., Any], tiny_recipe: Path, tmp_path: Path
):
    at = ("--run-dir", tmp_path)
    more = ("--nproc", 2, "--max-restarts", restarts, "--detach", "--json")
    run = Run.open(spivae("train", tiny_recipe, *flags(LONG), *at, *more).json["path"])
    for attempt in range(1, restarts + 2):
        wait_for(lambda attempt=attempt: Run.open(run.path).info.attempt == attempt)
        [victim] = [pid for pid in workers(run) if rank_of(pid) == 1]
        os.kill(victim, signal.SIGKILL)
    wait_for(lambda: Run.open(run.path).state() == "failed")
    run.refresh()
    said = (
        f"process 1 has ended with signal 9, and {said}; `spivae resume {run.id}` goes on from its last state"
    )
    assert (run.info.error, run.info.attempt) == (f"{run.path.resolve()}: {said}", restarts + 1)
    wait_for(lambda: not is_alive(run.info.pid, run.info.pid_started))
    assert spivae("logs", run.id, *at).out.endswith(f"\nerror: {run.info.error}\n")
    assert f"{run.id}: {run.info.error}\n" in spivae("runs", *at).out
    assert not workers(run)
    assert not run.lock_path.exists()


@pytest.mark.skipif(not os.path.exists("/proc"), reason="looks for workers as Linux tells of them")
def test_nobody_is_left_when_a_run_is_stopped_resumed_and_torchrun_killed(
    spivae: Callable[..., Any], tiny_recipe: Path, tmp_path: Path
):
    at = ("--run-dir", tmp_path)
    started = spivae("train", tiny_recipe, *flags(LONG), *at, "--nproc", 2, "--detach", "--json")
    run = Run.open(started.json["path"])
    wait_for(run.state_path.exists)
    at_work = workers(run)
    assert len(at_work) == 2
    run.refresh()
    assert run.info.pid not in at_work
    assert listening_elsewhere([run.info.pid, *at_work]) == []
    assert spivae("stop", run.id, *at, "--wait", 60, "--json").json["state"] == "stopped"
    run.refresh()
    wait_for(lambda: not workers(run) and not is_alive(run.info.pid, run.info.pid_started))
    stopped_at = records(run)[-1]["step"]
    log = run.log_path.read_text().splitlines()
    assert log[0] == run.id
    assert log[-1] == f"stopped: {run.checkpoint_folder / 'stopped.safetensors'}"

    assert spivae("resume", run.id, *at, "--detach").code == 0
    wait_for(lambda: records(run)[-1]["step"] > stopped_at + 5)
    run.refresh()
    assert (run.info.nproc, run.info.resumed_at, len(workers(run))) == (2, stopped_at, 2)
    before = [(pid, process_start(pid)) for pid in workers(run)]
    os.kill(run.info.pid, signal.SIGKILL)
    wait_for(lambda: not any(is_alive(pid, start) for pid, start in before), 60)
    assert Run.open(run.path).state() == "lost"


def listening_elsewhere(pids: list[int]) -> list[str]:
    """Addresses beyond the loopback, as the kernel writes them, at which processes listen."""
    sockets = set()
    for pid in pids:
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            try:
                target = os.readlink(entry)
            except OSError:
                continue
            if target.startswith("socket:["):
                sockets.add(target[8:-1])
    found = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if (
                fields[3] == "0A"
                and fields[9] in sockets
                and not fields[1].startswith(("0100007F", "0" * 24))
            ):
                found.append(fields[1])
    return found


def test_an_error_ends_all_processes_in_one_line(tiny_recipe: Path, tmp_path: Path):
    wild = {"training.phase.0.lr_max": "0.99", "training.clip": "0", "model.z_dim": "2"}
    wild |= {"process.grid.D": "{low = 1e30, high = 1e32, n = 2, scale = 'log'}"}
    arguments = ("train", tiny_recipe, *flags(wild), "--run-dir", tmp_path, "--nproc", 2)
    done = subprocess.run(command(*arguments), capture_output=True, text=True, timeout=240)
    run = Run.open(tmp_path / done.stdout.strip())
    assert done.returncode == 1
    [line] = [line for line in done.stderr.splitlines() if "diverged" in line]
    assert line.startswith(f"error: {run.path.resolve()}: the loss diverged at step ")
    assert "Traceback" not in done.stderr
    assert (run.info.state, run.info.attempt) == ("failed", 1)
    assert f"error: {run.info.error}" == line


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--nproc", 0], "--nproc: needs at least 1, not 0"),
        (["--nproc", 65], "--nproc: 65 processes cannot share a batch of 64 trajectories; take fewer"),
        (["--nnodes", 2], "--nnodes: 2 machines need --rdzv-endpoint HOST:PORT"),
        (["--rdzv-endpoint", "a:1"], "--rdzv-endpoint: is for several machines"),
        (["--nnodes", 2, "--rdzv-endpoint", "a"], "--rdzv-endpoint: 'a' is not of the form HOST:PORT"),
        (["--nproc", 2, "--max-restarts", -1], "--max-restarts: needs at least 0, not -1"),
        (["--nnodes", 2, "--rdzv-endpoint", "a:1", "--detach"], "--detach: is for one machine"),
        (["--nproc", 2, "--dry-run"], "--dry-run: tells what one process takes"),
    ],
)
def test_what_cannot_be_had_is_told_before_anything_is_made(
    arguments: list[object], said: str, tiny_recipe: Path, tmp_path: Path, spivae: Callable[..., Any]
):
    refused = spivae("train", tiny_recipe, "--run-dir", tmp_path / "runs", *arguments)
    assert (refused.code, refused.out) == (2, "")
    assert said in refused.err
    assert not (tmp_path / "runs").exists()


def test_a_resumed_run_is_held_to_the_same(tiny_recipe: Path, tmp_path: Path, spivae: Callable[..., Any]):
    run = Run.create(tmp_path, recipes.load(tiny_recipe))
    run.end("stopped")
    noted = (run.path / "run.json").read_bytes()
    for arguments in (["--nproc", 65, "--detach"], ["--nnodes", 2], ["--nproc", 0]):
        assert spivae("resume", run.path, *arguments).code == 2
        assert (run.path / "run.json").read_bytes() == noted
        assert not run.lock_path.exists()


@pytest.mark.full
def test_two_machines_meet_and_train_as_one(undisturbed: Run, tiny_recipe: Path, tmp_path: Path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        endpoint = f"127.0.0.1:{free.getsockname()[1]}"
    arguments = ("train", tiny_recipe, *flags(UNEVEN), "--run-dir", tmp_path, "--json")
    arguments += ("--nnodes", 2, "--nproc", 1, "--rdzv-endpoint", endpoint)
    machines = [
        subprocess.Popen(command(*arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    answers = [machine.communicate(timeout=240) for machine in machines]
    assert [machine.returncode for machine in machines] == [0, 0], answers
    [path] = {Path(json.loads(out)["path"]).resolve() for out, _ in answers}  # one run, of both
    weights = [
        read(Run.open(found).checkpoint_folder / "final.safetensors").weights
        for found in (path, undisturbed.path)
    ]
    assert weights[0] is not None
    assert weights[1] is not None
    for name, weight in weights[0].items():
        assert_array_equal(weight, weights[1][name])
