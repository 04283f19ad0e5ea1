"""Ending a training: by a file that it looks for, then by a signal, and at last by force."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence

from spivae.errors import SpivaeError, WorkFailed
from spivae.slurm.queue import queue
from spivae.slurm.script import cancel
from spivae.training.lock import Lock, Owner
from spivae.training.run import Run, State
from spivae.training.slurm import withdraw

_LOOK_SECONDS = 0.05
_ASK_SECONDS = 1.0  # between questions to Slurm, while somebody waits
_KILLED_SECONDS = 5.0  # until what was killed is gone
_LEAVING_SECONDS = 10.0  # until the process of a run that has ended is gone


def stop(run: Run, wait: float = 0.0, *, force: bool = False) -> State:
    """Ask a trainer to save and end, wait for it, and return the state that the run is in then.

    The STOP file is seen at the next step, on any host; for the rest see `end`. What waits in Slurm's queue
    is taken out of it. Raises SpivaeError where the run has ended before, WorkFailed where it cannot be
    forced.
    """
    state = run.state()
    if state not in ("queued", "running") and not run.is_untaken():
        raise SpivaeError(f"{run.id}: has already ended ({state})")
    if not run.has_trainer():
        with Lock.take(run):
            run.refresh()
            if not run.has_trainer():
                run.end("stopped")
                return "stopped"
    run.request_stop()
    if state == "queued" and run.info.job is not None:
        withdraw([run])
        run.refresh()
        return run.state()
    end([run], wait, force=force)
    return run.state()


def end(runs: Sequence[Run], wait: float, *, force: bool = False) -> list[Run]:
    """Wait for runs that were asked to save and end; those that go on all the same.

    What goes on after half of `wait` seconds is sent SIGTERM, if its trainer is on this host, or its job is
    cancelled. With `force`, what goes on after the other half is sent SIGKILL. Raises WorkFailed where that
    cannot be, once all others were sent it.
    """
    left = list(runs)
    if wait:
        left = _going_on(left, wait / 2)
        _send(left, signal.SIGTERM)
    left = _going_on(left, wait / 2)
    if force:
        _send(left, signal.SIGKILL)
        left = _going_on(left, _KILLED_SECONDS)
    if wait:
        _wait_for_processes([run for run in runs if run not in left])
    return left


def _wait_for_processes(runs: Sequence[Run]) -> None:
    """Wait a little for the trainers on this host of runs that have ended: they close what they opened."""
    leaving = [Owner(run.info.host, run.info.pid, run.info.pid_started) for run in runs]
    over = time.monotonic() + _LEAVING_SECONDS
    while time.monotonic() < over:
        leaving = [
            each for each in leaving if each.here and each.pid not in (0, os.getpid()) and not each.gone
        ]
        if not leaving:
            return
        time.sleep(_LOOK_SECONDS)


def _going_on(runs: Sequence[Run], seconds: float) -> list[Run]:
    """Those of some runs that have not ended after so many seconds."""
    over, asked = time.monotonic() + seconds, time.monotonic()
    while True:
        if time.monotonic() - asked > _ASK_SECONDS:
            queue.forget()
            asked = time.monotonic()
        for run in runs:
            run.refresh()
        runs = [run for run in runs if run.state() in ("queued", "running")]
        if not runs or time.monotonic() >= over:
            return list(runs)
        time.sleep(_LOOK_SECONDS)


def _send(runs: Sequence[Run], number: signal.Signals) -> None:
    """A signal to the trainers of runs. Raises WorkFailed for the first that could not be sent it."""
    failed: list[WorkFailed] = []
    for run in runs:
        try:
            _send_one(run, number)
        except WorkFailed as error:
            failed.append(error)
    if failed:
        raise failed[0]


def _send_one(run: Run, number: signal.Signals) -> None:
    """A signal to the trainer, by pid and start time, so that no other process is taken for it; by Slurm."""
    if run.info.job is not None:
        queue.check_here(run.info.job)
        cancel(run.info.job.id, kill=number == signal.SIGKILL)
        queue.forget()
        return
    trainer = Owner(run.info.host, run.info.pid, run.info.pid_started)
    if not trainer.here:
        if number == signal.SIGKILL:
            raise WorkFailed(f"{run.id}: {trainer} cannot be killed from here; run this there")
        return
    if trainer.pid and not trainer.gone:
        try:
            os.kill(trainer.pid, number)
        except ProcessLookupError:
            pass  # it has just ended
        except PermissionError:
            raise WorkFailed(f"{run.id}: {trainer} belongs to another user") from None
