"""`spivae rm`: deleting a run."""

from __future__ import annotations

import shutil
from pathlib import Path

import click

from spivae.cli import wording
from spivae.cli.common import common_options, run_argument, run_dir_option
from spivae.cli.output import emit, emit_json
from spivae.errors import SpivaeError, WorkFailed


@click.command()
@run_argument
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.option("--force", is_flag=True, help="Even where a trainer on another host has shown no sign of life.")
@run_dir_option
@common_options()
def rm(run: str, yes: bool, force: bool, run_dir: Path, as_json: bool) -> None:
    """Delete a run with its checkpoints, metrics and log. A training that runs must be stopped first.

    RUN is an id, its unique beginning, or a path.

    --json: {id, path}; needs --yes.
    """
    from spivae.training.lock import Lock
    from spivae.training.run import find_run

    found = find_run(run, run_dir)
    state = found.state()
    if found.has_trainer():
        raise SpivaeError(f"{found.id}: is {state}; `spivae stop {found.id}` ends that")
    if not yes:
        if as_json:
            raise SpivaeError("--json: deletes without asking; add --yes")
        saved = wording.plural(len(found.checkpoints()), "checkpoint")
        click.confirm(f"Delete {found.path} ({state}, {saved})?", abort=True)
    with Lock.take(found, force=force):  # nobody resumes it meanwhile
        try:
            shutil.rmtree(found.path)
        except OSError as error:
            raise WorkFailed(f"{error.filename}: cannot be deleted ({error.strerror})") from None
    if as_json:
        emit_json({"id": found.id, "path": found.path})
    else:
        emit(f"deleted {found.path}")
