"""--dry-run: what a training would cost, which runs a sweep would have, or what Slurm would get."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from spivae import wording
from spivae.cli.output import emit, emit_json
from spivae.cli.table import pairs

if TYPE_CHECKING:
    from spivae.process import Process
    from spivae.slurm.options import Options
    from spivae.training.processes import Processes
    from spivae.training.recipe import Recipe
    from spivae.training.sweep import Sweep


def tell_cost(recipe: Recipe, process: Process, threads: int | None, device: str, as_json: bool) -> None:
    """Probe and print: a page, or the fields of `Cost` as JSON."""
    from spivae.training.cost import estimate

    cost = estimate(recipe, process, threads, device=device)
    if as_json:
        emit_json({name: getattr(cost, name) for name in cost.__dataclass_fields__})
        return
    free = f" of {wording.size(cost.memory_free)} that are free"
    lines = [
        ("parameters", f"{cost.parameters:,}, receptive field {cost.receptive_field}"),
        ("computing", computing(cost.device, cost.code_path, cost.why_plain, cost.threads)),
        ("a step", f"{1000 * cost.seconds_per_step:.0f} ms for {recipe.training.batch} trajectories"),
        ("an epoch", f"about {wording.duration(cost.seconds_per_epoch, 1)}, {cost.steps_per_epoch:,} steps"),
        ("all of it", f"about {wording.duration(cost.seconds, 1)}, {wording.plural(cost.epochs, 'epoch')}"),
        ("memory", f"up to {wording.size(cost.memory)}{free}"),
        ("disk", f"about {wording.size(cost.disk)}"),
    ]
    for line in pairs(lines):
        emit(line)


def tell_script(
    recipe: Recipe,
    base: Path,
    options: Options,
    threads: int | None,
    processes: Processes,
    as_json: bool,
) -> None:
    """Print the job script of a run that is not made, or {script}."""
    from spivae.training.run import Run, RunInfo
    from spivae.training.slurm import run_script

    name = f"{recipe.process.name}-ID"
    info = RunInfo(id=name, process=recipe.process.name, epochs=0, created=time.time())
    info.nproc, info.nnodes = processes.nproc or 1, processes.nnodes or 1
    run = Run(base / name, info)
    _emit_script(run_script(run, options, threads), as_json)


def tell_sweep(sweep: Sweep, as_json: bool) -> None:
    """Print the runs of a sweep that is not made, or {runs [settings], jobs, threads}; or its job script."""
    info = sweep.info
    if info.slurm is not None:
        _emit_script(sweep.script(info.slurm), as_json)
        return
    if as_json:
        runs = [point.values for point in info.points]
        emit_json({"runs": runs, "jobs": info.jobs, "threads": info.threads})
        return
    for point in info.points:
        emit("  ".join(f"{path}={value}" for path, value in point.settings.items()))
    count, threads = wording.plural(len(info.points), "run"), wording.plural(info.threads, "thread")
    emit(f"{count}, {info.jobs} at a time, with {threads} in each process")


def _emit_script(script: str, as_json: bool) -> None:
    if as_json:
        emit_json({"script": script})
    else:
        emit(script.rstrip("\n"))


def computing(device: str, code_path: str, why_plain: str | None, threads: int) -> str:
    """`fast path, 2 threads`; of a plain one, why; on a GPU, on which."""
    if device != "cpu":
        return f"{device}, {wording.plural(threads, 'thread')}"
    why = f" ({why_plain})" if why_plain else ""
    return f"{code_path} path{why}, {wording.plural(threads, 'thread')}"
