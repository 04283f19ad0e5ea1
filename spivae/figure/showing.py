"""Figures on the standard output: as pages of rows, as text, or in colour where that is a terminal."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
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
    look = replace(Look.detect(os.environ, sys.stdout.encoding), colors="none")
    return "\n\n".join(
        "\n".join("".join(span.text for span in row).rstrip() for row in rows)
        for rows in pages(figure, width or shutil.get_terminal_size((100, 24)).columns, height, look)
    )


def show(figure: Figure, width: int | None = None, height: int | None = None) -> None:
    """Draw the figure on the standard output, in colour where that is a terminal."""
    if not sys.stdout.isatty():
        print(text_of(figure, width, height))
        return
    from rich.console import Console

    from spivae.figure.rich_text import to_rich

    across = width or shutil.get_terminal_size((100, 24)).columns
    console = Console(width=across, highlight=False)
    for number, rows in enumerate(
        pages(figure, across, height, Look.detect(os.environ, sys.stdout.encoding))
    ):
        if number:
            console.print()
        for line in to_rich(rows):
            console.print(line)
