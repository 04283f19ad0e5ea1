"""Ending a training: by a file that it looks for, then by a signal, and at last by force."""

from __future__ import annotations

import os
import signal
import time

from spivae.errors import SpivaeError, WorkFailed
from spivae.slurm.queue import queue
from spivae.slurm.script import cancel
from spivae.training.lock import Lock, Owner
from spivae.training.run import Run, State
from spivae.training.slurm import withdraw

_LOOK_SECONDS = 0.05
_ASK_SECONDS = 1.0  # between questions to Slurm, while somebody waits


def stop(run: Run, wait: float = 0.0, *, force: bool = False) -> State:
    """Ask a trainer to save and end, wait for it, and return the state that the run is in then.

    The STOP file is seen at the next step, on any host. Where the run goes on after half of `wait` seconds, a
    trainer on this host is sent SIGTERM, or its job cancelled, and after the other half, with `force`,
    SIGKILL. What waits in Slurm's queue is taken out of it. Raises SpivaeError where the run has ended
    before, WorkFailed where it cannot be forced.
    """
    state = run.state()
    if state not in ("queued", "running"):
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
    for number in (signal.SIGTERM, signal.SIGKILL):
        if _has_ended(run, wait / 2):
            break
        if wait and (number == signal.SIGTERM or force):
            _send(run, number)
    if force and wait:
        _has_ended(run, 5.0)
    return run.state()


def _has_ended(run: Run, seconds: float) -> bool:
    """Whether a run ends within so many seconds."""
    end, asked = time.monotonic() + seconds, time.monotonic()
    while True:
        run.refresh()
        if time.monotonic() - asked > _ASK_SECONDS:
            queue.forget()
            asked = time.monotonic()
        if run.state() not in ("queued", "running"):
            return True
        if time.monotonic() >= end:
            return False
        time.sleep(_LOOK_SECONDS)


def _send(run: Run, number: signal.Signals) -> None:
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
