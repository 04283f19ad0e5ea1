"""`spivae plugin check`: the conformance kit, run over one plugin."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from spivae.cli.common import common_options
from spivae.cli.output import emit, emit_json, paint

if TYPE_CHECKING:
    from spivae.conformance import Finding

STYLES = {"passed": "good", "failed": "bad", "advice": "warn", "skipped": "muted"}


@click.command()
@click.argument("name", metavar="NAME")
@common_options()
def check(name: str, as_json: bool) -> int:
    """Check a plugin: its name in `spivae plugins`, or a drop-in file.

    Exit code 1 where a check failed; advice is none of these.

    --json: {plugin, passed, failed, advice, skipped, checks [{subject, check, status ("passed" | "failed" |
    "advice" | "skipped"), note, seconds}]}.
    """
    from spivae.conformance import checks_of_plugin, counts, find
    from spivae.plugins import load_plugins

    folders = []
    if name.endswith(".py") and Path(name).is_file():
        folders, name = [str(Path(name).absolute())], Path(name).stem
    found: list[Finding] = []
    subject = ""
    for one in checks_of_plugin(name, load_plugins(folders), folders):
        finding = find(one)
        found.append(finding)
        if not as_json:
            if finding.subject != subject:
                emit(paint(finding.subject, "heading"))
                subject = finding.subject
            emit(line(finding))
    counted = counts(found)
    if as_json:
        emit_json({"plugin": name, **counted, "checks": found})
    else:
        emit()
        emit(", ".join(f"{number} {status}" for status, number in counted.items()))
    return 1 if counted["failed"] else 0


def line(finding: Finding) -> str:
    """How one check went."""
    note = " ".join(finding.note.split())
    return f"  {paint(f'{finding.status:8}', STYLES[finding.status])} {finding.check:32} {note}".rstrip()
