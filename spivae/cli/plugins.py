"""`spivae plugins`: what was found, what it provides, and what is wrong with it."""

from __future__ import annotations

import click

from spivae.cli.common import common_options
from spivae.cli.output import Styled, emit, emit_json, paint
from spivae.cli.table import Column, table

COLUMNS = (
    Column("name"),
    Column("status"),
    Column("version", style="muted", drop=2),
    Column("source", style="muted", drop=1),
    Column("provides"),
)


@click.command()
@common_options()
def plugins(as_json: bool) -> None:
    """List plugins: bundled ones, installed ones, and drop-in files.

    Drop-in files are the .py files of --plugins-dir, of $SPIVAE_PLUGINS, and of the user's own folder.

    --json: a list of {name, version, source, status ("ok" | "error" | "disabled"), error, hooks, provides}.
    """
    from spivae.plugins import load_plugins

    infos = load_plugins().infos
    if as_json:
        emit_json(infos)
        return
    if not infos:
        emit("No plugins.")
        return
    rows = [
        (
            info.name,
            Styled(info.status, {"ok": "good", "error": "bad"}.get(info.status, "muted")),
            info.version,
            info.source,
            ", ".join(info.provides),
        )
        for info in infos
    ]
    for line in table(COLUMNS, rows):
        emit(line)
    broken = [info for info in infos if info.error]
    if broken:
        emit()
        for info in broken:
            emit(paint(f"{info.name}: ", "bad") + " ".join(str(info.error).split()))
