"""PlotView: a figure that is drawn off the event loop and repaints only the cells that changed."""

from __future__ import annotations

import dataclasses
import os
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual import work
from textual.app import ComposeResult
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip
from textual.timer import Timer
from textual.widget import Widget
from textual.worker import Worker, WorkerState

from spivae.figure.look import Look

if TYPE_CHECKING:  # numpy comes after the first frame
    from spivae.figure.spec import Figure

# Textual writes a changed line from its widget's left edge on. In narrow bands that is little.
BANDS = 5
MIN_INTERVAL = 0.25  # seconds between draws: live data are shown at most four times a second
REST = 80  # times as long as a drawing has kept a core busy, until the next: many curves are drawn less often
MAX_INTERVAL = 5.0

_Row = Sequence[tuple[str, str | None, str | None, bool]]


@dataclasses.dataclass(frozen=True)
class _Job:
    """All that a drawing depends on."""

    figure: Figure
    first: int
    size: Size
    look: Look


class _Band(Widget):
    """A vertical part of a PlotView."""

    DEFAULT_CSS = "_Band { width: 1fr; height: 1fr; }"

    def __init__(self, view: PlotView) -> None:
        super().__init__()
        self.view = view

    @property
    def left(self) -> int:
        """Where the band begins in its view."""
        return self.region.x - self.view.content_region.x

    def render_line(self, y: int) -> Strip:
        return self.view.line(y).crop(self.left, self.left + self.size.width).apply_style(self.rich_style)


