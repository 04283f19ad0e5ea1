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

    RUN is an id, its unique beginning, or a path; with that of a sweep, the words go on all of its runs, and
    those are shown that all have.

    --json: {id, path, tags [word]}.
    """
    from spivae.training.run import find_run
    from spivae.training.sweep import Sweep, find_sweep

    found = find_sweep(run, run_dir) or find_run(run, run_dir)
    folders = [each.path for each in found.runs().values()] if isinstance(found, Sweep) else [found.path]
    tagged = [set(_tags(folder, words, remove)) for folder in folders]
    tags = sorted(set.intersection(*tagged)) if tagged else []
    if as_json:
        emit_json({"id": found.id, "path": found.path, "tags": tags})
    else:
        emit(" ".join(tags) if tags else "no tags")


def _tags(folder: Path, words: tuple[str, ...], remove: bool) -> list[str]:
    """The words on the run in a folder, once these are put on it or taken away."""
    from spivae.tags import read_tags, write_tags

    tags = read_tags(folder)
    if not words:
        return tags
    kept = [word for word in tags if word not in words] if remove else [*tags, *words]
    return write_tags(folder, kept)
