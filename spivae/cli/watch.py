"""`spivae watch`: following a training, as curves in a terminal and as lines anywhere else."""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from spivae import wording
from spivae.cli import watch_sweep
from spivae.cli.common import common_options, run_argument, run_dir_option
from spivae.cli.listing import STATES
from spivae.cli.output import emit, emit_json, is_terminal
from spivae.cli.training_progress import epoch_line
from spivae.errors import SpivaeError, WorkFailed

if TYPE_CHECKING:
    from rich.console import Group

    from spivae.figure.look import Look
    from spivae.following.follower import RunFollower, RunView
    from spivae.following.usage import Usage

_LOOK_SECONDS = 0.5
_DROPPED = ("speed", "gpu", "cpu", "step", "left", "epoch")  # where there is no room, in this order
_RICH = {"good": "green", "accent": "cyan", "bad": "red", "warn": "yellow"}  # as output.paint has them


@click.command()
@run_argument
@click.option("--once", is_flag=True, help="Show how it stands now, and end.")
@click.option("--width", type=click.IntRange(20, 1000), metavar="N", help="Cells  [default: the terminal's]")
@click.option("--height", type=click.IntRange(8, 1000), metavar="N", help="Rows  [default: the terminal's]")
@run_dir_option
@common_options()
def watch(run: str, once: bool, width: int | None, height: int | None, run_dir: Path, as_json: bool) -> None:
    """Follow a training until it ends: live curves in a terminal, else a line an epoch.

    Ctrl-C leaves it; the training goes on. RUN is an id, its unique beginning, or a path; of a sweep, the
    table of its runs is followed, or a line a change. The exit code is 1 where the training, or one of the
    sweep, has failed or its trainer is gone.

    --json: {id, path, state, epoch, epochs, step, steps, seconds, last (the newest validation)}, when the run
    has ended, or with --once as it stands now; of a sweep, what `spivae sweep SWEEP --json` answers.
    """
    from spivae.following.follower import RunFollower
    from spivae.training.run import Run, find_run
    from spivae.training.sweep import find_sweep

    sweep = find_sweep(run, run_dir)
    if sweep is not None:
        if width is not None or height is not None:
            raise SpivaeError(f"{sweep.id}: a sweep is shown as a table; --width and --height are for curves")
        watch_sweep.follow(sweep, once, as_json)
        return
    found = find_run(run, run_dir)
    follower = RunFollower(str(found.path), Run.open)
    if as_json:
        view = _end(follower, once)
        emit_json(_document(view))
    else:
        drawn = once or is_terminal(sys.stdout)
        view = _draw(follower, once, width, height) if drawn else _lines(follower)
    if view.state in ("failed", "lost"):
        found.refresh()
        raise WorkFailed(f"{found.id}: {view.state}: {found.why_ended()}")


def _end(follower: RunFollower, once: bool) -> RunView:
    """The view of a run at its end, or as it stands now."""
    *_, view = follower.poll()
    while not once and not _is_over(view):
        time.sleep(_LOOK_SECONDS)
        for view in follower.poll():  # noqa: B007  the last one counts
            pass
    return view


def _is_over(view: RunView) -> bool:
    """Whether a run has ended for good; Slurm may yet begin again what it has stopped."""
    from spivae.training.run import Run
    from spivae.training.slurm import may_go_on

    return view.over and not may_go_on(Run(view.path, view.info))


def _waits(view: RunView) -> str:
    """For what a run waits that has not begun, or why for nothing."""
    from spivae.training.run import Run
    from spivae.training.waiting import waits_for

    return waits_for(Run(view.path, view.info)) if view.state == "queued" else view.why


def _document(view: RunView) -> dict[str, Any]:
    info = view.info
    return {
        "id": info.id,
        "path": view.path,
        "state": view.state,
        "epoch": view.epoch,
        "epochs": info.epochs,
        "step": view.step,
        "steps": info.steps,
        "seconds": view.seconds,
        "last": view.epochs[-1] if view.epochs else None,
    }


