"""Everything inside a panel's frame: strokes merged cell by cell, markers, words."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from spivae.figure.cells import Cells, shorten
from spivae.figure.frame import Frame
from spivae.figure.look import Look
from spivae.figure.spec import Panel, Text
from spivae.figure.strokes import Stroke, styles

Codes = npt.NDArray[np.uint32]
Raster = Callable[[Stroke, int, int, Look], Codes]

QUADRANTS = " ▘▝▀▖▌▞▛▗▚▐▜▄▙▟█"
# As many points of one mark or fewer, for each column, are drawn as markers.
_MARKERS_A_COLUMN = 0.5


def paint_strokes(cells: Cells, frame: Frame, drawn: list[Stroke], look: Look, raster: Raster) -> None:
    """Merge the dots of all strokes; a cell takes the colour of the stroke in front, or with most dots in it.

    `raster` turns a stroke into one code a cell, (rows, columns): bits of braille or of quadrants, or 1.
    """
    shape = (frame.rows, frame.columns)
    guides = np.zeros(shape, dtype=np.uint32)
    for behind in (True, False):
        layer = [stroke for stroke in drawn if stroke.style.muted is behind]
        dots = np.zeros(shape, dtype=np.uint32)
        most = np.zeros(shape, dtype=np.uint32)
        owner = np.full(shape, -1)
        for index, stroke in enumerate(layer):
            if _as_markers(stroke, frame):
                continue
            codes = raster(stroke, frame.columns, frame.rows, look)
            count = _bits(codes)
            dots |= codes
            if stroke.guide and not look.ascii:
                guides |= codes
            owner = np.where(((count >= most) | stroke.style.front) & (count > 0), index, owner)
            most = np.maximum(most, count)
        dots |= guides
        for row, column in np.argwhere(owner >= 0).tolist():
            style = layer[owner[row, column]].style
            glyph = _glyph(int(dots[row, column]), style.marker, look)
            cells.put_over(frame.left + column, frame.top + row, glyph, style.fg, bold=style.front)
        for stroke in layer:
            _paint_markers(cells, frame, stroke, look)


def _as_markers(stroke: Stroke, frame: Frame) -> bool:
    count = sum(x.size for x, _ in stroke.pieces)
    return stroke.kind == "points" and count <= max(12, _MARKERS_A_COLUMN * frame.columns)


def _paint_markers(cells: Cells, frame: Frame, stroke: Stroke, look: Look) -> None:
    """Markers of few points, at a curve's end and (without colours) along it; crosses where it diverged."""
    style = stroke.style
    places: list[tuple[float, float]] = []
    if _as_markers(stroke, frame):
        places = [(float(px), float(py)) for x, y in stroke.pieces for px, py in zip(x, y, strict=True)]
    elif stroke.label_at is not None and not (style.muted or style.shaded or look.ascii):
        places = [stroke.label_at]
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


def paint_texts(cells: Cells, frame: Frame, panel: Panel, look: Look) -> None:
    for mark, style in zip(panel.marks, styles(panel.marks, look), strict=True):
        if not isinstance(mark, Text):
            continue
        x, y = frame.x.fraction([mark.x])[0], frame.y.fraction([mark.y])[0]
        if 0 <= x <= 1 and 0 <= y <= 1:
            column, row = _cell(float(x), float(y), frame)
            text = shorten(look.text(mark.text), frame.columns - column, look.ellipsis)
            for offset, char in enumerate(text):
                cells.put_over(frame.left + column + offset, frame.top + row, char, style.fg)


def _glyph(code: int, marker: str, look: Look) -> str:
    if look.glyphs == "braille":
        return chr(0x2800 + code)
    return QUADRANTS[code] if look.glyphs == "block" else marker


def _bits(codes: Codes) -> Codes:
    counts: Codes = np.unpackbits(codes.astype(np.uint8)[..., None], axis=-1).sum(axis=-1, dtype=np.uint32)
    return counts
