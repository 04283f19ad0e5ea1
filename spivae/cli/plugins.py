"""`spivae plugins`: what was found, what it provides, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from spivae.cli.common import check_strictly, common_options
from spivae.cli.output import Styled, emit, emit_json, paint
from spivae.cli.table import Column, table

if TYPE_CHECKING:
    from spivae.plugins import PluginInfo

COLUMNS = (
    Column("name"),
    Column("status"),
    Column("version", style="muted", drop=2),
    Column("source", style="muted", drop=1),
    Column("provides"),
    Column("hooks", style="muted", drop=3),
)
STYLES = {"ok": "good", "error": "bad"}


@click.command()
@common_options()
def plugins(as_json: bool) -> None:
    """List plugins: bundled ones, installed ones, and drop-in files.

    Drop-in files are the .py files of --plugins-dir, of $SPIVAE_PLUGINS, and of the user's own folder.

    --json: a list of {name, version, source, status ("ok" | "error" | "disabled"), error, traceback, hooks,
    provides}.
    """
    from spivae.plugins import load_plugins

    found = load_plugins()
    if as_json:
        emit_json(found.infos)
    else:
        show(found.infos)
    check_strictly(found)


def show(infos: Sequence[PluginInfo]) -> None:
    """A table, and below it what is wrong with each that is broken."""
    if not infos:
        emit("No plugins.")
        return
    rows = [
        (
            info.name,
            Styled(info.status, STYLES.get(info.status, "muted")),
            info.version,
            info.source,
            ", ".join(info.provides),
            ", ".join(hook for hook in info.hooks if not hook.startswith("register_")),
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
