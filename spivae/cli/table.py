"""Tables without boxes. A thousand rows take milliseconds (rich needs a second for them)."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from spivae.cli import output
from spivae.cli.output import Styled
from spivae.wording import NOTHING

GAP = "  "
Cell = str | Styled
_UNKNOWN = ("", NOTHING)


@dataclass(frozen=True)
class Column:
    """A column; in a terminal it goes where nothing is known in it, or where there is no room.

    The one with the highest `drop` goes first, those with 0 stay. A column that `shortens` gives way at the
    end: its cells keep their end, where names differ.
    """

    title: str
    right: bool = False
    style: str = ""
    drop: int = 0
    shortens: bool = False


def table(columns: Sequence[Column], rows: Sequence[Sequence[Cell]], indent: int = 0) -> Iterator[str]:
    """The lines of a table: a muted heading, then the rows, in the width of the terminal if there is one."""
    room = output.width()
    texts = [[cell.text if isinstance(cell, Styled) else cell for cell in row] for row in rows]
    widths = [
        max([cells(column.title), *(cells(row[k]) for row in texts)]) for k, column in enumerate(columns)
    ]
    kept = list(range(len(columns)))
    if room is not None:
        room -= indent
        kept = [k for k in kept if not columns[k].drop or any(row[k] not in _UNKNOWN for row in texts)]
        while _total(widths, kept) > room and any(columns[k].drop for k in kept):
            kept.remove(max(kept, key=lambda k: columns[k].drop))
        for k in kept:
            if columns[k].shortens:
                widths[k] = max(8, widths[k] - max(0, _total(widths, kept) - room))
    begin = " " * indent
    heading = [Styled(column.title, "muted") for column in columns]
    for row in (heading, *rows):
        parts = [_cell(row[k], columns[k], widths[k], last=k == kept[-1]) for k in kept]
        yield (begin + GAP.join(parts)).rstrip()


def _total(widths: Sequence[int], kept: Sequence[int]) -> int:
    return sum(widths[k] for k in kept) + len(GAP) * (len(kept) - 1)


def _cell(cell: Cell, column: Column, width: int, last: bool) -> str:
    text, style = cell if isinstance(cell, Styled) else (cell, column.style)
    if column.shortens and cells(text) > width:
        text = shorten(text, width)
    space = "" if last and not column.right else " " * (width - cells(text))
    painted = output.paint(text, style)
    return space + painted if column.right else painted + space


def pairs(items: Sequence[tuple[str, str]], indent: int = 0) -> Iterator[str]:
    """Names, muted, and values, one pair a line; long values go on below themselves."""
    longest = max((cells(name) for name, _ in items), default=0)
    room = output.width()
    for name, value in items:
        lines = wrap(value, None if room is None else max(20, room - indent - longest - 2))
        label = output.paint(name, "muted") + " " * (longest - cells(name))
        yield (" " * indent + label + GAP + lines[0]).rstrip()
        for line in lines[1:]:
            yield " " * (indent + longest + len(GAP)) + line


def wrap(text: str, width: int | None) -> list[str]:
    """The text in lines of at most `width` cells, broken at spaces where it can be."""
    if width is None or cells(text) <= width:
        return [text]
    import textwrap

    return textwrap.wrap(text, width, break_on_hyphens=False) or [""]


def cells(text: str) -> int:
    """How many cells of a terminal the text takes."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        for char in text
    )


def shorten(text: str, width: int) -> str:
    """The end of the text in at most `width` cells, behind a mark that something is missing."""
    while cells(text) > width - 1 and text:
        text = text[1:]
    return "…" + text
