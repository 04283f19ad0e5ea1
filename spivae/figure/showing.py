"""Figures on the standard output: as pages of rows, as text, or in colour where that is a terminal."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace

from spivae.figure.cells import Row
from spivae.figure.look import Look
from spivae.figure.spec import Figure

ROWS_OF_A_PANEL = 16


def pages(figure: Figure, width: int, height: int | None, look: Look) -> Iterator[list[Row]]:
    """The figure in as many rows as all of its panels need, or in pages of the wanted height."""
    from spivae.figure.terminal import draw, panels_per_page

    count = len(figure.panels)
    if height is None:
        around = bool(figure.title) + bool(figure.caption)
        heights = (around + ROWS_OF_A_PANEL * rows for rows in range(1, count + 1))
        height = next((h for h in heights if panels_per_page(figure, width, h) >= count), 24)
    first = 0
    while first < max(count, 1):
        yield draw(figure, width, height, look, first)
        first += panels_per_page(figure, width, height)


def text_of(figure: Figure, width: int | None = None, height: int | None = None) -> str:
    """The figure as lines of text without colours, as wide as the terminal where `width` is None."""
    look = replace(_detected(), colors="none")
    return "\n".join(_lines(figure, width or _terminal_width(), height, look))


def show(
    figure: Figure,
    width: int | None = None,
    height: int | None = None,
    look: Look | None = None,
    write: Callable[[str], object] = print,
) -> None:
    """Draw the figure: in colour on the standard output where that is a terminal, else line by line.

    `write` takes the lines without colours.
    """
    look, width = look or _detected(), width or _terminal_width()
    if not sys.stdout.isatty():
        for text in _lines(figure, width, height, replace(look, colors="none")):
            write(text)
        return
    from rich.console import Console

    from spivae.figure.rich_text import to_rich

    console = Console(width=width, highlight=False)
    for number, rows in enumerate(pages(figure, width, height, look)):
        if number:
            console.print()
        for line in to_rich(rows):
            line.rstrip()
            console.print(line)


def _lines(figure: Figure, width: int, height: int | None, look: Look) -> Iterator[str]:
    """The pages without colours, with an empty line between them."""
    for number, rows in enumerate(pages(figure, width, height, look)):
        if number:
            yield ""
        for row in rows:
            yield "".join(span.text for span in row).rstrip()


def _detected() -> Look:
    return Look.detect(os.environ, sys.stdout.encoding)


def _terminal_width() -> int:
    return shutil.get_terminal_size((100, 24)).columns
