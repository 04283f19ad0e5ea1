"""`spivae stop`: ending a training, gently first."""

from __future__ import annotations

from pathlib import Path

import click

from spivae.cli.common import common_options, run_argument, run_dir_option
from spivae.cli.output import emit, emit_json
from spivae.cli.wording import plural


@click.command()
@run_argument
@click.option(
    "--wait",
    type=click.FloatRange(min=0),
    default=30.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for it; halfway, a trainer on this host gets SIGTERM. 0: only ask.",
)
@click.option("--force", is_flag=True, help="Kill it where it has not ended by then.")
@run_dir_option
@common_options()
def stop(run: str, wait: float, force: bool, run_dir: Path, as_json: bool) -> None:
    """Ask a training to save and end; it does so at its next step, on whichever host it runs.

    RUN is an id, its unique beginning, or a path; that of a sweep ends its queue as well. `spivae resume RUN`
    goes on from there.

    --json: {id, path, state}, the state that it is in then.
    """
    from spivae.training.run import find_run
    from spivae.training.stopping import stop as stopped
    from spivae.training.sweep import find_sweep

    sweep = find_sweep(run, run_dir)
    if sweep is not None:
        asked = sweep.stop()
        if as_json:
            emit_json({"id": sweep.id, "path": sweep.path, "state": "stopping"})
        else:
            emit(f"{sweep.id}: starts no more runs; {plural(asked, 'run')} at work saves and ends")
        return
    found = find_run(run, run_dir)
    state = stopped(found, wait, force=force)
    if as_json:
        emit_json({"id": found.id, "path": found.path, "state": state})
    elif state in ("queued", "running"):
        emit(f"{found.id} saves and ends at its next step")
    else:
        emit(f"{found.id}: {state}")
