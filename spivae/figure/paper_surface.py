"""A heatmap as a rotated surface in space, on matplotlib's three-dimensional axes."""

from __future__ import annotations

from typing import Any

import numpy as np

from spivae.figure import heatmap as heat
from spivae.figure.mathtext import mathtext
from spivae.figure.paper import POINT, SMALL, wrapped
from spivae.figure.paper_panel import Prepared, cells
from spivae.figure.paper_ticks import axis_label, places, ticks

_ELEVATION, _AZIMUTH = 28, -125  # degrees: the far corner is that of the largest parameters
_PANE = (1.0, 1.0, 1.0, 0.0)


def draw_surface(axes: Any, panel: Prepared, width: float, height: float) -> None:
    """The first heatmap of a panel over its two axes, as high as its values, all on scales from 0 to 1."""
    heatmap = panel.surface
    assert heatmap is not None
    across, along, colors = cells(heatmap, panel.x, panel.y)
    x, y = np.meshgrid((across[1:] + across[:-1]) / 2, (along[1:] + along[:-1]) / 2)
    axes.plot_surface(
        x,
        y,
        colors,
        cmap="viridis",
        vmin=0,
        vmax=1,
        rcount=200,
        ccount=200,
        linewidth=0.1,
        edgecolor="face",
        antialiased=True,
    )
    values = heat.value_scale(heatmap)
    spec = panel.panel
    for axis, scale, label, unit, length in (
        (axes.xaxis, panel.x, spec.x.label, spec.x.unit, width * 0.6),
        (axes.yaxis, panel.y, spec.y.label, spec.y.unit, width * 0.6),
        (axes.zaxis, values, heatmap.label, "", height * 0.6),
    ):
        found = ticks(scale, length, across=False)
        axis.set_ticks(places(scale, found.values), [mathtext(text) for text in found.labels])
        axis.set_label_text(axis_label(wrapped(label, length * 1.5, POINT), unit, found.exponent))
        axis.set_pane_color(_PANE)
        axis._axinfo["grid"].update(color="#D0D0D0", linewidth=0.4)
        axis.set_tick_params(pad=-2, labelsize=SMALL)
        axis.labelpad = -6
    axes.set(xlim=(0, 1), ylim=(0, 1), zlim=(0, 1))
    axes.view_init(elev=_ELEVATION, azim=_AZIMUTH)
    axes.set_box_aspect((1, 1, 0.75), zoom=0.95)
