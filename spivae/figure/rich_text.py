"""Drawn rows as rich text, for the command line."""

from __future__ import annotations

from collections.abc import Iterable

from rich.style import Style
from rich.text import Text

from spivae.figure.cells import Row


def to_rich(rows: Iterable[Row]) -> list[Text]:
    """One rich Text a row, which never wraps."""
    lines = []
    for row in rows:
        text = Text(no_wrap=True, overflow="crop", end="")
        for span in row:
            text.append(
                span.text, Style(color=_name(span.fg), bgcolor=_name(span.bg), bold=span.bold or None)
            )
        lines.append(text)
    return lines


def _name(color: str | None) -> str | None:
    """rich's name of a colour: its ANSI names have no "ansi_" in front."""
    return color.removeprefix("ansi_") if color else None
