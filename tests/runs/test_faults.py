"""What disks, folders, clocks and second trainers do to a run, and what it says of that."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from commands import wait_for
from trainers import Trainers

from spivae.checkpoint import read
from spivae.errors import WorkFailed
from spivae.training import recipe as recipes
from spivae.training.launch import launch
from spivae.training.lock import Locked, LockLost
from spivae.training.loop import Events, train
from spivae.training.metrics import MetricsReader
from spivae.training.recipe import Recipe
from spivae.training.resume import prepare, relaunch
from spivae.training.run import Run
from spivae.training.state import read_state
from spivae_plugins.sbm import ScaledBrownianMotion

SBM = ScaledBrownianMotion()
FullDisk = Callable[[], contextlib.AbstractContextManager[None]]


@pytest.fixture
def recipe(tiny_recipe: Path) -> Recipe:
    return recipes.with_overrides(recipes.load(tiny_recipe), {"training.checkpoint_every": "2"})


@pytest.fixture
def run(recipe: Recipe, tmp_path: Path) -> Run:
    return Run.create(tmp_path, recipe)


def at(step: int, do: Callable[[], Any]) -> Events:
    return Events(step=lambda record: do() if record["step"] == step else None)


def interrupt(run: Run, step: int) -> None:
    """Leave a run as a kill at this step does."""

    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(run, SBM, threads=1, events=at(step, stop))


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_a_disk_that_is_full_for_metrics_ends_the_run_in_words(run: Run):
    run.metrics_path.symlink_to("/dev/full")
    with pytest.raises(WorkFailed, match=r"metrics\.jsonl: cannot be written \(No space left on device\)"):
        train(run, SBM, threads=1)
    assert run.state() == "failed"
    assert "No space left" in str(Run.open(run.path).info.error)


def test_a_record_that_was_cut_by_a_full_disk_is_an_error(run: Run, monkeypatch: pytest.MonkeyPatch):
    from spivae.training.metrics import MetricsWriter

    writer = MetricsWriter(run.metrics_path)
    real = os.write
    monkeypatch.setattr("spivae.training.metrics.os.write", lambda fd, data: real(fd, data[:5]))
    with pytest.raises(WorkFailed, match="No space left on device"):
        writer.write({"step": 1})
    writer.close()


def test_a_disk_that_is_full_for_everything_leaves_a_run_that_can_be_resumed(
    run: Run, monkeypatch: pytest.MonkeyPatch
):
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(WorkFailed, match="No space left on device"):
        train(run, SBM, threads=1, events=at(3, lambda: patch.setattr("spivae.files.os.fsync", full)))
    state = read_state(run)
    assert state is not None
    assert state.position.step == 2
    assert not run.lock_path.exists()
    assert train(run, SBM, resume=True) == "finished"


def test_a_disk_that_is_full_from_the_start_leaves_no_run_behind(
    recipe: Recipe, tmp_path: Path, full_disk: FullDisk
):
    for begin in (lambda: Run.create(tmp_path, recipe), lambda: launch(recipe, tmp_path)):
        with full_disk(), pytest.raises(WorkFailed, match=r"recipe\.toml: cannot be written"):
            begin()
    assert list(tmp_path.iterdir()) == []


def test_a_run_whose_disk_takes_nothing_ends_in_words_and_trains_once_there_is_room(
    run: Run, full_disk: FullDisk
):
    with full_disk(), pytest.raises(WorkFailed, match="LOCK: cannot be written"):
        train(run, SBM, threads=1)
    assert not run.lock_path.exists()
    prepare(run).release()
    with contextlib.ExitStack() as later:
        fills = Events(started=lambda run: later.enter_context(full_disk()))
        with pytest.raises(WorkFailed, match=r"metrics\.jsonl: cannot be written"):
            train(run, SBM, threads=1, events=fills)
    assert train(Run.open(run.path), SBM, resume=True) == "finished"


def test_a_trainer_that_cannot_be_noted_is_ended_and_leaves_no_run_behind(
    recipe: Recipe, tmp_path: Path, full_disk: FullDisk, monkeypatch: pytest.MonkeyPatch
):
    trainer = subprocess.Popen(["sleep", "60"])
    with contextlib.ExitStack() as later:

        def started(*_: Any) -> subprocess.Popen[bytes]:
            later.enter_context(full_disk())
            return trainer

        monkeypatch.setattr("spivae.training.launch.detached", started)
        with pytest.raises(WorkFailed, match=r"run\.json: cannot be written"):
            launch(recipe, tmp_path)
    assert trainer.wait(10) == -signal.SIGKILL
    assert list(tmp_path.iterdir()) == []


def test_a_run_whose_folder_turns_read_only_keeps_its_last_state_and_goes_on_from_it(
    recipe: Recipe, open_folder: Path, read_only: Callable[[Path], contextlib.AbstractContextManager[None]]
):
    run = Run.create(open_folder, recipe)
    with contextlib.ExitStack() as later:
        turns = at(3, lambda: later.enter_context(read_only(run.path)))
        with pytest.raises(WorkFailed, match=r"best\.safetensors: cannot be written \(Permission denied\)"):
            train(run, SBM, threads=1, events=turns)
    state = read_state(run)
    assert state is not None
    assert state.position.step == 2
    assert read(run.checkpoint_folder / "last.safetensors").weights
    assert train(Run.open(run.path), SBM, resume=True) == "finished"


def test_runs_that_may_not_be_written_are_told(
    recipe: Recipe,
    open_folder: Path,
    read_only: Callable[[Path], contextlib.AbstractContextManager[None]],
    spivae: Callable[..., Any],
):
    run = Run.create(open_folder, recipe)
    run.end("stopped")
    with read_only(open_folder):
        with pytest.raises(WorkFailed, match=r"Permission denied.*choose another --run-dir"):
            Run.create(open_folder, recipe)
        assert [found["state"] for found in spivae("runs", "--run-dir", open_folder, "--json").json] == [
            "stopped"
        ]
    for resumed in (prepare, relaunch):
        with (
            read_only(run.path),
            pytest.raises(WorkFailed, match=r"LOCK: cannot be written \(Permission denied\)"),
        ):
            resumed(run)
    assert Run.open(run.path).info.state == "stopped"


def test_a_run_that_is_deleted_while_it_trains_ends_and_stays_deleted(
    run: Run, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("spivae.training.lock.BEAT_SECONDS", 0.01)

    def delete() -> None:
        shutil.rmtree(run.path)
        # its heartbeat ends once it has noticed
        wait_for(lambda: "heartbeat" not in [thread.name for thread in threading.enumerate()])

    with pytest.raises(LockLost, match="its folder was deleted while it was trained"):
        train(run, SBM, threads=1, events=at(3, delete))
    assert not run.path.exists()


def test_a_torn_last_line_is_passed_over(run: Run):
    interrupt(run, 4)
    with open(run.metrics_path, "ab") as file:
        file.write(b'{"kind":"step","step":5,"lo')
    train(run, SBM, resume=True)
    steps = [record["step"] for record in MetricsReader(run.metrics_path).poll() if record["kind"] == "step"]
    assert steps == list(range(1, 10))


@pytest.mark.parametrize("jump", [-86400.0, 86400.0])
def test_a_clock_that_jumps_changes_nothing(run: Run, jump: float, monkeypatch: pytest.MonkeyPatch):
    real = time.time
    assert train(
        run, SBM, threads=1, events=at(4, lambda: monkeypatch.setattr(time, "time", lambda: real() + jump))
    )
    assert run.state() == "finished"
    seconds = [record["seconds"] for record in MetricsReader(run.metrics_path).poll()]
    assert seconds == sorted(seconds)
    assert seconds[-1] < 3600


def test_a_clock_that_was_set_back_hides_no_final_checkpoint(run: Run, spivae: Callable[..., Any]):
    interrupt(run, 8)
    run.end("stopped")
    later = time.time() + 86400
    os.utime(run.checkpoint_folder / "phase-0.safetensors", (later, later))
    assert spivae("resume", run.path).err.splitlines()[-1].endswith("checkpoints/final.safetensors")


def test_a_second_trainer_is_refused_and_leaves_the_run_alone(
    recipe: Recipe, tmp_path: Path, trainers: Trainers, spivae: Callable[..., Any]
):
    run = Run.create(tmp_path, recipes.with_overrides(recipe, {"training.phase.1.epochs": "5000"}))
    pid = trainers.start(run.path)
    try:
        wait_for(lambda: run.metrics_path.exists() and run.metrics_path.stat().st_size)
        noted = (run.path / "run.json").read_bytes()
        with pytest.raises(Locked, match=rf"is trained by process {pid} on "):
            train(Run.open(run.path), SBM, resume=True)
        refused = spivae("resume", run.path, "--detach")
        assert (refused.code, refused.out) == (2, "")
        assert f"is running (process {pid} on " in refused.err
        assert spivae("rm", run.path, "--yes").code == 2
        assert (run.path / "run.json").read_bytes() == noted
    finally:
        os.kill(pid, signal.SIGKILL)
        assert trainers.ended() == -signal.SIGKILL
    assert run.state() == "queued"  # as this object knows it
    assert Run.open(run.path).state() == "lost"
