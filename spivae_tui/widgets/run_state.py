"""How a run stands: two lines of words, and beneath them a bar of the epochs with the phases marked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from spivae_tui.run_words import Piece, fit_pieces

_GAP = "  "


class RunStateView(Widget):
    """Draws only the lines whose words have changed."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        f"run-state--{role}"
        for role in ("muted", "strong", "accent", "good", "bad", "warn", "bar", "bar-rest", "bar-phase")
    }
    ALLOW_SELECT = False

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.lines: tuple[list[Piece], list[Piece]] = ([], [])
        self.mark = Piece(" ")
        self.done = 0.0
        self.phases: tuple[float, ...] = ()
        self._drawn: dict[int, Strip] = {}

    def show(
        self,
        mark: Piece,
        first: Sequence[Piece],
        second: Sequence[Piece],
        done: float,
        phases: Sequence[float],
    ) -> None:
        """Other words; `done` is the share of the training, `phases` where its phases end."""
        self.mark, self.lines = mark, (list(first), list(second))
        self.done, self.phases = done, tuple(phases)
        for y, strip in list(self._drawn.items()):
            if y < self.size.height and self._line(y) != strip:
                self.refresh(Region(0, y, self.size.width, 1))

    def render_line(self, y: int) -> Strip:
        strip = self._line(y)
        self._drawn[y] = strip
        return strip

    def _line(self, y: int) -> Strip:
        if y == 2:
            return self._bar()
        width, base = self.size.width, self.rich_style
        if y > 2:
            return Strip.blank(width, base)
        lead = self.mark.words if y == 0 else " "
        segments = [Segment(" ", base), Segment(lead, self._style(self.mark.role)), Segment(" ", base)]
        for index, piece in enumerate(fit_pieces(self.lines[y], width - 4, len(_GAP))):
            if index:
                segments.append(Segment(_GAP, base))
            segments.append(Segment(piece.words, self._style(piece.role)))
        return Strip(segments).simplify().adjust_cell_length(width, base)

    def _bar(self) -> Strip:
        """Filled as far as the training is; a tick where a phase ends."""
        width = self.size.width
        plain = getattr(self.app, "ascii_only", False)
        line, tick = ("-", "+") if plain else ("━", "┿")
        filled = min(width, round(self.done * width))
        ticks = {round(end * width) for end in self.phases if 0 < end < 1}
        full, rest, phase = (self._style(name) for name in ("bar", "bar-rest", "bar-phase"))
        segments = []
        for x in range(width):
            style = full if x < filled else phase if x in ticks else rest
            segments.append(Segment(tick if x in ticks else "=" if plain and x < filled else line, style))
        return Strip(segments).simplify()

    def _style(self, role: str) -> Style:
        base = self.rich_style
        return base + self.get_component_rich_style(f"run-state--{role}", partial=True) if role else base
