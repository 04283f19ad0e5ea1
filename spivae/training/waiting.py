"""For what a run waits that no trainer is at yet."""

from __future__ import annotations

from spivae.slurm import queue as queues
from spivae.training.run import Run
from spivae.training.sweep import sweep_of


def waits_for(run: Run, *, silent: bool = False) -> str:
    """For what it waits, in words; "" where it is at work, or over.

    `silent`: nothing that its trainer writes is there yet, so that a job at work only seems to be.
    """
    state = run.state()
    if run.info.job is not None:
        if silent:  # a node's file may be seen later than its job
            waits = state in ("queued", "running")
        else:
            waits = state == "queued" and queues.queue.look(run.info.job).phase != "active"
        return queues.describe(run.info.job) if waits else ""
    if state != "queued" or run.has_trainer():
        return ""
    sweep = sweep_of(run)
    return "it waits for a trainer" if sweep is None else f"it waits in the queue of {sweep.id}"
