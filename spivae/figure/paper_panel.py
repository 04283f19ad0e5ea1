"""A panel made ready for the page: its scales, and every mark as strokes in fractions of its axes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spivae.figure import heatmap as heat
from spivae.figure.notes import notes
from spivae.figure.paper import LOOK
from spivae.figure.scales import Scale, clean, fit
from spivae.figure.spec import Heatmap, Line, Mark, Panel, Points
from spivae.figure.strokes import Stroke, Style, extents, stroke_of, styles

Array = npt.NDArray[np.float64]
_COLUMNS = 2000  # points of a curve that share one of as many columns are drawn as two: finer than print
_FEW = 40  # as many points of a line or fewer bear markers


@dataclass(frozen=True)
class Layer:
    """One mark, how it looks, and where its ink goes; `dots` are a line's own points where it shows them."""

    mark: Mark
    style: Style
    stroke: Stroke | None
    dots: Stroke | None = None


@dataclass(frozen=True)
class Prepared:
    """A panel with its scales and layers, those drawn first in front of the list."""

    panel: Panel
    x: Scale
    y: Scale
    layers: tuple[Layer, ...]
    notes: tuple[str, ...]

    @property
    def maps(self) -> list[Heatmap]:
        """The heatmaps that can be drawn."""
        return [
            layer.mark
            for layer in self.layers
            if isinstance(layer.mark, Heatmap) and heat.fits_edges(layer.mark)
        ]

    @property
    def surface(self) -> Heatmap | None:
        """The first heatmap, where it asks to be a surface in space."""
        return next((found for found in self.maps[:1] if found.surface), None)

    @property
    def diverged(self) -> bool:
        return any(layer.stroke is not None and layer.stroke.breaks for layer in self.layers)


def prepare(panel: Panel) -> Prepared:
    """Fit scales to a panel and turn its marks into strokes."""
    xs, ys = extents(panel)
    tight = any(isinstance(mark, Heatmap) and heat.fits_edges(mark) for mark in panel.marks)
    x, y = fit(panel.x, xs, tight=tight), fit(panel.y, ys, tight=tight)
    layers = tuple(
        Layer(mark, style, stroke_of(mark, style, x, y, _COLUMNS), _dots(mark, style, x, y))
        for mark, style in zip(panel.marks, styles(panel.marks, LOOK), strict=True)
    )
    return Prepared(panel, x, y, layers, tuple(notes(panel)))


def _dots(mark: Mark, style: Style, x: Scale, y: Scale) -> Stroke | None:
    """The points of a line that has few and is told from others by its colour alone, as points.

    Those of its stroke will not do: it also ends where the line leaves the axes.
    """
    if not isinstance(mark, Line) or not mark.label or style.muted or style.shaded:
        return None
    if not 2 < np.size(mark.x) <= _FEW:
        return None
    return stroke_of(Points(x=mark.x, y=mark.y), style, x, y, _COLUMNS)


def cells(heatmap: Heatmap, x: Scale, y: Scale) -> tuple[Array, Array, Array]:
    """A heatmap's edges as places along the axes, and its values as places on the colour scale.

    Returns (nx + 1,), (ny + 1,), (ny, nx); NaN where a cell is empty or its edges have no place on the axes.
    """
    across, along = x.fraction(clean(heatmap.x_edges).ravel()), y.fraction(clean(heatmap.y_edges).ravel())
    colors = heat.value_scale(heatmap).fraction(heatmap.values)
    lost_x = ~(np.isfinite(across[:-1]) & np.isfinite(across[1:]))
    lost_y = ~(np.isfinite(along[:-1]) & np.isfinite(along[1:]))
    colors = np.where(lost_y[:, None] | lost_x[None, :], np.nan, np.clip(colors, 0, 1))
    return _inside(across), _inside(along), colors


def _inside(places: Array) -> Array:
    return np.clip(np.nan_to_num(places, nan=0.0, posinf=1.0, neginf=0.0), 0, 1)
