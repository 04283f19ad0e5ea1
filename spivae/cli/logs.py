"""`spivae logs`: what a detached training, or the queue of a sweep, has written."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from spivae.cli.common import common_options, run_argument, run_dir_option
from spivae.cli.output import emit, emit_json, note
from spivae.errors import SpivaeError

if TYPE_CHECKING:
    from spivae.training.run import Run, RunInfo
    from spivae.training.sweep import Sweep

_LOOK_SECONDS = 0.2
_CHUNK = 1 << 16


@click.command()
@run_argument
@click.option("-f", "--follow", is_flag=True, help="Wait for it to begin, and go on until it has ended.")
@click.option(
    "-n", "--lines", type=click.IntRange(min=0), metavar="N", help="The last N lines  [default: all]"
)
@run_dir_option
@common_options()
def logs(run: str, follow: bool, lines: int | None, run_dir: Path, as_json: bool) -> None:
    """Print the log of a training: what a detached one has written.

    RUN is an id, its unique beginning, or a path; of a sweep, the log is that of its queue.

    --json: {id, path, log [line]}, not with --follow.
    """
    from spivae.training.run import find_run
    from spivae.training.sweep import Sweep, find_sweep

    if as_json and follow:
        raise SpivaeError("--json: is one document, and --follow never ends; leave one of them out")
    found = find_sweep(run, run_dir) or find_run(run, run_dir)
    log = _QueueLog(found) if isinstance(found, Sweep) else _RunLog(found)
    if follow:
        _follow(log, lines)
        return
    if not log.path.exists():
        raise SpivaeError(f"{found.id}: has no log; {log.waits() or log.why_none()}")
    with open(log.path, "rb") as file:
        _skip(file, lines)
        if as_json:
            emit_json({"id": found.id, "path": found.path, "log": [_text(line) for line in file]})
            return
        for line in file:
            emit(_text(line))


class _RunLog:
    """The log of a run, and whether there is going to be more of it."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.id = run.id
        self.path = run.log_path

    def is_over(self) -> bool:
        """Whether the trainer writes no more: its last words come after its state."""
        from spivae.training.slurm import may_go_on

        self.run.refresh()
        ended = self.run.state() not in ("queued", "running")
        return ended and _is_silent(self.run.info) and not may_go_on(self.run)

    def waits(self) -> str:
        """For what it waits, in words; "" where it is at work, or over."""
        from spivae.training.waiting import waits_for

        return waits_for(self.run, silent=not self.path.exists())

    def why_none(self) -> str:
        """Why there is no log, and none is to be waited for."""
        if why := self.run.why_not_begun():
            return why
        if self.run.info.attempt == 0 and self.run.state() in ("stopped", "lost"):
            return f"it was {self.run.state()} before it began"
        return "only a detached training writes one"


class _QueueLog:
    """The log of the queue that starts a sweep's runs."""

    def __init__(self, sweep: Sweep) -> None:
        self.sweep = sweep
        self.id = sweep.id
        self.path = sweep.log_path

    def is_over(self) -> bool:
        return not self.sweep.has_queue()

    def waits(self) -> str:
        return ""

    def why_none(self) -> str:
        if self.sweep.info.slurm is None:
            return f"its queue has never begun; `spivae resume {self.id}` starts it"
        return f"Slurm is its queue (job {self.sweep.job_id}); each of its runs has one: `spivae logs RUN`"


def _follow(log: _RunLog | _QueueLog, lines: int | None) -> None:
    """Print a log that grows, once it is there, until it is over."""
    looks = _looks(log)
    while not log.path.exists():
        next(looks)
    with open(log.path, "rb") as file:
        _skip(file, lines)
        for over in looks:
            for line in file:
                emit(_text(line))
            sys.stdout.flush()  # whoever reads it need not wait for more
            if over:
                return


def _looks(log: _RunLog | _QueueLog) -> Iterator[bool]:
    """Again and again, whether it is over; on stderr, for what it waits. Raises SpivaeError for no log."""
    told = False
    while True:
        over, waits = log.is_over(), log.waits()
        if (over or not waits) and not log.path.exists():
            raise SpivaeError(f"{log.id}: has no log; {log.why_none()}")
        yield over
        if waits and not told:
            note(f"{log.id}: {waits}")
        told = bool(waits)
        time.sleep(_LOOK_SECONDS)


def _skip(file: BinaryIO, lines: int | None) -> None:
    """Go to where the last so many lines begin."""
    if lines is not None:
        file.seek(_last_lines(Path(file.name), lines))


def _is_silent(info: RunInfo) -> bool:
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