def _lines(follower: RunFollower) -> RunView:
    """A line an epoch, those that were before first; the last view."""
    view, said, waited = None, 0, ""
    while True:
        for view in follower.poll():
            waits = _waits(view)
            if waits and waits != waited:
                emit(f"{view.state}: {waits}")
            waited = waits
            if view.read < 1:
                continue  # a long file is still being read
            said = min(said, len(view.epochs))  # a resumed run repeats some
            for record in view.epochs[said:]:
                emit(epoch_line(record, view.info.epochs))
            said = len(view.epochs)
            sys.stdout.flush()
        if view is not None and _is_over(view):
            emit(f"{view.state}: {view.checkpoint or view.info.id}")
            return view
        time.sleep(_LOOK_SECONDS)


def _draw(follower: RunFollower, once: bool, width: int | None, height: int | None) -> RunView:
    """The curves, again and again in place while the run goes on; the last view stays on the screen."""
    from rich.console import Console
    from rich.live import Live

    from spivae.figure.look import Look
    from spivae.following.usage import UsageMeter

    look = Look.detect(os.environ, sys.stdout.encoding)
    console = Console(width=width, highlight=False)
    meter = UsageMeter()
    usage: Usage | None = None
    *_, view = follower.poll()
    if not once and not _is_over(view):
        with Live(console=console, screen=True, auto_refresh=False) as live:
            size = None
            while not _is_over(view):
                views, now = list(follower.poll()), shutil.get_terminal_size()
                before, usage = usage, meter.read(view.info)
                if views or now != size or usage != before:
                    view, size = views[-1] if views else view, now
                    frame = _frame(view, width or now.columns, height or now.lines, look, usage)
                    live.update(frame, refresh=True)
                time.sleep(_LOOK_SECONDS)
    size = shutil.get_terminal_size()
    console.print(_frame(view, width or size.columns, height or size.lines - 1, look))
    return view


def _frame(view: RunView, width: int, height: int, look: Look, usage: Usage | None = None) -> Group:
    """Two lines about the run and its curves, in so many rows."""
    from rich.console import Group
    from rich.text import Text

    from spivae.figure.rich_text import to_rich
    from spivae.figure.terminal import draw

    head = Text(no_wrap=True, overflow="ellipsis")
    head.append(view.state, _RICH.get(STATES.get(view.state, ""), "") if look.colors != "none" else "")
    room = width - len(view.state) - len(view.info.id) - 2
    head.append("".join(f"  {part}" for part in (*_fitting(_standing(view, usage), room), view.info.id)))
    newest = Text(_newest(view), no_wrap=True, overflow="ellipsis")
    if view.figure is None:
        return Group(head, newest)
    return Group(head, newest, Text("\n").join(to_rich(draw(view.figure, width, height - 2, look))))


def _fitting(parts: dict[str, str], room: int) -> list[str]:
    """The parts that there is room for, with two cells before each; those in `_DROPPED` go first."""
    kept = [key for key in _DROPPED if key in parts]
    while kept and sum(len(parts[key]) + 2 for key in kept) > room:
        kept.pop(0)
    return [part for key, part in parts.items() if key in kept]


def _standing(view: RunView, usage: Usage | None) -> dict[str, str]:
    """How far it is, how fast and how long it will take, and what of this machine it takes."""
    if not view.step:
        return {}
    parts = {
        "epoch": f"epoch {view.epoch:.2f}/{view.info.epochs}",
        "step": f"step {view.step:,}/{view.info.steps:,}",
    }
    if not view.over:
        if view.speed:
            parts["speed"] = f"{view.speed:.3g} steps/s"
        if view.left is not None:
            parts["left"] = f"{wording.duration(view.left)} left"
        if usage is not None and usage.cpu is not None and usage.memory is not None:
            parts["cpu"] = f"CPU {usage.cpu:.0f} %, {wording.size(usage.memory)}"
        if usage is not None and usage.gpu is not None:
            parts["gpu"] = f"GPU {usage.gpu:.0f} %"
    return parts


def _newest(view: RunView) -> str:
    """The last validation, or the loss while there is none; why it has failed, or for what it waits."""
    waits = _waits(view)
    if waits:
        return waits
    if view.state == "failed" and view.info.error:
        return " ".join(view.info.error.split())
    if view.epochs:
        return epoch_line(view.epochs[-1], view.info.epochs)
    return "" if view.loss is None else f"loss {view.loss:.4f}"
