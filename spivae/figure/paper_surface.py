"""A heatmap as a rotated surface in space, on matplotlib's three-dimensional axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from spivae.figure import heatmap as heat
from spivae.figure.mathtext import mathtext
from spivae.figure.paper import SMALL, THIN
from spivae.figure.paper_panel import Prepared, cells
from spivae.figure.paper_ticks import axis_lines, places, ticks

_ELEVATION = 32.0  # degrees
_LOW_CORNER, _HIGH_CORNER = -125.0, 55.0  # azimuths, from above the corner of low or of high parameters
_ASPECT, _ZOOM = (1.0, 1.0, 0.8), 1.0
_GRID = "#D5D5D5"

Array = npt.NDArray[Any]


def viewpoint(panels: Sequence[Prepared]) -> float:
    """The azimuth that all surfaces of a figure are looked at from, so that they can be compared.

    It is the corner towards which the steepest of them slopes down, so that it is not seen edge-on.
    """
    steepest = max((_slope(panel) for panel in panels if panel.surface is not None), key=abs, default=0.0)
    return _LOW_CORNER if steepest >= 0 else _HIGH_CORNER


def draw_surface(axes: Any, panel: Prepared, azimuth: float, width: float, height: float) -> None:
    """The first heatmap of a panel over its two axes, as high as its values, all on scales from 0 to 1."""
    heatmap = panel.surface
    assert heatmap is not None
    x, y, values = _places(panel)
    axes.plot_surface(
        x, y, values, cmap="viridis", vmin=0, vmax=1, rcount=200, ccount=200, linewidth=0, antialiased=True
    )
    spec = panel.panel
    for axis, scale, label, unit, length in (
        (axes.xaxis, panel.x, spec.x.label, spec.x.unit, width * 0.5),
        (axes.yaxis, panel.y, spec.y.label, spec.y.unit, width * 0.5),
        (axes.zaxis, heat.value_scale(heatmap), heatmap.label, "", height * 0.5),
    ):
        found = ticks(scale, length, across=True)
        axis.set_ticks(places(scale, found.values), [mathtext(text) for text in found.labels])
        axis.set_label_text("\n".join(axis_lines(label, unit, found.exponent, width * 0.8)))
        axis.set_tick_params(pad=-3, labelsize=SMALL)
        axis.labelpad = -8
        axis.set_pane_color((1, 1, 1, 0))
        axis._axinfo["grid"].update(color=_GRID, linewidth=THIN / 2)
    axes.set(xlim=(0, 1), ylim=(0, 1), zlim=(0, 1))
    axes.view_init(elev=_ELEVATION, azim=azimuth)
    axes.set_box_aspect(_ASPECT, zoom=_ZOOM)


def _places(panel: Prepared) -> tuple[Array, Array, Array]:
    """Where the middles of the cells of a panel's surface are, and its values, each (ny, nx) from 0 to 1."""
    assert panel.surface is not None
    across, along, values = cells(panel.surface, panel.x, panel.y)
    x, y = np.meshgrid((across[1:] + across[:-1]) / 2, (along[1:] + along[:-1]) / 2)
    return x, y, values


def _slope(panel: Prepared) -> float:
    """How much a surface rises towards the corner of high parameters, by their covariance."""
    x, y, values = _places(panel)
    known = np.isfinite(values)
    if not known.any():
        return 0.0
    along, values = (x + y)[known], values[known]
    return float(np.mean((along - along.mean()) * (values - values.mean())))
