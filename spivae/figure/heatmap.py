"""Heatmaps as half blocks (two values a cell), or as characters of growing density."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from spivae.figure.cells import Cells
from spivae.figure.look import Look
from spivae.figure.scales import Scale, clean, fit
from spivae.figure.spec import Axis, Heatmap
from spivae.figure.ticks import Ticks, cells_of, choose

Array = npt.NDArray[np.float64]
_TIE = 1e-9  # of an axis: more than rounding, less than can be seen


def half_blocks(look: Look) -> bool:
    """Whether this look has two colours a cell to spend."""
    return look.colored and not look.ascii


def value_scale(heatmap: Heatmap) -> Scale:
    """The scale of the colours, between the heatmap's bounds or its data's own."""
    axis = Axis(scale=heatmap.scale, low=heatmap.low, high=heatmap.high)
    return fit(axis, [heatmap.values], tight=True)


def fits_edges(heatmap: Heatmap) -> bool:
    """Whether the values are a table and the edges bound its rows and columns."""
    shape = np.shape(heatmap.values)
    return (
        len(shape) == 2
        and shape == (np.size(heatmap.y_edges) - 1, np.size(heatmap.x_edges) - 1)
        and 0 not in shape
    )


def sample(heatmap: Heatmap, x: Scale, y: Scale, columns: int, rows: int) -> Array:
    """Values (rows, columns), top row first: the mean of the bins centred in a pixel, else its bin."""
    values = clean(heatmap.values)
    if heatmap.scale == "log":
        values = np.where(values > 0, values, np.nan)
    across = _weights(x, clean(heatmap.x_edges).ravel(), columns)
    down = _weights(y, clean(heatmap.y_edges).ravel(), rows)[::-1]
    known = np.isfinite(values)
    with np.errstate(all="ignore"):
        weight = down @ known.astype(np.float64) @ across.T
        # Scaled, so that sums of huge values stay finite.
        size = max(float(np.max(np.abs(values), where=known, initial=0.0)), 1e-300)
        total = down @ np.where(known, values / size, 0.0) @ across.T
        return np.asarray(np.where(weight > 0, total / weight * size, np.nan))


def _weights(scale: Scale, edges: Array, pixels: int) -> Array:
    """Which bins (columns) each of `pixels` along an axis shows, as 0 or 1."""
    places = np.nan_to_num(scale.fraction(edges), nan=-1e9, posinf=1e9, neginf=-1e9)
    # a bin between two pixels goes to one of them, whatever the last digits of its edges are
    lower, upper = np.minimum(places[:-1], places[1:]) + _TIE, np.maximum(places[:-1], places[1:]) + _TIE
    borders = np.arange(pixels + 1) / pixels
    middle = (borders[:-1] + borders[1:])[:, None] / 2
    below = (lower <= middle) & (middle < upper)
    centres = (lower + upper) / 2
    centred = (centres >= borders[:-1, None]) & (centres < borders[1:, None])
    return np.where(centred.any(axis=1, keepdims=True), centred | below, below).astype(np.float64)


def paint(cells: Cells, left: int, top: int, values: Array, scale: Scale, look: Look) -> None:
    """Paint values, (2 * rows, columns) for half blocks, else (rows, columns), corner at (left, top)."""
    fractions = np.clip(scale.fraction(values), 0.0, 1.0)
    if half_blocks(look):
        colors = [look.heat(level / 63) for level in range(64)]
        levels = np.where(np.isfinite(fractions), np.nan_to_num(fractions) * 63, -1).round().astype(int)
        for row, (above, below) in enumerate(zip(levels[0::2].tolist(), levels[1::2].tolist(), strict=True)):
            for column, (upper, lower) in enumerate(zip(above, below, strict=True)):
                _half(cells, left + column, top + row, colors, upper, lower)
        return
    for row, line in enumerate(fractions.tolist()):
        for column, fraction in enumerate(line):
            if fraction == fraction:  # not NaN: an empty cell stays blank
                cells.put(left + column, top + row, look.density(fraction), look.shade(fraction))


def _half(cells: Cells, x: int, y: int, colors: list[str | None], upper: int, lower: int) -> None:
    top, bottom = (colors[level] if level >= 0 else None for level in (upper, lower))
    if top == bottom:
        if top is not None:
            cells.put(x, y, " ", None, top)
    elif top is None:
        cells.put(x, y, "▄", bottom)
    else:
        cells.put(x, y, "▀", top, bottom)


def bar_ticks(scale: Scale, rows: int, look: Look) -> Ticks:
    """Ticks for a colour bar of `rows` cells."""
    gap = 2 if rows < 12 else 3

    def fits(ticks: Ticks) -> bool:
        places = sorted(cells_of(scale, ticks.values, rows))
        return all(after - before >= gap for before, after in pairwise(places))

    return choose(scale, fits, most=max(2, rows // 2), ascii=look.ascii)


def paint_bar(cells: Cells, left: int, top: int, rows: int, scale: Scale, ticks: Ticks, look: Look) -> None:
    """Paint a colour bar, two cells wide, with its tick labels to the right."""
    per_cell = 2 if half_blocks(look) else 1
    places = (np.arange(rows * per_cell)[::-1, None] + 0.5) / (rows * per_cell)
    paint(cells, left, top, np.repeat(places, 2, axis=1), Scale("linear", 0.0, 1.0), look)
    for place, label in zip(cells_of(scale, ticks.values, rows), ticks.labels, strict=True):
        cells.put(left + 3, top + rows - 1 - place, label, look.labels)
