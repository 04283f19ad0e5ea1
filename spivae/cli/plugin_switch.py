"""`spivae plugin disable` and `enable`: a plugin that is off is not even imported."""

from __future__ import annotations

import difflib

import click

from spivae.cli.common import common_options
from spivae.cli.output import emit, emit_json
from spivae.errors import SpivaeError

argument = click.argument("name", metavar="NAME")


@click.command()
@argument
@common_options()
def disable(name: str, as_json: bool) -> None:
    """Switch a plugin off, from the next start on.

    --json: {name, enabled}.
    """
    from spivae.plugin_settings import disabled
    from spivae.plugin_sources import drop_in_files, installed

    # none of them is imported: it may be one that never comes back
    known = {point.name for point in installed()} | {path.stem for path in drop_in_files()}
    if name not in known | disabled():
        near = difflib.get_close_matches(name, known, 1)
        hint = f"did you mean {near[0]!r}?" if near else "`spivae plugins` lists them"
        raise SpivaeError(f"unknown plugin {name!r}; {hint}")
    _switch(name, False, as_json)


@click.command()
@argument
@common_options()
def enable(name: str, as_json: bool) -> None:
    """Switch a plugin on again.

    --json: {name, enabled}.
    """
    from spivae.plugin_settings import disabled

    if name not in disabled():
        off = ", ".join(sorted(disabled())) or "none"
        raise SpivaeError(f"plugin {name!r} is not switched off; those that are: {off}")
    _switch(name, True, as_json)


def _switch(name: str, on: bool, as_json: bool) -> None:
    from spivae.plugin_settings import switch

    changed = switch(name, on=on)
    if as_json:
        emit_json({"name": name, "enabled": on})
    elif on:
        emit(f"{name} is on.")
    else:
        emit(f"{name} {'is' if changed else 'was'} off; `spivae plugin enable {name}` switches it on.")
