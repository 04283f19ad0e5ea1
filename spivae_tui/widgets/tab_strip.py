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

NUMBERED = 9  # tabs that a key goes to


class TabStrip(Widget):
    """Titles of tabs; `active` is the one that is shown, and always in sight. Keys are the owner's.

    Where not all fit, ‹ and › stand for those beyond; a click on them goes there, and the wheel looks there.
    """

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
        self._first = 0  # the first tab in sight
        self._looking = False  # whether the wheel has moved the tabs since the active one was chosen
        self._places: list[tuple[int, int, int]] = []  # from and to which cell a click means which tab

    def show(self, titles: Sequence[str] | None = None, active: int | None = None) -> None:
        """Other titles, or another active tab."""
        if titles is not None:
            self.titles = list(titles)
        if active is not None:
            self.active = active
        self._looking = False
        self.refresh()

    def _number(self, index: int) -> str:
        """The key that goes to a tab; from the tenth on there is none."""
        return f" {index + 1} " if index < NUMBERED else " "

    def _cells(self, first: int, last: int) -> int:
        """How wide the tabs from the first to the last of these are, with a cell between them."""
        return sum(
            len(self._number(index)) + cell_len(self.titles[index]) + 2
            for index in range(max(first, 0), min(last + 1, len(self.titles)))
        )

    def _begin(self, room: int) -> int:
        """The first tab to draw: as before if the active one and its neighbours are in sight then."""
        first, last = min(self._first, len(self.titles) - 1), len(self.titles) - 1
        if not self._looking:
            first = min(first, max(self.active - 1, 0))
            while first < self.active and self._cells(first, min(self.active + 1, last)) > room:
                first += 1
        while first > 0 and self._cells(first - 1, last) <= room:
            first -= 1  # no empty place at the end
        return max(first, 0)

    def render_line(self, y: int) -> Strip:
        width, base = self.size.width, self.rich_style
        style = {
            part.rpartition("--")[2]: self.get_component_rich_style(part) for part in self.COMPONENT_CLASSES
        }
        first = self._first = self._begin(width - 2)
        segments, x, beyond = [Segment("‹" if first else " ", style["number"])], 1, 0
        self._places = [(0, 1, first - 1)] if first else []
        for index in range(first, len(self.titles)):
            active, cells = index == self.active, self._cells(index, index)
            segments.append(Segment(self._number(index), style["active-number" if active else "number"]))
            segments.append(Segment(f"{self.titles[index]} ", style["active" if active else "tab"]))
            segments.append(Segment(" ", base))
            self._places.append((x, min(x + cells, width) - 1, index))
            x += cells
            if x > width:
                beyond = index
                break
        strip = Strip(segments).simplify()
        if beyond:
            self._places.append((width - 1, width, beyond))
            strip = Strip.join([strip.crop(0, width - 1), Strip([Segment("›", style["number"])])])
        return strip.adjust_cell_length(width, base)

    def on_click(self, event: events.Click) -> None:
        for start, end, index in self._places:
            if start <= event.x < end:
                self.post_message(self.Clicked(index))
                return

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self._look(1, event)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self._look(-1, event)

    def _look(self, by: int, event: events.MouseEvent) -> None:
        event.stop()
        self._looking = True
        self._first = min(max(self._first + by, 0), max(len(self.titles) - 1, 0))
        self.refresh()
