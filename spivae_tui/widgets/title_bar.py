"""The first line of a screen: where one is, and on the right how things stand."""

from __future__ import annotations

from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from textual.strip import Strip
from textual.widget import Widget

from spivae_tui.text import shorten


class TitleBar(Widget):
    """`spivae › place` on the left, a muted remark on the right."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"title-bar--name", "title-bar--place", "title-bar--remark"}
    ALLOW_SELECT = False

    def __init__(self, place: str = "", remark: str = "") -> None:
        super().__init__()
        self._place, self._remark = place, remark

    def show(self, place: str | None = None, remark: str | None = None) -> None:
        """Change the words; nothing is drawn where they are the same."""
        new = (self._place if place is None else place, self._remark if remark is None else remark)
        if new != (self._place, self._remark):
            self._place, self._remark = new
            self.refresh()

    def render_line(self, y: int) -> Strip:
        width, base = self.size.width, self.rich_style
        name, place, remark = (
            self.get_component_rich_style(f"title-bar--{part}") for part in ("name", "place", "remark")
        )
        segments = [Segment(" spivae", name)]
        room = width - 8
        right = shorten(self._remark, max(0, room - 20))
        if self._place:
            room -= cell_len(right) + 4
            segments.append(Segment(" › ", remark))
            segments.append(Segment(shorten(self._place, max(0, room)), place))
        used = sum(segment.cell_length for segment in segments)
        segments.append(Segment(" " * max(1, width - used - cell_len(right) - 1), base))
        segments.append(Segment(right, remark))
        return Strip(segments).simplify().adjust_cell_length(width, base)
