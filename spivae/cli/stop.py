"""`spivae stop`: ending a training, gently first."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from spivae.cli.common import common_options, run_argument, run_dir_option
from spivae.cli.output import emit, emit_json
from spivae.errors import WorkFailed
from spivae.wording import plural

if TYPE_CHECKING:
    from spivae.training.run import Run


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
@click.option("--force", is_flag=True, help="Kill it where it has not ended by then; with --wait 0, at once.")
@run_dir_option
@common_options()
def stop(run: str, wait: float, force: bool, run_dir: Path, as_json: bool) -> None:
    """Ask a training to save and end; it does so at its next step, on whichever host it runs.

    RUN is an id, its unique beginning, or a path; that of a sweep ends its queue as well. `spivae resume RUN`
    goes on from there. The exit code is 1 where it was waited for, and runs on.

    --json: {id, path, state}, the state that it is in then, as in `spivae runs`; of a sweep {id, path, state
    ("stopping" while a run is at work | "stopped")}, once for all its runs.
    """
    from spivae.training.run import find_run
    from spivae.training.stopping import stop as stopped
    from spivae.training.sweep import Sweep, find_sweep

    state: str
    found: Run | Sweep = find_sweep(run, run_dir) or find_run(run, run_dir)
    if isinstance(found, Sweep):
        left = found.stop(wait, force=force)
        over, runs = not left, plural(len(left), "run")
        state = "stopped" if over else "stopping"
        asked, goes_on = f"starts no more runs; asked {runs} at work to save and end", f"{runs} still at work"
    else:
        state = stopped(found, wait, force=force)
        over = state not in ("queued", "running")
        asked, goes_on = "saves and ends at its next step", f"is still {state}"
    if as_json:
        emit_json({"id": found.id, "path": found.path, "state": state})
    if (wait or force) and not over:
        how = "after SIGKILL" if force else f"after {wait:g} s; --force kills what does not save and end"
        raise WorkFailed(f"{found.id}: {goes_on} {how}")
    if not as_json:
        emit(f"{found.id}: {state if over else asked}")
