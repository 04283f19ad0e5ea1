"""Legends on a printed page: what stands in them, which panels share one, and where there is room for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spivae.figure.mathtext import mathtext
from spivae.figure.paper import COLUMN_GAP, LEADING, LOOK, SAMPLE, SAMPLE_GAP, SMALL
from spivae.figure.paper_panel import Layer, Prepared
from spivae.figure.paper_text import width_of
from spivae.figure.spec import Heatmap, HLine, Line, Points, Text, VLine
from spivae.figure.strokes import Style

Grid = npt.NDArray[np.bool_]
_Colors = tuple[tuple[str, str | None], ...]  # what is called how
Spot = tuple[float, float]  # the lower left corner of a legend, in fractions of the axes

DIVERGED = Style(LOOK.warning, "✕")  # of the crosses where a curve left the finite numbers
_FINE = 120  # cells along each side of the axes in which ink is looked for
_NEAR = 8  # of these cells, how far a legend may be from its corner
_WIDEST = 32.0  # mm of a label
_MOST_SHADES = 12  # of a longer ordered family, so many are named


@dataclass(frozen=True)
class Entry:
    """A sample of a mark and what it is called."""

    label: str
    style: Style
    points: bool = False
    dashed: bool = False
    dots: bool = False


@dataclass(frozen=True)
class Legend:
    """A legend, and the panels whose marks it explains, in reading order."""

    title: str
    entries: tuple[Entry, ...]
    panels: tuple[int, ...]


def legends(prepared: Sequence[Prepared]) -> list[Legend]:
    """The legends of a figure: panels that give the same names to the same colours share one.

    So do those that have an ordered family of shades in common; what else they name gets a legend of its own.
    """
    named = [tuple(entries(panel)) for panel in prepared]
    families = [tuple(entry for entry in found if entry.style.shaded) for found in named]
    shared = Counter(map(_colors, families))
    found: dict[_Colors, Legend] = {}
    for index, (panel, whole, family) in enumerate(zip(prepared, named, families, strict=True)):
        parts = [(panel.panel.legend, whole)]
        if family and shared[_colors(family)] > 1:
            rest = tuple(entry for entry in whole if entry not in family)
            parts = [(panel.panel.legend, family), ("", rest)]
        for title, part in parts:
            known = found.get(_colors(part), Legend("", part, ()))
            if part:
                found[_colors(part)] = Legend(known.title or title, known.entries, (*known.panels, index))
    return list(found.values())


def _colors(named: Sequence[Entry]) -> _Colors:
    return tuple((entry.label, entry.style.fg) for entry in named)


def entries(panel: Prepared) -> list[Entry]:
    """An entry for each labelled mark, in order, and one for the crosses where a curve diverged."""
    named = [
        layer for layer in panel.layers if layer.mark.label and not isinstance(layer.mark, Heatmap | Text)
    ]
    found = [_entry(layer) for layer in _thinned(named)]
    if panel.diverged:
        found.append(Entry("diverged", DIVERGED, points=True))
    return found


def _entry(layer: Layer) -> Entry:
    mark = layer.mark
    dashed = isinstance(mark, HLine | VLine | Line) and mark.dashed
    return Entry(mark.label, layer.style, isinstance(mark, Points), dashed, layer.dots is not None)


def _thinned(layers: list[Layer]) -> Iterable[Layer]:
    """All layers, but of a long family of shades only some, evenly chosen with both ends among them."""
    shaded = [index for index, layer in enumerate(layers) if layer.style.shaded]
    if len(shaded) <= _MOST_SHADES:
        return layers
    kept = {shaded[round(place)] for place in np.linspace(0, len(shaded) - 1, _MOST_SHADES // 2)}
    return [layer for index, layer in enumerate(layers) if index in kept or not layer.style.shaded]


def words(text: str) -> str:
    """A label or title of a legend for matplotlib, cut off where it is too long for any page."""
    for end in range(len(text), 0, -1):
        shown = mathtext(text if end == len(text) else f"{text[:end].rstrip()}…")
        if width_of(shown, SMALL) <= _WIDEST:
            return shown
    return ""


def size_of(legend: Legend, columns: int) -> tuple[float, float]:
    """Width and height of a legend in mm, its entries in so many columns."""
    em = SMALL * 25.4 / 72
    labels = [words(entry.label) for entry in legend.entries]
    parts = [part.tolist() for part in np.array_split(np.array(labels, dtype=object), columns)]
    widths = [max((width_of(label, SMALL) for label in part), default=0.0) for part in parts]
    width = sum(widths) + em * (columns * (SAMPLE + SAMPLE_GAP) + (columns - 1) * COLUMN_GAP)
    title = words(legend.title)
    return max(width, width_of(title, SMALL)), LEADING[1] * (len(parts[0]) + bool(title))


def ink(panel: Prepared) -> Grid:
    """Where a panel has ink: booleans (rows from below, columns)."""
    grid = np.zeros((_FINE, _FINE), dtype=bool)
    if panel.maps:
        grid[:] = True
    for layer in panel.layers:
        if isinstance(layer.mark, Text):
            place = panel.x.fraction([layer.mark.x])[0], panel.y.fraction([layer.mark.y])[0]
            if np.isfinite(place).all():
                row, column = (int(np.clip(value, 0, 1) * (_FINE - 1)) for value in reversed(place))
                grid[max(row - 5, 0) : row + 6, column : column + 3 * len(layer.mark.text) + 3] = True
        elif layer.stroke is not None:
            for x, y in layer.stroke.pieces:
                if layer.stroke.kind != "points":
                    x, y = _dense(x, y)
                places = np.clip(np.stack((y, x)) * _FINE, 0, _FINE - 1).astype(int)
                grid[places[0], places[1]] = True
    return grid


def _dense(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points along a polyline, at least two in each cell that it crosses."""
    length = np.concatenate(([0.0], np.cumsum(np.hypot(np.diff(x), np.diff(y)))))
    along = np.linspace(0, length[-1], int(length[-1] * 2 * _FINE) + 2)
    return np.interp(along, length, x), np.interp(along, length, y)


def free_spot(taken: Grid, width: float, height: float, margin: Spot) -> Spot | None:
    """Where a legend of this size covers no ink in a corner, or not far from it; None where it would.

    All in fractions of the axes; `margin` is kept clear around it.
    """
    wide, high = (round(size * _FINE) for size in (width + 2 * margin[0], height + 2 * margin[1]))
    if wide > _FINE or high > _FINE:
        return None
    total = np.zeros((_FINE + 1, _FINE + 1), dtype=int)
    total[1:, 1:] = taken.cumsum(0).cumsum(1)
    inside = total[high:, wide:] - total[:-high, wide:] - total[high:, :-wide] + total[:-high, :-wide]
    # the upper right corner, the upper left and lower right, the lower left; farther in, it looks like data
    rows, columns = np.ogrid[: inside.shape[0], : inside.shape[1]]
    for top, right in ((True, True), (True, False), (False, True), (False, False)):
        away = np.hypot(rows - top * (inside.shape[0] - 1), columns - right * (inside.shape[1] - 1))
        away[inside > 0] = np.inf
        row, column = np.unravel_index(np.argmin(away), away.shape)
        if away[row, column] <= _NEAR:
            return float(column / _FINE + margin[0]), float(row / _FINE + margin[1])
    return None


def cover(taken: Grid, spot: Spot, width: float, height: float) -> None:
    """Mark where a legend of this size has been put, for the next one."""
    left, bottom = (int(place * _FINE) for place in spot)
    taken[bottom : bottom + round(height * _FINE) + 1, left : left + round(width * _FINE) + 1] = True
