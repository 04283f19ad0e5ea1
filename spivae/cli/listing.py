"""`spivae ls`: checkpoints and runs, newest first."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from spivae import wording
from spivae.cli import common
from spivae.cli.common import common_options
from spivae.cli.output import Styled, emit, emit_json, paint, width
from spivae.cli.table import Column, table
from spivae.errors import SpivaeError
from spivae.wording import plural

if TYPE_CHECKING:
    from spivae.catalog import Entry

COLUMNS = (
    Column("name", shortens=True),
    Column("kind", style="muted", drop=2),
    Column("process", drop=5),
    Column("beta", right=True, drop=3),
    Column("NLL", right=True, drop=6),
    Column("-ELBO", right=True),
    Column("KL", right=True),
    Column("latents", right=True),
    Column("weights", right=True, drop=8),
    Column("size", right=True, drop=7),
    Column("age", right=True, style="muted"),
)
_QUEUES = 5  # that are told of one by one
STATES = {"finished": "good", "running": "accent", "failed": "bad", "lost": "bad", "stopped": "warn"}


@click.command()
@click.argument("dirs", nargs=-1, metavar="[DIR]...", type=click.Path())
@common_options()
def ls(dirs: tuple[str, ...], as_json: bool) -> None:
    """List checkpoints and runs under folders, newest first.

    Without DIR: the shipped models, ./models, ./runs and the user's data folder. NLL and -ELBO are nats per
    step of the validation, KL is nats per trajectory, latents are those that survive of all.

    --json: a list of {path, name, kind ("checkpoint" | "run"), format, process, parameters, modified (seconds
    since 1970), size, metrics, state, error, progress (0 to 1), left (seconds), tags [word], where, why}.
    """
    found = entries(dirs)
    if as_json:
        emit_json(found)
    else:
        show(found, dirs)


def entries(dirs: Sequence[str]) -> list[Entry]:
    """What is there, newest first. Raises SpivaeError for a named folder that is not there or forbidden."""
    from spivae.catalog import default_folders, newest_first, scan

    for name in dirs:
        check(name)
    folders = [os.path.expanduser(name) for name in dirs] or default_folders()
    return newest_first(scan(folders, common.foreign))


def check(name: str) -> None:
    path = Path(name).expanduser()
    if not path.exists():
        import difflib

        try:
            siblings = os.listdir(path.parent)
        except OSError:
            siblings = []
        near = difflib.get_close_matches(path.name, siblings, 1)
        hint = f"did you mean {path.parent / near[0]}?" if near else "name a folder of checkpoints or runs"
        raise SpivaeError(f"{name}: no such folder; {hint}")
    if not os.access(path, os.R_OK | (os.X_OK if path.is_dir() else 0)):
        raise SpivaeError(f"{name}: permission denied; change its mode or ask its owner")


def show(found: Sequence[Entry], dirs: Sequence[str]) -> None:
    """Print the table of entries, and below it what is wrong with the broken ones."""
    if not found:
        where = ", ".join(dirs) or "the shipped models, ./models, ./runs or the user's data folder"
        emit(f"No checkpoints or runs in {where}.")
        emit(paint("`spivae train RECIPE` makes one; `spivae ls DIR` looks elsewhere.", "muted"))
        return
    columns, rows = list(COLUMNS), [_row(entry) for entry in found]
    if width() is None:
        columns.append(Column("path"))
        for row, entry in zip(rows, found, strict=True):
            row.append(entry.path)
    for line in table(columns, rows):
        emit(line)
    broken = [entry for entry in found if entry.error]
    if broken:
        emit()
        for entry in broken:
            where = "" if entry.path in str(entry.error) else f"{entry.name}: "
            emit(paint("error: ", "bad") + where + str(entry.error))
    tell_of_ended_queues(entry.why for entry in found)


def tell_of_ended_queues(whys: Iterable[str]) -> None:
    """Print a line for each queue that has ended before some runs began; `whys` as `Entry.why`, of all."""
    counts = Counter(why for why in whys if why)
    if counts:
        emit()
    for why, count in counts.most_common(_QUEUES):
        emit(paint(f"{plural(count, 'run')} {why}", "warn"))
    if len(counts) > _QUEUES:
        more = plural(len(counts) - _QUEUES, "more sweep")
        emit(paint(f"{more} like that; `spivae runs --sweeps` lists all", "warn"))


def _row(entry: Entry) -> list[str | Styled]:
    metrics = entry.metrics
    kind = f"{entry.kind}, {entry.state}" if entry.state else entry.kind
    if entry.error:
        kind = kind if entry.state else f"{kind}, broken"
    return [
        entry.name,
        Styled(kind, "bad" if entry.error else STATES.get(entry.state, "muted")),
        entry.process,
        wording.power(_number(metrics.get("beta"))),
        wording.fixed(_number(metrics.get("nll"))),
        wording.fixed(_number(metrics.get("neg_elbo"))),
        wording.nats(_number(metrics.get("kl"))),
        wording.survivors(metrics),
        wording.NOTHING if entry.parameters is None else f"{entry.parameters:,}",
        wording.size(entry.size),
        wording.age(time.time() - entry.modified),
    ]


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) else None
