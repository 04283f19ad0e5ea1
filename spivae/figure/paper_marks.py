"""Marks on a pair of matplotlib axes that run from 0 to 1: the scales have been applied before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from spivae.figure.mathtext import mathtext
from spivae.figure.paper import INK, LINE, LOOK, SHAPES, SMALL, THIN
from spivae.figure.paper_legend import DIVERGED, Entry
from spivae.figure.paper_panel import Layer, Prepared, cells
from spivae.figure.spec import Histogram, HLine, Text, VLine
from spivae.figure.strokes import Style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MAP, _BEHIND, _GUIDE, _DATA, _CROSSES, _WORDS = 0.5, 1.0, 1.5, 2.0, 3.0, 4.0  # what lies over what
_DASHES = (0, (3.0, 1.8))
_LONG = 150  # a line through more points than these is thinner
_MANY = 300  # more points than these are small and let others shine through
_RASTER = 4000  # more than these become an image inside SVG and PDF


def draw_layers(axes: Axes, panel: Prepared) -> None:
    """All marks of a panel, those behind first."""
    for heatmap in panel.maps:
        across, along, colors = cells(heatmap, panel.x, panel.y)
        axes.pcolormesh(
            across,
            along,
            np.ma.masked_invalid(colors),
            cmap="viridis",
            vmin=0,
            vmax=1,
            zorder=_MAP,
            # the seams between the cells of a vector image show white in most viewers
            edgecolors="face",
            linewidth=0.1,
            rasterized=colors.size > _RASTER,
        )
    for number, layer in enumerate(panel.layers):
        over = number * 1e-3
        if isinstance(layer.mark, Text):
            _draw_text(axes, panel, layer.mark, layer.style)
        elif layer.stroke is not None and layer.stroke.kind == "points":
            _draw_points(axes, layer, over)
        elif layer.stroke is not None:
            _draw_line(axes, layer, over)
            for x, y in layer.dots.pieces if layer.dots is not None else ():
                axes.plot(x, y, **dot_style(layer.style), zorder=_DATA + over, clip_on=False)
    for note in panel.notes:
        axes.text(0.5, 0.5, mathtext(note), ha="center", va="center", fontsize=SMALL, color=LOOK.labels)


def _draw_line(axes: Axes, layer: Layer, over: float) -> None:
    assert layer.stroke is not None
    guide, muted = isinstance(layer.mark, HLine | VLine), layer.style.muted
    count = sum(x.size for x, _ in layer.stroke.pieces)
    gap = np.array([np.nan])
    style = line_style(layer.style, dashed=layer.stroke.kind == "dashed")
    if count > _LONG and not muted:
        style["linewidth"] *= 0.7
    if layer.stroke.pieces:
        axes.plot(
            np.concatenate([part for x, _ in layer.stroke.pieces for part in (x, gap)]),
            np.concatenate([part for _, y in layer.stroke.pieces for part in (y, gap)]),
            **style,
            clip_on=False,  # strokes end at the axes; half of a line that runs along one would be lost
            solid_joinstyle="miter" if isinstance(layer.mark, Histogram) else "round",
            zorder=(_GUIDE if guide else _BEHIND if muted else _DATA) + over,
        )
    if layer.stroke.breaks:
        x, y = np.transpose(layer.stroke.breaks)
        axes.plot(x, y, **point_style(DIVERGED, 1), zorder=_CROSSES, clip_on=False)


def _draw_points(axes: Axes, layer: Layer, over: float) -> None:
    assert layer.stroke is not None
    for x, y in layer.stroke.pieces:
        axes.plot(
            x,
            y,
            **point_style(layer.style, x.size),
            rasterized=x.size > _RASTER,
            clip_on=False,
            zorder=(_BEHIND if layer.style.muted else _DATA) + over,
        )


def _draw_text(axes: Axes, panel: Prepared, mark: Text, style: Style) -> None:
    x, y = panel.x.fraction([mark.x])[0], panel.y.fraction([mark.y])[0]
    if 0 <= x <= 1 and 0 <= y <= 1:
        axes.text(
            x,
            y,
            mathtext(mark.text),
            fontsize=SMALL,
            color=INK if style.fg == LOOK.muted else style.fg,
            va="center",
            zorder=_WORDS,
            bbox={"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.8},
        )


def line_style(style: Style, *, dashed: bool) -> dict[str, Any]:
    """Colour, width and dashes of a line of this style, for matplotlib."""
    return {
        "color": style.fg,
        "linewidth": THIN * 1.2 if style.muted else LINE * (1.5 if style.front else 1.0),
        "linestyle": _DASHES if dashed else "-",
    }


def point_style(style: Style, count: int) -> dict[str, Any]:
    """Marker, colour and size of points of this style, for matplotlib; smaller where there are many."""
    many, cross = count > _MANY, SHAPES[style.marker] == "x"
    return {
        "color": style.fg,
        "linestyle": "",
        "marker": SHAPES[style.marker],
        "markersize": (1.5 if many else 3.0) * (0.8 if style.muted else 1.0),
        "markeredgewidth": 0.8 if cross else 0,
        "alpha": 0.6 if many else 1.0,
    }


def dot_style(style: Style) -> dict[str, Any]:
    """The markers on a line of this style."""
    return point_style(style, 1) | {"markersize": 2.6}


def sample_style(entry: Entry) -> dict[str, Any]:
    """How the sample of a legend's entry looks."""
    if entry.points:
        return point_style(entry.style, 1)
    line = line_style(entry.style, dashed=entry.dashed)
    return dot_style(entry.style) | line if entry.dots else line
