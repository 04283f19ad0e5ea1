"""`spivae rm`: deleting a run."""

from __future__ import annotations

from pathlib import Path

import click

from spivae.cli.common import common_options, run_argument, run_dir_option
from spivae.cli.output import emit, emit_json
from spivae.errors import SpivaeError
from spivae.wording import plural


@click.command()
@run_argument
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.option("--force", is_flag=True, help="Even where a trainer on another host has shown no sign of life.")
@run_dir_option
@common_options()
def rm(run: str, yes: bool, force: bool, run_dir: Path, as_json: bool) -> None:
    """Delete a run with its checkpoints, metrics and log, or a sweep with all its runs. What trains must be
    stopped first.

    RUN is an id, its unique beginning, or a path.

    --json: {id, path}; needs --yes.
    """
    from spivae.training.removing import Removal

    found = Removal.find(run, run_dir)
    if not yes:
        if as_json:
            raise SpivaeError("--json: deletes without asking; add --yes")
        what = found.states[0] if found.sweep is None else f"a sweep of {plural(len(found.runs), 'run')}"
        if not _agreed(f"Delete {found.path} ({what}, {plural(found.checkpoints(), 'checkpoint')})?"):
            emit(f"kept {found.path}")
            return
    found.remove(force=force)
    if as_json:
        emit_json({"id": found.id, "path": found.path})
    else:
        emit(f"deleted {found.path}")


def _agreed(question: str) -> bool:
    """What the user answers. Raises SpivaeError where nobody does."""
    try:
        return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        emit()
        raise SpivaeError("rm: asks, and nobody has answered; --yes deletes without asking") from None
