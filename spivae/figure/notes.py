"""What is written over a canvas on which nothing could be drawn."""

from __future__ import annotations

import numpy as np

from spivae.figure import heatmap as heat
from spivae.figure.scales import clean
from spivae.figure.spec import Axis, Heatmap, Histogram, HLine, Line, Panel, Points, Text, VLine
from spivae.figure.strokes import pairs


def notes(panel: Panel) -> list[str]:
    """Why the canvas is empty, as at most one line; nothing where there is something to see."""
    total = finite = positive = 0
    for mark in panel.marks:
        if isinstance(mark, Line | Points):
            x, y = pairs(mark)
        elif isinstance(mark, Heatmap):
            if not heat.fits_edges(mark):
                return ["heatmap: its edges do not fit its values"]
            y = clean(mark.values).ravel()
            x = np.ones_like(y)
            if mark.scale == "log":
                y = np.where(y > 0, y, np.nan)
        elif isinstance(mark, Histogram):
            y = clean(mark.counts).ravel()
            x = np.full_like(y, np.nan) if not np.isfinite(clean(mark.edges)).any() else np.ones_like(y)
        elif isinstance(mark, HLine | VLine | Text):
            continue
        known = np.isfinite(x) & np.isfinite(y)
        total += y.size
        finite += int(known.sum())
        positive += int((known & _has_place(panel.x, x) & _has_place(panel.y, y)).sum())
    if total == 0:
        return [] if any(isinstance(mark, HLine | VLine | Text) for mark in panel.marks) else ["no data"]
    if finite == 0:
        return ["no finite values"]
    if positive == 0 and not any(isinstance(mark, Heatmap) for mark in panel.marks):
        return [f"{finite} values, none above 0 (log axis)"]
    return []


def _has_place(axis: Axis, values: np.ndarray) -> np.ndarray:
    with np.errstate(all="ignore"):
        return np.asarray(values > 0) if axis.scale == "log" else np.ones(np.shape(values), dtype=bool)
