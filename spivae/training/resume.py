"""Going on with a training that was stopped, has failed, or whose trainer was killed."""

from __future__ import annotations

import math

from spivae.errors import SpivaeError, WorkFailed
from spivae.slurm.options import Options
from spivae.training.device import check_device
from spivae.training.launch import start
from spivae.training.lock import Lock, Locked
from spivae.training.processes import Processes
from spivae.training.run import Run
from spivae.training.slurm import begin, submit


def prepare(
    run: Run,
    *,
    lr_scale: float | None = None,
    force: bool = False,
    processes: Processes | None = None,
    device: str | None = None,
) -> Lock:
    """Make a run ready to be resumed, and return its lock, held by this process.

    `lr_scale` times the recipe's learning rates are used from here on; None leaves them as they are, and
    `processes` and `device` too. `force` overrules a trainer on another host that shows no sign of life.
    Raises SpivaeError where there is nothing to resume, Locked where somebody trains it.
    """
    if lr_scale is not None and not 0 < lr_scale < math.inf:
        raise SpivaeError(f"--lr-scale: needs a number above 0, not {lr_scale:g}")
    if device is not None:
        check_device(device)
    _check(run, force)
    lock = Lock.take(run, force=force)
    try:
        run.refresh()  # it may have ended, or another may have resumed it, while we waited
        info = run.info
        if info.state == "finished":
            _check(run, force)
        run.stop_path.unlink(missing_ok=True)
        info.state, info.pid, info.error, info.finished = "queued", 0, None, None
        info.launcher, info.job = "local", None
        if lr_scale is not None:
            info.lr_scale = lr_scale
        info.device = device or info.device
        (processes or Processes()).note(run)
        check_device(info.device, info.nproc * info.nnodes > 1)
        run.save()
    except BaseException:
        lock.release()
        raise
    return lock


def relaunch(
    run: Run,
    *,
    lr_scale: float | None = None,
    force: bool = False,
    threads: int | None = None,
    slurm: Options | None = None,
    processes: Processes | None = None,
    device: str | None = None,
) -> None:
    """Resume a run in a process of its own, detached, or as a job of Slurm's; returns at once.

    Raises as `prepare` and `start`, and WorkFailed where Slurm refuses the job.
    """
    processes = (processes or Processes()).within_job(slurm is not None)
    with prepare(run, lr_scale=lr_scale, force=force, processes=processes, device=device) as lock:
        if slurm is None:
            start(run, lock, threads=threads)
            return
        try:
            number = submit(run, slurm, threads=threads)
        except WorkFailed as error:
            run.end("failed", str(error))
            raise
    begin(number)


def _check(run: Run, force: bool) -> None:
    info, state = run.info, run.state()
    if state == "finished":
        raise SpivaeError(f"{run.id}: has finished; `spivae train {run.id}` trains it again")
    in_sweep = (run.path.parent / "sweep.json").is_file()
    if run.is_untaken() and not in_sweep:
        return  # it was to be trained where it was made, which failed before anything could be noted
    if state in ("queued", "running") and not force:
        who = f"process {info.pid} on {info.host}" if info.pid else "its queue"
        who = f"Slurm job {info.job.id}" if info.job is not None else who
        raise Locked(f"{run.id}: is {state} ({who}); `spivae stop {run.id}` ends that")
