"""`spivae [DIR...]`: the app, or what it would show first where there is no terminal to show it in."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import click

from spivae.cli import common
from spivae.cli.common import THEMES, common_options
from spivae.cli.output import emit, emit_json

if TYPE_CHECKING:
    from spivae.catalog import Entry
    from spivae.checkpoint.structs import Checkpoint


@click.command()
@click.argument("dirs", nargs=-1, type=click.Path())
@click.option("--no-mouse", is_flag=True, help="The app leaves the mouse to the terminal.")
@click.option("--theme", type=click.Choice(THEMES), help="Colours of the app.")
@click.option("--glyphs", type=click.Choice(["braille", "block", "ascii"]), help="What plots are drawn with.")
@common_options()
@click.pass_context
def home(ctx: click.Context, /, dirs: tuple[str, ...], as_json: bool, **app: Any) -> int:
    """Open the app on the checkpoints and runs under DIR..."""
    # what stood before the first DIR was taken for options of `spivae` itself
    before = ctx.parent.params if ctx.parent is not None else {}
    chosen = {name: value or before.get(name) for name, value in app.items()}
    if as_json or not has_terminal():
        _overview(dirs, as_json)
        return 0
    return _open_app(dirs, bool(chosen["no_mouse"]), chosen["theme"], chosen["glyphs"])


def has_terminal() -> bool:
    """Whether there is a terminal to show the app in and to type into."""
    return sys.stdout.isatty() and sys.stdin.isatty()


def _open_app(dirs: tuple[str, ...], no_mouse: bool, theme: str | None, glyphs: str | None) -> int:
    from spivae.catalog import default_folders
    from spivae.cli.listing import check
    from spivae.figure.look import Look
    from spivae_tui.main import run

    for name in dirs:
        check(name)
    if os.environ.get(common.STRICT):
        common.plugins()
    folders = [os.path.expanduser(name) for name in dirs] or default_folders()
    look = None
    if glyphs is not None:
        look = Look.detect({**os.environ, "SPIVAE_GLYPHS": glyphs}, sys.stdout.encoding)
    return run(folders, mouse=not no_mouse, look=look, theme=theme)


def _overview(dirs: tuple[str, ...], as_json: bool) -> None:
    """The list, and the report of the newest checkpoint that can be read."""
    from spivae.cli import inspecting, listing

    found = listing.entries(dirs)
    newest = _newest(found)
    if as_json:
        emit_json({"entries": found, "newest": newest and inspecting.document(newest)})
        return
    listing.show(found, dirs)
    if newest is not None:
        emit()
        inspecting.report(newest)


def _newest(found: list[Entry]) -> Checkpoint | None:
    from spivae.checkpoint.reading import read_header

    for entry in found:
        if entry.kind == "checkpoint" and entry.error is None:
            return read_header(entry.path, common.foreign)
    return None