class PlotView(Widget):
    """Shows a figure, drawn for its size and the app's theme.

    `set_figure` may be called as often as data come in: drawing happens in a thread, at most four times a
    second and for a small share of a core; one that is out of date when it is done is thrown away.
    """

    DEFAULT_CSS = """
    PlotView { width: 1fr; height: 1fr; layout: horizontal; }
    """

    class Resized(Message):
        """The plot has its size, or another: more or fewer panels may fit."""

    look: reactive[Look | None] = reactive(None, init=False)
    """Glyphs and colours; None follows the terminal. Light or dark follows the app's theme in either case."""

    def __init__(
        self,
        *,
        placeholder: str = "nothing to show yet",
        look: Look | None = None,
        name: str | None = None,
        id: str | None = None,
        classes: str | None = None,
    ) -> None:
        super().__init__(name=name, id=id, classes=classes)
        self.placeholder = placeholder
        self.set_reactive(PlotView.look, look)
        self._figure: Figure | None = None
        self._first = 0
        self._rows: list[_Row] = []
        self._strips: list[Strip] = []
        self._message = placeholder
        self._shown: _Job | None = None
        self._drawing: _Job | None = None
        self._started = float("-inf")
        self._cost = 0.0  # processor seconds of the last drawing
        self._timer: Timer | None = None

    # What owners call

    def set_figure(self, figure: Figure | None, first: int = 0, *, at_once: bool = False) -> None:
        """Show a figure from panel `first` on; None shows the placeholder.

        `at_once` answers a key: it is drawn without waiting for the interval between two draws.
        """
        self._figure, self._first = figure, first
        if figure is None:
            self._show_message(self.placeholder)
        elif at_once:
            self._draw_now()
        else:
            self._draw_soon()

    def set_placeholder(self, text: str) -> None:
        """What is shown while there is no figure."""
        self.placeholder = text
        if self._figure is None:
            self._show_message(text)

    @property
    def figure(self) -> Figure | None:
        return self._figure

    @property
    def panels_per_page(self) -> int:
        """How many panels of the figure are shown at once."""
        if self._figure is None or not self.size.area:
            return 1
        from spivae.figure.terminal import panels_per_page

        return panels_per_page(self._figure, self.size.width, self.size.height)

    @property
    def is_current(self) -> bool:
        """Whether what is on the screen is the figure that was last set."""
        job = self._job()
        return job is None or job == self._shown

    def compose(self) -> ComposeResult:
        for _ in range(BANDS):
            yield _Band(self)

    # When to draw

    def on_mount(self) -> None:
        self.app.theme_changed_signal.subscribe(self, lambda _: self._draw_now())

    def on_resize(self) -> None:
        self._draw_now()
        self.post_message(self.Resized())

    def watch_look(self) -> None:
        self._draw_now()

    def _job(self) -> _Job | None:
        if self._figure is None or not self.is_attached or not self.size.area:
            return None
        return _Job(self._figure, self._first, self.size, self._look_here())

    def _look_here(self) -> Look:
        look = self.look or Look.detect(os.environ, getattr(sys.__stdout__, "encoding", None))
        theme = self.app.current_theme
        # An ANSI theme is what one chooses for 16 colours; anything finer would ignore the user's palette.
        colors = "16" if theme.ansi and look.colored else look.colors
        return dataclasses.replace(look, dark=theme.dark, colors=colors)

    def _draw_now(self) -> None:
        """Draw without waiting for the interval between two draws."""
        self._started = float("-inf")
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
        self._draw_soon()

    def _draw_soon(self) -> None:
        """Draw now, or as soon as the drawing at work is done and the interval is over."""
        job = self._job()
        if job is None or job == self._shown or self._drawing is not None or self._timer is not None:
            return
        interval = min(MAX_INTERVAL, max(MIN_INTERVAL, REST * self._cost))
        wait = self._started + interval - time.monotonic()
        if wait > 0:
            self._timer = self.set_timer(wait, self._timed_out)
            return
        self._started = time.monotonic()
        self._drawing = job
        self._draw(job)

    def _timed_out(self) -> None:
        self._timer = None
        self._draw_soon()

    # without a description, one would be made of all that is in the figure
    @work(thread=True, exclusive=True, group="plot", exit_on_error=False, description="draw")
    def _draw(self, job: _Job) -> tuple[_Job, list[_Row]]:
        from spivae.figure.terminal import draw

        began = time.thread_time()
        rows: list[_Row] = list(draw(job.figure, job.size.width, job.size.height, job.look, job.first))
        self._cost = time.thread_time() - began
        return job, rows

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        if event.worker.group != "plot" or event.state in (WorkerState.PENDING, WorkerState.RUNNING):
            return
        event.stop()
        job, self._drawing = self._drawing, None
        if event.state is WorkerState.SUCCESS and event.worker.result is not None:
            done, rows = event.worker.result
            if done == self._job():
                self._show(done, rows)
        elif event.state is WorkerState.ERROR and job is not None and job == self._job():
            self.log.error(event.worker.error)
            self._shown = job  # the same figure would only fail again
            self._show_message(f"this figure could not be drawn: {event.worker.error}")
        self._draw_soon()

    # What is on the screen

    def _show(self, job: _Job, rows: list[_Row]) -> None:
        """Take new rows over and repaint the cells in which they differ from the old ones."""
        old, fresh = self._rows, bool(self._message) or self._shown is None or job.size != self._shown.size
        self._shown, self._message, self._rows = job, "", rows
        if fresh or len(old) != len(rows):
            self._strips = [_strip(row, job.size.width) for row in rows]
            self._repaint()
            return
        for y, (before, after) in enumerate(zip(old, rows, strict=True)):
            if before != after:
                start, stop = _changed_cells(before, after)
                if start < stop:
                    self._strips[y] = _strip(after, job.size.width)
                    self._repaint(Region(start, y, stop - start, 1))

    def _show_message(self, text: str) -> None:
        if self._message == text and not self._rows:
            return
        self._message, self._rows, self._strips = text, [], []
        if self._figure is None:
            self._shown = None
        self._repaint()

    def _repaint(self, region: Region | None = None) -> None:
        for band in self.query(_Band):
            if region is None:
                band.refresh()
            elif part := region.intersection(Region(band.left, 0, *band.size)):
                band.refresh(part.translate((-band.left, 0)))

    def line(self, y: int) -> Strip:
        """What is shown on line y."""
        width = self.size.width
        if self._message:
            text = self._message[:width] if y == self.size.height // 2 else ""
            return Strip([Segment(text.center(width), Style(dim=True))], width)
        return self._strips[y].adjust_cell_length(width) if y < len(self._strips) else Strip.blank(width)


def _strip(row: _Row, width: int) -> Strip:
    return Strip([Segment(text, _style(fg, bg, bold)) for text, fg, bg, bold in row], width)


def _style(fg: str | None, bg: str | None, bold: bool) -> Style | None:
    if fg is None and bg is None and not bold:
        return None
    return Style(color=_color(fg), bgcolor=_color(bg), bold=bold or None)


def _color(name: str | None) -> Color | None:
    return Color.parse(name.removeprefix("ansi_")) if name else None


def _changed_cells(before: _Row, after: _Row) -> tuple[int, int]:
    """The columns, start and stop, between which two rows differ to the eye."""
    old, new = _cells(before), _cells(after)
    differ = [index for index, (a, b) in enumerate(zip(old, new, strict=True)) if a != b]
    return (differ[0], differ[-1] + 1) if differ else (0, 0)


def _cells(row: _Row) -> list[tuple[str, str | None, str | None, bool]]:
    # The foreground of a blank is not seen.
    return [
        (char, fg if char != " " else None, bg, bold if char != " " else False)
        for text, fg, bg, bold in row
        for char in text
    ]
