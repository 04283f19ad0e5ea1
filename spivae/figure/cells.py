"""Rows of styled cells: what every drawing in the terminal ends as."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Span(NamedTuple):
    """Neighbouring cells of one style. Colours: "#RRGGBB", an "ansi_..." name, or None for the default."""

    text: str
    fg: str | None = None
    bg: str | None = None
    bold: bool = False


Row = list[Span]
_Cell = tuple[str, str | None, str | None, bool]
_EMPTY: _Cell = (" ", None, None, False)


class Cells:
    """A grid of `height` rows of `width` cells to write into; what falls outside is left out."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = max(width, 0), max(height, 0)
        self._grid: list[list[_Cell]] = [[_EMPTY] * self.width for _ in range(self.height)]

    def put(
        self, x: int, y: int, text: str, fg: str | None = None, bg: str | None = None, bold: bool = False
    ) -> None:
        """Write text from (x, y) to the right, row 0 on top."""
        if not 0 <= y < self.height:
            return
        row = self._grid[y]
        for column, char in enumerate(text, start=x):
            if 0 <= column < self.width:
                row[column] = (char, fg, bg, bold)

    def put_over(self, x: int, y: int, char: str, fg: str | None, bold: bool = False) -> None:
        """Write one character and keep the cell's background."""
        if 0 <= y < self.height and 0 <= x < self.width:
            _, old_fg, old_bg, _ = self._grid[y][x]
            # A lower half block is all foreground below: take that as the new background.
            behind = old_bg if old_bg is not None else old_fg if self._grid[y][x][0] in "▀▄" else None
            self._grid[y][x] = (char, fg, behind, bold)

    def rows(self) -> list[Row]:
        return [_merge(row) for row in self._grid]


def _merge(cells: list[_Cell]) -> Row:
    spans: Row = []
    text: list[str] = []
    visible = False  # whether the span at hand has anything but blanks
    style: tuple[str | None, str | None, bool] | None = None
    for char, fg, bg, bold in cells:
        # A blank shows its background alone, so it joins its neighbour: few spans are few bytes on the wire.
        same_ground = style is not None and style[1] == bg
        if same_ground and visible and char != " " and (fg, bg, bold) != style:
            same_ground = False
        if style is not None and not same_ground:
            spans.append(Span("".join(text), *style))
            text, visible = [], False
        if not visible:
            style = (fg, bg, bold) if char != " " else (None, bg, False)
        visible = visible or char != " "
        text.append(char)
    if style is not None:
        spans.append(Span("".join(text), *style))
    return spans


def blank(width: int) -> Row:
    """A row of `width` empty cells."""
    return [Span(" " * width)] if width > 0 else []


def text_row(text: str, width: int, fg: str | None = None, bold: bool = False, right: str = "") -> Row:
    """One row: the text on the left, `right` (in the same colour, never bold) at the right end."""
    cells = Cells(width, 1)
    cells.put(0, 0, text, fg, bold=bold)
    cells.put(width - len(right), 0, right, fg)
    return cells.rows()[0]


def shorten(text: str, width: int, ellipsis: str) -> str:
    """The text cut to `width` cells, with an ellipsis where something is missing."""
    if len(text) <= width:
        return text
    return text[: width - 1] + ellipsis if width > 1 else text[: max(width, 0)]


def join(rows: Iterable[Row]) -> Row:
    """Rows side by side as one row."""
    joined: Row = []
    for row in rows:
        for span in row:
            last = joined[-1] if joined else None
            blanks = last is not None and last.bg == span.bg and not span.text.strip(" ")
            if last is not None and (blanks or last[1:] == span[1:]):
                joined[-1] = last._replace(text=last.text + span.text)
            else:
                joined.append(span)
    return joined
