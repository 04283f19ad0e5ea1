"""`spivae tag`: words on runs, to find them again."""

from __future__ import annotations

from pathlib import Path

import click

from spivae.cli.common import common_options, run_argument, run_dir_option
from spivae.cli.output import emit, emit_json


@click.command()
@run_argument
@click.argument("words", nargs=-1, metavar="[WORD]...")
@click.option("--remove", is_flag=True, help="Take these words away.")
@run_dir_option
@common_options()
def tag(run: str, words: tuple[str, ...], remove: bool, run_dir: Path, as_json: bool) -> None:
    """Put words on a run, or show those that it has; `spivae runs --tag WORD` lists the runs with one.

    RUN is an id, its unique beginning, or a path.

    --json: {id, path, tags [word]}.
    """
    from spivae.tags import read_tags, write_tags
    from spivae.training.run import find_run

    found = find_run(run, run_dir)
    tags = read_tags(found.path)
    if words:
        tags = [word for word in tags if word not in words] if remove else [*tags, *words]
        tags = write_tags(found.path, tags)
    if as_json:
        emit_json({"id": found.id, "path": found.path, "tags": tags})
    else:
        emit(" ".join(tags) if tags else "no tags")
