"""Tabs in one quiet line, numbered, clickable."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from textual import events
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget


class TabStrip(Widget):
    """Titles of tabs; `active` is the one that is shown. Keys are the owner's."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        f"tab-strip--{part}" for part in ("tab", "number", "active", "active-number")
    }
    ALLOW_SELECT = False

    class Clicked(Message):
        """A tab was clicked."""

        def __init__(self, index: int) -> None:
            super().__init__()
            self.index = index

    def __init__(self, titles: Sequence[str] = (), *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.titles = list(titles)
        self.active = 0
        self._places: list[tuple[int, int, int]] = []

    def show(self, titles: Sequence[str] | None = None, active: int | None = None) -> None:
        """Other titles, or another active tab."""
        if titles is not None:
            self.titles = list(titles)
        if active is not None:
            self.active = active
        self.refresh()

    def _first(self, width: int) -> int:
        """The first tab to draw, so that the active one is to be seen."""
        first = 0
        widths = [cell_len(title) + 5 for title in self.titles]
        while first < self.active and sum(widths[first : self.active + 1]) > width - 2:
            first += 1
        return first

    def render_line(self, y: int) -> Strip:
        width, base = self.size.width, self.rich_style
        style = {
            part.rpartition("--")[2]: self.get_component_rich_style(part) for part in self.COMPONENT_CLASSES
        }
        first = self._first(width)
        segments, x = [Segment("‹" if first else " ", style["number"])], 1
        self._places = []
        for index in range(first, len(self.titles)):
            title, active = self.titles[index], index == self.active
            cells = cell_len(title) + 4
            segments.append(Segment(f" {index + 1} ", style["active-number" if active else "number"]))
            segments.append(Segment(f"{title} ", style["active" if active else "tab"]))
            segments.append(Segment(" ", base))
            self._places.append((x, x + cells, index))
            x += cells + 1
        strip = Strip(segments).simplify()
        if x > width:
            strip = Strip.join([strip.crop(0, width - 1), Strip([Segment("›", style["number"])])])
        return strip.adjust_cell_length(width, base)

    def on_click(self, event: events.Click) -> None:
        for start, end, index in self._places:
            if start <= event.x < end:
                self.post_message(self.Clicked(index))
