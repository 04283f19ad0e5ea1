"""Figures as rows of terminal cells. Curves and points are drawn by plotext, and by this module alone.

plotext has one figure for the whole process and no locks, so every call goes through one lock here; it gets
integers only: what is not finite, off the axes or finer than a dot has been taken out before.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from spivae.figure import heatmap as heat
from spivae.figure.cells import Cells, Row, Span, blank, join, shorten, text_row
from spivae.figure.decimate import dash
from spivae.figure.frame import Frame, arrange, paint_frame
from spivae.figure.layout import GAP, grid, split
from spivae.figure.look import Look
from spivae.figure.notes import notes
from spivae.figure.spec import Figure, Heatmap, Panel, Text
from spivae.figure.strokes import Stroke, strokes, styles

__all__ = ["Look", "Row", "Span", "draw", "draw_panel", "panels_per_page"]

Codes = npt.NDArray[np.uint32]

_LOCK = threading.Lock()
_ESCAPES = re.compile(r"\x1b\[[0-9;]*m")
_QUADRANTS = " ▘▝▀▖▌▞▛▗▚▐▜▄▙▟█"
_DOTS = {"braille": (2, 4), "block": (2, 2), "ascii": (1, 1)}
_MARKERS = {"braille": "braille", "block": "hd", "ascii": "*"}
# As many points of one mark or fewer, for each column, are drawn as markers.
_MARKERS_A_COLUMN = 0.5


def draw(figure: Figure, width: int, height: int, look: Look, first: int = 0) -> list[Row]:
    """The figure in exactly `height` rows of `width` cells, beginning with panel `first` where not all fit."""
    title, caption = bool(figure.title), bool(figure.caption) and height >= 8
    count = len(figure.panels)
    page = panels_per_page(figure, width, height)
    shown = figure.panels[first : first + page]
    rows: list[Row] = []
    if title and height >= 4:
        where = ""
        if len(shown) < count:
            where = (
                f"panel {first + 1}-{first + len(shown)} of {count}"
                if len(shown) > 1
                else f"panel {first + 1} of {count}"
            )
        rows.append(
            text_row(
                look.text(figure.title), width, bold=True, right=where if len(where) < width // 2 else ""
            )
        )
    body = height - len(rows) - caption
    if shown:
        columns, lines = grid(len(shown), width, body, figure.columns)
        heights = split(body, lines)
        widths = split(width, columns, GAP)
        for line, panel_height in enumerate(heights):
            parts: list[list[Row]] = []
            for column, panel_width in enumerate(widths):
                index = line * columns + column
                if column:
                    parts.append([blank(GAP)] * panel_height)
                if index < len(shown):
                    gap = 1 if line + 1 < lines and panel_height > 14 else 0
                    drawn = draw_panel(shown[index], panel_width, panel_height - gap, look)
                    parts.append(drawn + [blank(panel_width)] * gap)
                else:
                    parts.append([blank(panel_width)] * panel_height)
            rows.extend(join(across) for across in zip(*parts, strict=True))
    else:
        rows.extend(blank(width) for _ in range(body))
    if caption:
        ellipsis = "~" if look.ascii else "…"
        rows.append(text_row(shorten(look.text(figure.caption), width, ellipsis), width, look.labels))
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
    _paint_strokes(cells, frame, drawn, look)
    _paint_texts(cells, frame, panel, look)
    for row, note in enumerate(notes(panel)):
        note = shorten(look.text(note), frame.columns)
        start = frame.left + (frame.columns - len(note)) // 2
        cells.put(start, frame.top + frame.rows // 2 + row, note, look.labels)
    return cells.rows()


def _paint_strokes(cells: Cells, frame: Frame, drawn: list[Stroke], look: Look) -> None:
    """Merge the dots of all strokes; a cell takes the colour of the stroke with most dots in it."""
    shape = (frame.rows, frame.columns)
    for behind in (True, False):
        layer = [stroke for stroke in drawn if stroke.style.muted is behind]
        dots = np.zeros(shape, dtype=np.uint32)
        most = np.zeros(shape, dtype=np.uint32)
        owner = np.full(shape, -1)
        for index, stroke in enumerate(layer):
            if _as_markers(stroke, frame):
                continue
            codes = _raster(stroke, frame.columns, frame.rows, look)
            count = _bits(codes)
            dots |= codes
            owner = np.where((count >= most) & (count > 0), index, owner)
            most = np.maximum(most, count)
        for row, column in np.argwhere(owner >= 0).tolist():
            style = layer[owner[row, column]].style
            glyph = _glyph(int(dots[row, column]), style.marker, look)
            cells.put_over(frame.left + column, frame.top + row, glyph, style.fg)
        for stroke in layer:
            _paint_markers(cells, frame, stroke, look)


def _as_markers(stroke: Stroke, frame: Frame) -> bool:
    count = sum(x.size for x, _ in stroke.pieces)
    return stroke.kind == "points" and count <= max(12, _MARKERS_A_COLUMN * frame.columns)


def _paint_markers(cells: Cells, frame: Frame, stroke: Stroke, look: Look) -> None:
    """Markers of few points, at the end of a curve, and (without colours) along it; crosses where it diverged."""
    style = stroke.style
    places: list[tuple[float, float]] = []
    if _as_markers(stroke, frame):
        places = [(float(px), float(py)) for x, y in stroke.pieces for px, py in zip(x, y, strict=True)]
    elif stroke.kind != "points" and not (style.muted or style.shaded or look.ascii) and stroke.pieces:
        x, y = stroke.pieces[-1]
        places = [(float(x[-1]), float(y[-1]))]
        if not look.colored:
            for x, y in stroke.pieces:
                wanted = np.arange(0.1, 1.0, 0.2)
                inside = wanted[(wanted > x[0]) & (wanted < x[-1])]
                places.extend(
                    (float(px), float(py)) for px, py in zip(inside, np.interp(inside, x, y), strict=True)
                )
    for px, py in places:
        column, row = _cell(px, py, frame)
        cells.put_over(frame.left + column, frame.top + row, style.marker, style.fg)
    for px, py in stroke.breaks:
        column, row = _cell(px, py, frame)
        cells.put_over(
            frame.left + column, frame.top + row, "X" if look.ascii else "✕", look.warning, bold=True
        )


def _cell(x: float, y: float, frame: Frame) -> tuple[int, int]:
    column = min(int(x * frame.columns + 1e-9), frame.columns - 1)
    return column, frame.rows - 1 - min(int(y * frame.rows + 1e-9), frame.rows - 1)


def _paint_texts(cells: Cells, frame: Frame, panel: Panel, look: Look) -> None:
    for mark, style in zip(panel.marks, styles(panel.marks, look), strict=True):
        if not isinstance(mark, Text):
            continue
        x, y = frame.x.fraction([mark.x])[0], frame.y.fraction([mark.y])[0]
        if 0 <= x <= 1 and 0 <= y <= 1:
            column, row = _cell(float(x), float(y), frame)
            text = shorten(look.text(mark.text), frame.columns - column, "~" if look.ascii else "…")
            for offset, char in enumerate(text):
                cells.put_over(frame.left + column + offset, frame.top + row, char, style.fg)


def _glyph(code: int, marker: str, look: Look) -> str:
    if look.glyphs == "braille":
        return chr(0x2800 + code)
    return _QUADRANTS[code] if look.glyphs == "block" else marker


def _bits(codes: Codes) -> Codes:
    return np.unpackbits(codes.astype(np.uint8)[..., None], axis=-1).sum(axis=-1, dtype=np.uint32)


def _raster(stroke: Stroke, columns: int, rows: int, look: Look) -> Codes:
    """The dots of a stroke as one code a cell (rows, columns): bits of braille or of quadrants, or 1."""
    across, down = _DOTS[look.glyphs]
    wide, high = columns * across, rows * down
    series: list[tuple[list[int], list[int]]] = []
    for x, y in stroke.pieces:
        dots_x = np.minimum(np.floor(x * wide + 1e-9), wide - 1)
        dots_y = np.minimum(np.floor(y * high + 1e-9), high - 1)
        if stroke.kind == "dashed":
            dots_x, dots_y = dash(dots_x, dots_y, *((3, 3) if across > 1 else (1, 1)))
        if stroke.kind != "line":
            both = np.unique(np.stack((dots_x, dots_y)).astype(np.int64), axis=1)
            dots_x, dots_y = both
        series.append((dots_x.astype(int).tolist(), dots_y.astype(int).tolist()))
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
    drawn = _plotext(
        shifted, last_column - first_column + 1, last_row - first_row + 1, stroke.kind == "line", look
    )
    codes[rows - 1 - last_row : rows - first_row, first_column : last_column + 1] = drawn
    return codes


def _plotext(
    series: list[tuple[list[int], list[int]]], columns: int, rows: int, lines: bool, look: Look
) -> Codes:
    """The dots of series of integer coordinates on a canvas of columns x rows cells, drawn by plotext."""
    import plotext

    across, down = _DOTS[look.glyphs]
    with _LOCK:
        plotext.clear_figure()
        plotext.limit_size(False, False)
        plotext.plot_size(columns, rows)
        plotext.theme("clear")
        plotext.frame(False)
        plotext.xticks([])
        plotext.yticks([])
        # One cell too few for plotext to have a width is still one bin: any limits do.
        plotext.xlim(0, max(columns * across - 1, 1))
        plotext.ylim(0, max(rows * down - 1, 1))
        put: Callable[..., Any] = plotext.plot if lines else plotext.scatter
        for x, y in series:
            put(x, y, marker=_MARKERS[look.glyphs])
        text = _ESCAPES.sub("", plotext.build())
        plotext.clear_figure()
    drawn = np.frombuffer("".join(text.split("\n")).encode("utf-32-le"), dtype=np.uint32).reshape(
        rows, columns
    )
    if look.glyphs == "braille":
        return np.where(drawn >= 0x2800, drawn - 0x2800, 0).astype(np.uint32)
    if look.glyphs == "block":
        table = np.zeros(0x2600, dtype=np.uint32)
        table[[ord(char) for char in _QUADRANTS]] = np.arange(16)
        return table[drawn]
    return (drawn != ord(" ")).astype(np.uint32)
