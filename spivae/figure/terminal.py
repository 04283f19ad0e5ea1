"""Figures as rows of terminal cells. Curves and points are drawn by plotext, and by this module alone.

plotext has one figure for the whole process and no locks, so every call goes through one lock here; it gets
integers only: what is not finite, off the axes or finer than a dot has been taken out before.
"""

from __future__ import annotations

import functools
import re
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from spivae.figure import heatmap as heat
from spivae.figure.canvas import QUADRANTS, Codes, paint_strokes, paint_texts
from spivae.figure.cells import Cells, Row, Span, blank, join, shorten, text_row
from spivae.figure.decimate import dash, distinct
from spivae.figure.frame import arrange, paint_frame
from spivae.figure.layout import GAP, grid, split
from spivae.figure.look import Look
from spivae.figure.notes import notes
from spivae.figure.spec import Figure, Heatmap, Panel
from spivae.figure.strokes import Stroke, strokes

__all__ = ["Look", "Row", "Span", "draw", "draw_panel", "panels_per_page"]

_LOCK = threading.Lock()
_ESCAPES = re.compile(r"\x1b\[[0-9;]*m")
_DOTS = {"braille": (2, 4), "block": (2, 2), "ascii": (1, 1)}
_MARKERS = {"braille": "braille", "block": "hd", "ascii": "*"}


def draw(figure: Figure, width: int, height: int, look: Look, first: int = 0) -> list[Row]:
    """The figure in exactly `height` rows of `width` cells; from panel `first` on where not all fit."""
    shown = figure.panels[first : first + panels_per_page(figure, width, height)]
    rows: list[Row] = []
    if figure.title and height >= 4:
        rows.append(_title(figure, width, look, first, len(shown)))
    caption = bool(figure.caption) and height >= 8
    rows.extend(_page(shown, width, height - len(rows) - caption, look, figure.columns))
    if caption:
        text = shorten(look.text(figure.caption), width, look.ellipsis)
        rows.append(text_row(text, width, look.labels))
    return rows


def _title(figure: Figure, width: int, look: Look, first: int, shown: int) -> Row:
    """The title, and which panels are shown where not all are."""
    count, where = len(figure.panels), ""
    if 0 < shown < count:
        numbers = f"panels {first + 1}-{first + shown}" if shown > 1 else f"panel {first + 1}"
        where = f"{numbers} of {count}"
    if len(where) > width // 2:
        where = ""
    room = width - len(where) - 2 if where else width
    return text_row(shorten(look.text(figure.title), room, look.ellipsis), width, bold=True, right=where)


def _page(shown: tuple[Panel, ...], width: int, height: int, look: Look, wish: int | None) -> list[Row]:
    """Panels in a grid; what of the page they do not fill stays empty."""
    if not shown:
        return [blank(width) for _ in range(height)]
    columns, lines = grid(len(shown), width, height, wish)
    rows: list[Row] = []
    for line, high in enumerate(split(height, lines)):
        gap = 1 if line + 1 < lines and high > 14 else 0
        parts: list[list[Row]] = []
        for column, wide in enumerate(split(width, columns, GAP)):
            index = line * columns + column
            drawn = draw_panel(shown[index], wide, high - gap, look) if index < len(shown) else []
            parts.append(drawn + [blank(wide)] * (high - len(drawn)))
            parts.append([blank(GAP)] * high)
        rows.extend(join(across) for across in zip(*parts[:-1], strict=True))
    return rows


def panels_per_page(figure: Figure, width: int, height: int) -> int:
    """How many panels `draw` shows at once in width x height cells."""
    body = height - bool(figure.title) - bool(figure.caption)
    columns, rows = grid(max(len(figure.panels), 1), width, body, figure.columns)
    return max(1, min(columns * rows, len(figure.panels)))


