"""Runs as jobs of Slurm's: handed over, cancelled, and gone on with when Slurm begins a job again.

A job's command is the one that a detached trainer has, `spivae train --run DIR`; nothing but run.json and the
state that it resumes from passes between them.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from spivae.errors import SpivaeError
from spivae.files import replacing
from spivae.slurm import script
from spivae.slurm.commands import SlurmError, call
from spivae.slurm.job import Job
from spivae.slurm.options import Options
from spivae.slurm.queue import queue
from spivae.slurm.script import Array
from spivae.training.device import AUTO
from spivae.training.lock import Lock, Locked
from spivae.training.processes import Processes
from spivae.training.run import Run, RunInfo

if TYPE_CHECKING:
    from spivae.training.recipe import Recipe

_CANCELLED_AT_ONCE = 500  # names on a command line
_WITHDRAWN_SECONDS = 5.0
_LOOK_SECONDS = 0.3


def launch(
    recipe: Recipe,
    base: Path,
    options: Options,
    *,
    threads: int | None = None,
    processes: Processes | None = None,
    device: str = AUTO,
    repeats: RunInfo | None = None,
) -> Run:
    """Make a run directory and hand its training to Slurm; returns at once.

    Raises SpivaeError for `processes` that cannot be had, WorkFailed where it cannot be made, or where Slurm
    refuses it; then nothing stays behind.
    """
    processes = (processes or Processes()).within_job()
    processes.check(recipe)
    run = Run.create(base, recipe, device=device, repeats=repeats)
    try:
        processes.note(run)
        with Lock.take(run):
            number = submit(run, options, threads=threads)
        begin(number)
    except BaseException:
        shutil.rmtree(run.path, ignore_errors=True)
        raise
    return run


def submit(run: Run, options: Options, *, threads: int | None = None) -> str:
    """Hand a queued run whose lock is held to Slurm; the number of its job, which `begin` lets begin.

    Raises SlurmError where Slurm refuses it.
    """
    job = _hand_over(run.path, run_script(run, options, threads))
    with _or_cancelled(job.id):
        run.info.threads = threads or run.info.threads
        _note(run, job, options)
    return job.id


def submit_array(
    folder: Path,
    runs: Sequence[tuple[int, Run]],
    options: Options,
    log: str,
    *,
    at_once: int = 0,
    threads: int | None = None,
    nproc: int = 1,
) -> str:
    """Hand queued runs of a sweep, with their numbers, to Slurm as one array; the number of its job.

    A task learns from the sweep's folder which run has its number. `log` is a pattern of Slurm's for its
    output. Raises SlurmError where Slurm refuses it.
    """
    tasks = [task for task, _ in runs]
    job = _hand_over(folder, array_script(folder, tasks, options, log, at_once, threads, nproc))
    with _or_cancelled(job.id):
        for task, run in runs:
            with contextlib.suppress(Locked), Lock.take(run):  # who holds it trains it: the task gives way
                run.refresh()
                _note(run, replace(job, id=f"{job.id}_{task}"), options)
    return job.id


def begin(number: str) -> None:
    """Let a job begin, now that its runs know of it; where that fails, it is cancelled. Raises SlurmError."""
    queue.forget()
    with _or_cancelled(number):
        script.release(number)


@contextlib.contextmanager
def _or_cancelled(number: str) -> Iterator[None]:
    """Cancel a job, which would be held for ever, where the block does not end well."""
    try:
        yield
    except BaseException:
        script.cancel(number)
        raise


def _hand_over(folder: Path, text: str) -> Job:
    """Keep a job script in a folder and submit it; the job, or the array."""
    path = folder / "job.sh"
    with replacing(path) as handle:
        handle.write(text.encode())
    here = queue.cluster()
    number, cluster = script.submit_held(path)
    return Job(number, os.getuid(), submitted=time.time(), cluster=cluster or here)


def _note(run: Run, job: Job, options: Options) -> None:
    """Write into a queued run which job trains it."""
    info = run.info
    info.job = job
    info.state, info.launcher, info.slurm, info.host, info.pid = "queued", "slurm", options, "", 0
    run.save()


def run_script(run: Run, options: Options, threads: int | None) -> str:
    """The job script of a run."""
    path, info = run.path.resolve(), run.info
    each = threads or info.threads or threads_of_each(options, info.nproc)
    cpus, log = options.cpus or info.nproc * each, script.literal(path / "log.txt")
    return script.job_script(options, run.id, log, _command(path, each), cpus, nodes=info.nnodes)


def array_script(
    folder: Path,
    tasks: Sequence[int],
    options: Options,
    log: str,
    at_once: int,
    threads: int | None,
    nproc: int = 1,
) -> str:
    """The job script of some tasks of a sweep."""
    path, each = folder.resolve(), threads or threads_of_each(options, nproc)
    cpus, array = options.cpus or nproc * each, Array(tasks, at_once)
    return script.job_script(options, folder.name, log, _command(path, each), cpus, array)


def threads_of_each(options: Options, nproc: int) -> int:
    """Threads of each of a machine's processes, where only the cores of all were asked for, or nothing."""
    return max(1, (options.cpus or 1) // nproc)


def _command(path: Path, threads: int) -> list[str]:
    # without the number, the trainer would look for cores that others of the node leave free
    return [sys.executable, "-m", "spivae", "train", "--run", str(path), "--threads", str(threads)]


def withdraw(runs: Sequence[Run]) -> None:
    """Take runs that wait out of Slurm's queue; they are stopped then. Raises SlurmError.

    One that has just begun is asked to save and end.
    """
    jobs = [run.info.job for run in runs if run.info.job is not None]
    for job in jobs:
        queue.check_here(job)
    for first in range(0, len(jobs), _CANCELLED_AT_ONCE):
        script.cancel(*(job.id for job in jobs[first : first + _CANCELLED_AT_ONCE]))
    end = time.monotonic() + _WITHDRAWN_SECONDS
    while True:
        queue.forget()
        runs = [run for run in runs if not _is_withdrawn(run)]
        if not runs or time.monotonic() > end:
            return
        time.sleep(_LOOK_SECONDS)


def _is_withdrawn(run: Run) -> bool:
    """Whether the job of a run is over; then the run is marked as stopped, if it has not said so itself."""
    assert run.info.job is not None
    if queue.look(run.info.job).phase != "ended":
        return False
    with Lock.take(run):
        run.refresh()
        if run.info.state in ("queued", "running"):
            run.stop_path.unlink(missing_ok=True)
            run.end("stopped")
    return True


def check_turn(run: Run) -> None:
    """Raise SpivaeError where it is not this process that is to train a run, whose lock it holds.

    A job that Slurm begins again may find the run as its earlier turn has left it.
    """
    info, mine = run.info, Job.of_process()
    if info.job is None:
        if info.state != "queued":
            raise SpivaeError(f"{run.path}: is no new run ({info.state})")
    elif mine is None or mine.id != info.job.id:
        raise SpivaeError(f"{run.path}: Slurm job {info.job.id} trains it; `spivae stop {run.id}` ends that")
    elif info.state not in ("queued", "running") and not (info.state == "stopped" and mine.restart):
        raise SpivaeError(f"{run.path}: is over ({info.state}); `spivae resume {run.id}` goes on")


def go_on_later(run: Run, tell: Callable[[str], None]) -> None:
    """Have Slurm begin this job again where only Slurm has stopped the run; `tell` is told of it.

    Slurm warns before the time is up, and where another job takes the place. What the user has stopped stays
    stopped, and so does what has not made a single step in all the time that it had. This process may be
    killed any time after.
    """
    info, mine = run.info, Job.of_process()
    ours = mine is not None and info.job is not None and info.job.id == mine.id
    if not ours or info.state != "stopped" or run.stop_path.exists():
        return
    assert mine is not None
    try:
        own = _own_standing(mine.id)
    except SlurmError as error:
        return tell(str(error))
    if own.restarts > mine.restart:  # Slurm does it by itself
        _wait_for_turn(run)
        return tell(f"Slurm begins job {mine.id} again")
    if own.state != "RUNNING":  # cancelled, or too late
        return
    if info.slurm is None or not info.slurm.requeue:
        return
    reached = _reached(run)
    if reached <= info.resumed_at and not own.preempted:
        return tell(
            f"job {mine.id} has had no time for a single step, and is not begun again; ask for more --time"
        )
    _wait_for_turn(run)
    tell(f"job {mine.id} goes on after step {reached:,} when Slurm begins it again")  # or it may be too late
    try:
        call("scontrol", "requeue", mine.id)  # $SLURM_JOB_ID may stand for a whole array
    except SlurmError as error:
        with Lock.take(run):
            run.end("stopped")
        tell(f"job {mine.id} cannot be begun again ({error})")


def may_go_on(run: Run) -> bool:
    """Whether a stopped run may be about to `go_on_later`: only Slurm has stopped it, and has its job yet."""
    if run.info.state != "stopped" or run.info.job is None or run.stop_path.exists():
        return False
    return queue.look(run.info.job).phase in ("waiting", "active")


def _wait_for_turn(run: Run) -> None:
    with Lock.take(run):
        run.refresh()
        run.info.state, run.info.finished, run.info.host, run.info.pid = "queued", None, "", 0
        run.save()


def _reached(run: Run) -> int:
    """The step of the saved state."""
    from spivae.training.state import read_state

    state = read_state(run)
    return 0 if state is None else state.position.step


class _Own(NamedTuple):
    """How the job that this process is in stands, by Slurm's own word."""

    state: str
    restarts: int  # how often Slurm has begun it again
    preempted: bool  # is to make room, with some time left to save


def _own_standing(number: str) -> _Own:
    said = call("scontrol", "show", "job", "--oneliner", number)
    fields = dict(re.findall(r"(\w+)=(\S*)", said))
    restarts = fields.get("Restarts", "")
    return _Own(
        fields.get("JobState", ""),
        int(restarts) if restarts.isdecimal() else 0,
        fields.get("PreemptTime", "None") != "None",
    )
