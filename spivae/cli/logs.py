"""`spivae logs`: what a detached training has written."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from spivae.cli.common import common_options, run_argument, run_dir_option
from spivae.cli.output import emit, emit_json
from spivae.errors import SpivaeError

if TYPE_CHECKING:
    from spivae.training.run import RunInfo

_LOOK_SECONDS = 0.2
_CHUNK = 1 << 16


@click.command()
@run_argument
@click.option("-f", "--follow", is_flag=True, help="Go on until the run has ended.")
@click.option(
    "-n", "--lines", type=click.IntRange(min=0), metavar="N", help="The last N lines  [default: all]"
)
@run_dir_option
@common_options()
def logs(run: str, follow: bool, lines: int | None, run_dir: Path, as_json: bool) -> None:
    """Print the log of a training: what a detached one has written.

    RUN is an id, its unique beginning, or a path.

    --json: {id, path, log [line]}, not with --follow.
    """
    from spivae.training.run import find_run

    found = find_run(run, run_dir)
    if not found.log_path.exists():
        raise SpivaeError(f"{found.id}: has no log; only a detached training writes one")
    if as_json and follow:
        raise SpivaeError("--json: is one document, and --follow never ends; leave one of them out")
    with open(found.log_path, "rb") as file:
        if lines is not None:
            file.seek(_last_lines(found.log_path, lines))
        if as_json:
            emit_json({"id": found.id, "path": found.path, "log": [_text(line) for line in file]})
            return
        while True:
            over = found.state() not in ("queued", "running") and _is_silent(found.info)
            for line in file:
                emit(_text(line))
            if over or not follow:
                return
            time.sleep(_LOOK_SECONDS)
            found.refresh()


def _is_silent(info: RunInfo) -> bool:
    """Whether the trainer writes no more: its last words come after its state."""
    from spivae.training.lock import Owner

    trainer = Owner(info.host, info.pid, info.pid_started)
    return not trainer.here or trainer.gone


def _text(line: bytes) -> str:
    """A line; of a progress bar its last state."""
    return line.decode("utf-8", "replace").rstrip("\n").rpartition("\r")[2]


def _last_lines(path: Path, count: int) -> int:
    """Where the last `count` lines of a file begin, without reading those before."""
    with open(path, "rb") as file:
        at, tail = file.seek(0, os.SEEK_END), b""
        while at and tail.rstrip(b"\n").count(b"\n") < count:
            step = min(_CHUNK, at)
            at = file.seek(at - step)
            tail = file.read(step) + tail
    kept = tail.splitlines(keepends=True)[-count:] if count else []
    return at + len(tail) - sum(map(len, kept))