def draw_panel(panel: Panel, width: int, height: int, look: Look) -> list[Row]:
    """One panel in exactly `height` rows of `width` cells."""
    cells = Cells(width, height)
    if width < 1 or height < 1:
        return cells.rows()
    across, _ = _DOTS[look.glyphs]
    frame = arrange(panel, width, height, look, diverged=False)
    drawn = strokes(panel, frame.x, frame.y, look, frame.columns * across)
    if any(stroke.breaks for stroke in drawn):
        frame = arrange(panel, width, height, look, diverged=True)
    paint_frame(cells, frame, look)
    for mark in panel.marks:
        if isinstance(mark, Heatmap) and heat.fits_edges(mark):
            rows = frame.rows * (2 if heat.half_blocks(look) else 1)
            values = heat.sample(mark, frame.x, frame.y, frame.columns, rows)
            heat.paint(cells, frame.left, frame.top, values, heat.value_scale(mark), look)
    paint_strokes(cells, frame, drawn, look, _raster)
    paint_texts(cells, frame, panel, look)
    for row, note in enumerate(notes(panel)):
        note = shorten(look.text(note), frame.columns, look.ellipsis)
        start = frame.left + (frame.columns - len(note)) // 2
        cells.put(start, frame.top + frame.rows // 2 + row, note, look.labels)
    return cells.rows()


def _raster(stroke: Stroke, columns: int, rows: int, look: Look) -> Codes:
    """The dots of a stroke as one code a cell (rows, columns): bits of braille or of quadrants, or 1."""
    across, down = _DOTS[look.glyphs]
    wide, high = columns * across, rows * down
    pieces: list[tuple[bytes, bytes]] = []
    for x, y in stroke.pieces:
        dots_x = np.minimum(np.floor(x * wide + 1e-9), wide - 1)
        dots_y = np.minimum(np.floor(y * high + 1e-9), high - 1)
        if stroke.kind == "dashed":
            dots_x, dots_y = dash(dots_x, dots_y, *((3, 3) if across > 1 else (1, 1)))
        if stroke.kind != "line":
            dots_x, dots_y = np.divmod(distinct((dots_x * high + dots_y).astype(np.int64)), high)
        pieces.append((dots_x.astype(np.int64).tobytes(), dots_y.astype(np.int64).tobytes()))
    return _codes(tuple(pieces), columns, rows, stroke.kind == "line", look.glyphs)


# of a figure that follows live data, most strokes look as they did when it was last drawn
@functools.lru_cache(256)
def _codes(
    pieces: tuple[tuple[bytes, bytes], ...], columns: int, rows: int, lines: bool, glyphs: str
) -> Codes:
    """The dots of pieces, of which x and y are the bytes of integers; not to be written into."""
    across, down = _DOTS[glyphs]
    series = [(np.frombuffer(x, np.int64).tolist(), np.frombuffer(y, np.int64).tolist()) for x, y in pieces]
    codes = np.zeros((rows, columns), dtype=np.uint32)
    if not series:
        return codes
    # plotext's cost is the size of its canvas: give it no more than the stroke covers.
    first_column = min(min(x) for x, _ in series) // across
    last_column = max(max(x) for x, _ in series) // across
    first_row = min(min(y) for _, y in series) // down
    last_row = max(max(y) for _, y in series) // down
    shifted = [
        ([place - first_column * across for place in x], [place - first_row * down for place in y])
        for x, y in series
    ]
    drawn = _plotext(shifted, last_column - first_column + 1, last_row - first_row + 1, lines, glyphs)
    codes[rows - 1 - last_row : rows - first_row, first_column : last_column + 1] = drawn
    codes.flags.writeable = False
    return codes


@functools.cache
def _bare_plotext() -> Any:
    """plotext, imported at the first drawing and set to draw nothing but the data, without colours."""
    import plotext

    plotext.clear_figure()
    plotext.limit_size(False, False)
    plotext.theme("clear")
    plotext.frame(False)
    plotext.xticks([])
    plotext.yticks([])
    return plotext


def _plotext(
    series: list[tuple[list[int], list[int]]], columns: int, rows: int, lines: bool, glyphs: str
) -> Codes:
    """The dots of series of integer coordinates on a canvas of columns x rows cells, drawn by plotext."""
    across, down = _DOTS[glyphs]
    with _LOCK:
        plotext = _bare_plotext()
        plotext.clear_data()
        plotext.plot_size(columns, rows)
        # One cell too few for plotext to have a width is still one bin: any limits do.
        plotext.xlim(0, max(columns * across - 1, 1))
        plotext.ylim(0, max(rows * down - 1, 1))
        put: Callable[..., Any] = plotext.plot if lines else plotext.scatter
        for x, y in series:
            put(x, y, marker=_MARKERS[glyphs])
        text = _ESCAPES.sub("", plotext.build())
    drawn: Codes = np.frombuffer(text.replace("\n", "").encode("utf-32-le"), dtype=np.uint32)
    drawn = drawn.reshape(rows, columns)
    codes: Codes
    if glyphs == "braille":
        codes = np.where(drawn >= 0x2800, drawn - 0x2800, 0).astype(np.uint32)
    elif glyphs == "block":
        table = np.zeros(0x2600, dtype=np.uint32)
        table[[ord(char) for char in QUADRANTS]] = np.arange(16)
        codes = table[drawn]
    else:
        codes = (drawn != ord(" ")).astype(np.uint32)
    return codes
