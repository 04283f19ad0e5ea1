"""How far long work is: a bar on stderr, and only in a terminal."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator

OnProgress = Callable[[int, int, str], None]


@contextlib.contextmanager
def progress_bar() -> Iterator[OnProgress]:
    """Call what this gives with (done, total, what); a new `what` starts the bar anew."""
    if not sys.stderr.isatty():
        yield lambda done, total, what: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        refresh_per_second=4,
    ) as bar:
        task = bar.add_task("starting", total=None)
        last = ""

        def show(done: int, total: int, what: str) -> None:
            nonlocal last
            if what != last:
                bar.reset(task, total=total or None, description=what)
                last = what
            # what is done in one go has no fraction to show
            bar.update(task, completed=done, total=total if total > 1 else None)

        yield show
