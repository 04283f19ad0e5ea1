"""Starting a training as a process of its own, which outlives whoever started it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from spivae.errors import WorkFailed
from spivae.training.device import AUTO, check_device
from spivae.training.lock import Lock
from spivae.training.processes import Processes
from spivae.training.run import Run, RunInfo

if TYPE_CHECKING:
    from spivae.training.recipe import Recipe

DEFAULT_FOLDER = Path("runs")

# kept, so that a trainer that ends before its starter is reaped and never looks alive as a zombie
_children: list[subprocess.Popen[bytes]] = []


def launch(
    recipe: Recipe,
    base: Path = DEFAULT_FOLDER,
    *,
    threads: int | None = None,
    processes: Processes | None = None,
    device: str = AUTO,
    repeats: RunInfo | None = None,
) -> Run:
    """Make a run directory and start its trainer, detached; returns at once.

    Raises SpivaeError for `processes` or a device that cannot be had, WorkFailed where it cannot be made or
    started; then nothing stays behind.
    """
    processes = processes or Processes()
    processes.check(recipe)
    check_device(device, processes.several)
    run = Run.create(base, recipe, device=device, repeats=repeats)
    try:
        processes.note(run)
        with Lock.take(run) as lock:
            start(run, lock, threads=threads)
    except BaseException:
        shutil.rmtree(run.path, ignore_errors=True)
        raise
    return run


def start(run: Run, lock: Lock, *, threads: int | None = None) -> None:
    """Start the trainer of a queued run whose lock is held, and give it the lock. Raises WorkFailed."""
    command = [sys.executable, "-m", "spivae", "train", "--run", str(run.path.resolve())]
    if threads is not None:
        command += ["--threads", str(threads)]
    try:
        process = detached(command, run.log_path)
    except OSError as error:
        run.end("failed", str(error))
        raise WorkFailed(f"{run.path}: the trainer cannot be started ({error.strerror})") from None
    try:
        run.note_process(process.pid)
        lock.give(process.pid)
    except BaseException:
        process.kill()  # it waits for the lock
        raise


def detached(command: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
    """A process in a session of its own, without input, whose output is appended to a file.

    A closed terminal or a lost connection does not reach it. Raises OSError where it cannot be started.
    """
    _children[:] = [child for child in _children if child.poll() is None]
    with open(log, "ab") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, "NO_COLOR": "1", "PYTHONSAFEPATH": "1"},
        )
    _children.append(process)
    return process
