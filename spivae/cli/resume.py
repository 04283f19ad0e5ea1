"""`spivae resume`: going on with a training."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from spivae.cli import common
from spivae.cli.common import common_options, run_argument, run_dir_option
from spivae.cli.device_option import device_option
from spivae.cli.output import note
from spivae.cli.processes import processes_options
from spivae.cli.slurm_options import chosen, slurm_options
from spivae.errors import SpivaeError
from spivae.wording import plural

if TYPE_CHECKING:
    from spivae.training.processes import Processes
    from spivae.training.run import Run


@click.command()
@run_argument
@click.option("--detach", is_flag=True, help="Train in the background; survives a closed terminal.")
@click.option(
    "--lr-scale",
    type=float,
    metavar="X",
    help="Times the recipe's learning rates from here on, as 0.3 after the loss has diverged, then 0.09.",
)
@click.option("--threads", type=int, metavar="N", help="Threads  [default: as many as before]")
@device_option("as before")
@processes_options
@click.option(
    "--force", is_flag=True, help="Overrule a trainer on another host that shows no sign of life any more."
)
@slurm_options("Train as a job of Slurm's, or here  [default: as before]", "--slurm/--no-slurm")
@run_dir_option
@common_options()
def resume(
    run: str,
    detach: bool,
    lr_scale: float | None,
    threads: int | None,
    device: str | None,
    processes: Processes,
    force: bool,
    slurm: bool | None,
    run_dir: Path,
    as_json: bool,
    **asked: Any,
) -> None:
    """Go on with a training that was stopped, killed, or has failed.

    It goes on from its last saved state (at most training.checkpoint_every steps ago), and with as many
    threads and processes ends at exactly the weights of a training that was never interrupted. RUN is an id,
    its unique beginning, or a path; of a sweep, all that was stopped, killed or has failed goes back into its
    queue. What Slurm has trained is handed to Slurm again, with what was asked for before.

    Where the device of before is not there, nothing is trained. With another --device, --threads or --nproc
    it goes on to other roundings, says so in a line, and notes it in run.json.

    --json: {id, path}, with Slurm also job, printed when the training begins.
    """
    from spivae.cli.train import announce, train_here
    from spivae.training.resume import prepare, relaunch
    from spivae.training.run import find_run
    from spivae.training.sweep import find_sweep
    from spivae.training.threads import check_threads

    check_threads(threads)
    sweep = find_sweep(run, run_dir)
    if sweep is not None:
        if lr_scale is not None or threads is not None or device is not None or force or processes.given:
            raise SpivaeError(
                f"{sweep.id}: a sweep takes no --lr-scale, --threads, --device, --nproc or --force; "
                "its runs do"
            )
        waiting = sweep.resume(chosen(slurm, asked, sweep.info.slurm))
        note(f"{sweep.id}: {plural(waiting, 'run')} waiting")
        announce(sweep, as_json)
        return
    found = find_run(run, run_dir)
    options, together = chosen(slurm, asked, found.slurm), processes.of(found)
    changes: dict[str, Any] = {"lr_scale": lr_scale, "force": force, "processes": processes, "device": device}
    if detach or options is not None:
        if options is None:
            together.check_detached()
        relaunch(found, threads=threads, slurm=options, **changes)
        announce(found, as_json)
        return
    if together.several:
        from spivae.cli.processes import train_together

        def begin() -> Run:
            prepare(found, **changes)
            return found

        train_together(begin, together, threads, as_json)
        return
    plugins = common.plugins()
    with prepare(found, **changes):
        announce(found, as_json)
        train_here(found, plugins, threads, resume=True)
