"""The line beneath a plot: what came out, or how far a computation is; on the right which panels are seen."""

from __future__ import annotations

from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from textual.strip import Strip
from textual.widget import Widget

from spivae_tui.text import clip
from spivae_tui.widgets.notice import progress_bar


class StatusLine(Widget):
    """One line; nothing is drawn where the words are the same."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        f"status-line--{part}" for part in ("words", "bad", "warn", "bar", "bar-rest", "right")
    }
    ALLOW_SELECT = False

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._content: tuple[str, str, float | None, str] = ("", "", None, "words")

    def show(
        self, words: str, right: str = "", *, progress: float | None = None, role: str = "words"
    ) -> None:
        """Say something else. `role` is words, bad or warn."""
        new = (words, right, progress, role)
        if new != self._content:
            self._content = new
            self.refresh()

    def render_line(self, y: int) -> Strip:
        words, right, progress, role = self._content
        width, base = self.size.width, self.rich_style
        style = {
            part.rpartition("--")[2]: self.get_component_rich_style(part) for part in self.COMPONENT_CLASSES
        }
        segments = [Segment(" ", base)]
        room = width - 2 - (cell_len(right) + 2 if right else 0)
        if progress is not None:
            full, rest = progress_bar(progress, 20, getattr(self.app, "ascii_only", False))
            segments += [Segment(full, style["bar"]), Segment(rest, style["bar-rest"])]
            segments.append(Segment("  ", base))
            room -= 22
        segments.append(Segment(clip(words, max(0, room)), style[role]))
        used = sum(segment.cell_length for segment in segments)
        segments.append(Segment(" " * max(1, width - used - cell_len(right) - 1), base))
        segments.append(Segment(right, style["right"]))
        return Strip(segments).simplify().adjust_cell_length(width, base)
