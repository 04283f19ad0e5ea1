"""Following a run: its files are looked at again and again, and what is new becomes one view of it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spivae.errors import SpivaeError
from spivae.tags import read_tags

if TYPE_CHECKING:
    from spivae.figure.spec import Figure
    from spivae.following.figure import Unit
    from spivae.following.samples import Between
    from spivae.following.series import RunSeries
    from spivae.training.recipe import Recipe
    from spivae.training.run import Run, RunInfo

CHUNK = 1 << 20  # bytes of metrics that are decoded at once
LOG_BYTES = 16_384
BETWEEN_SECONDS = 0.1  # of each look, for what lies between the samples of a long file
SHOW_SECONDS = 0.3  # while a long file is read, the curves so far are shown this often


@dataclass(frozen=True)
class RunView:
    """Everything that a screen shows of a run at one moment."""

    info: RunInfo
    state: str
    stopping: bool
    recipe: Recipe | None
    checkpoints: tuple[Path, ...]
    step: int = 0
    epoch: float = 0.0
    seconds: float = 0.0
    speed: float | None = None
    left: float | None = None
    loss: float | None = None
    last: dict[str, Any] = field(default_factory=dict)
    epochs: tuple[dict[str, Any], ...] = ()
    diverged_at: int | None = None
    log: tuple[str, ...] = ()
    read: float = 1.0  # share of metrics.jsonl that is in this view
    searched: float = 1.0  # share of a long file in which single spikes were looked for; 1 for a short one
    figure: Figure | None = None
    path: Path = Path()
    job: str = ""  # how its job stands, in words, where Slurm has not begun it yet or has ended it
    tags: tuple[str, ...] = ()
    why: str = ""  # what keeps it from beginning, in words

    @property
    def over(self) -> bool:
        return self.state not in ("queued", "running")

    @property
    def checkpoint(self) -> Path | None:
        """The checkpoint that stands for the run: the final one, where it stopped, the best, or any."""
        named = {path.stem: path for path in self.checkpoints}
        order = ("final", "stopped", "best") if self.over else ("best",)
        newest = self.checkpoints[-1] if self.checkpoints else None
        return next((named[name] for name in order if name in named), newest)


class RunFollower:
    """Looks at a run's directory. `poll` is called from one thread at a time.

    `open_run` gives the Run at a path. Nothing but a few stats is done where no file has changed. Views have
    a figure unless `draws` is off.
    """

    def __init__(self, path: str, open_run: Callable[[str], Run], draws: bool = True) -> None:
        self.path = Path(path)
        self.draws = draws
        self.window = 1.0
        self.unit: Unit = "epoch"
        self._open_run = open_run
        self._run: Run | None = None
        self._recipe: Recipe | None = None
        self._seen: tuple[Any, ...] = ()
        self._between: Between | None = None
        self._series: RunSeries | None = None

    def poll(self, again: bool = False) -> Iterator[RunView]:
        """A view if anything is new (or `again`), several while a long file is read. Raises SpivaeError."""
        try:
            yield from self._look(again)
        except SpivaeError:
            self._seen = ()  # so that there is a view again, as soon as it can be read
            raise
        except OSError as error:
            self._seen = ()
            raise SpivaeError(f"{error.filename or self.path}: cannot be read ({error.strerror})") from None

    def _begin(self) -> Run:
        from spivae.following.samples import Between, read_past
        from spivae.following.series import RunSeries
        from spivae.training.metrics import MetricsReader

        run = self._open_run(str(self.path))
        self._reader, self._series, self._between = MetricsReader(run.metrics_path), RunSeries(), None
        past = read_past(run.metrics_path)
        if past is not None:
            self.series.restore(past)
            self._reader.begin_at(past.end)
            self._between = Between(run.metrics_path)
        try:
            self._recipe = run.recipe
        except SpivaeError:
            self._recipe = None  # the curves can be shown without it
        return run

    def _look(self, again: bool) -> Iterator[RunView]:
        from spivae.following.samples import Between

        run = self._run = self._run or self._begin()
        files = self._signature()
        if files != self._seen and files[:1] != self._seen[:1]:
            run.refresh()
        # the trainer may vanish without a trace in any file, and Slurm writes none
        state = run.state()
        seen = (*files, state, _job_words(run.info, state))
        found_more = bool(self._seen) and self._look_between()
        if seen == self._seen and not again and not found_more:
            return
        shown = time.monotonic()
        while records := self._reader.poll(CHUNK):
            before = self.series.step
            self.series.feed(records)
            if self._between is not None and self.series.step < before:
                # resumed from before: what was found of the steps that come again counts no more
                self._between = Between(run.metrics_path)
            if time.monotonic() - shown > SHOW_SECONDS:
                shown = time.monotonic()
                yield self._view(run)
        view = self._view(run)
        self._seen = seen  # only now: what could not be shown is new the next time too
        yield view

    def _look_between(self) -> bool:
        """Look for spikes between the samples of a long file, for a moment; whether there was more to see."""
        if self._between is None:
            return False
        end = time.monotonic() + BETWEEN_SECONDS
        while (found := self._between.read()) is not None:
            self.series.widen(*found)
            if time.monotonic() > end:
                return True
        self._between = None
        return True

    @property
    def searched(self) -> float:
        """The share of a long file in which single spikes were looked for, at a moment of each `poll`."""
        return 1.0 if self._between is None else self._between.done

    @property
    def series(self) -> RunSeries:
        """The curves so far; those of a run that cannot be read have no step."""
        if self._series is None:
            from spivae.following.series import RunSeries

            self._series = RunSeries()
        return self._series

    def _signature(self) -> tuple[tuple[int, int], ...]:
        names = ("run.json", "metrics.jsonl", "log.txt", "STOP", "checkpoints", "tags.txt")
        return tuple(_stamp(self.path / name) for name in names)

    def _view(self, run: Run) -> RunView:
        from spivae.following.figure import figure

        series, info = self.series, run.info
        size = _stamp(run.metrics_path)[1]
        recipe = self._recipe
        true = recipe.model_args.true_beta if recipe is not None else None
        phases = [phase.epochs for phase in recipe.training.phase] if recipe is not None else []
        state = run.state()
        return RunView(
            info=info,
            state=state,
            stopping=run.stop_path.exists(),
            recipe=recipe,
            checkpoints=tuple(run.checkpoints()),
            step=series.step,
            epoch=series.epoch,
            seconds=float(series.last.get("seconds", 0.0)),
            speed=series.speed(),
            left=series.seconds_left(info.steps) if info.steps else None,
            loss=series.smooth if series.step else None,
            last=dict(series.last),
            epochs=tuple(series.epochs),
            diverged_at=series.diverged_at,
            log=tuple(tail(run.log_path)),
            read=min(1.0, self._reader.offset / size) if size > 0 else 1.0,
            searched=self.searched,
            figure=figure(series, info, self.window, true, phases, self.unit, self.searched)
            if series.step and self.draws
            else None,
            path=self.path,
            job=_job_words(info, state),
            tags=tuple(read_tags(run.path)),
            why=run.why_not_begun(),
        )


def _job_words(info: RunInfo, state: str) -> str:
    if info.job is None or state not in ("queued", "lost"):
        return ""
    from spivae.slurm.queue import describe

    return describe(info.job)


def _stamp(path: Path) -> tuple[int, int]:
    """When a file was last written and how long it is; (-1, -1) where there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return -1, -1
    return status.st_mtime_ns, status.st_size


def tail(path: Path, limit: int = LOG_BYTES) -> list[str]:
    """The last lines of a text file, at most about `limit` bytes of them; none where it cannot be read."""
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(max(0, size - limit))
            data = file.read()
    except OSError:
        return []
    lines = data.decode("utf-8", "replace").removesuffix("\n").split("\n")
    return [_plain(line) for line in (lines[1:] if size > limit else lines)]


def _plain(line: str) -> str:
    """A line without what would move the cursor; of a progress bar its last state."""
    return "".join(char if char.isprintable() else " " for char in line.rstrip().rpartition("\r")[2])
