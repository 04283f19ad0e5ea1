"""A closer look at a figure of curves: a part of its x axis, other scales, a cursor that reads values."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from spivae.figure.spec import Axis, Figure, Line, Panel, VLine
from spivae.figure.spec import Scale as Kind
from spivae.figure.steady import linear_limits, log_limits, trimmed_limits

Array = npt.NDArray[np.float64]
Axes = Literal["", "log y", "linear y", "log x"]

AXES: tuple[Axes, ...] = ("", "log y", "linear y", "log x")  # "": each panel as it is
_CLOSEST = 1e-4  # of the whole axis
_NEAR = 0.005  # of what is shown: a curve that ends so close to the cursor is still read off


class Reading(NamedTuple):
    """What a curve is at the cursor; None beside its ends."""

    label: str
    value: float | None


@dataclass(frozen=True)
class View:
    """Which part of the x axis is shown (`span`, None for all), where the cursor stands, and the scales.

    The panels that share the first one's x axis are looked at; the others stay as they are. Views are made
    from views: nothing of a figure is kept, so that one view holds while the figure grows.
    """

    span: tuple[float, float] | None = None
    cursor: float | None = None
    axes: Axes = ""

    # Moving

    def zoomed(self, factor: float, figure: Figure) -> View:
        """Show a part that is `factor` times as wide, around the cursor or else the middle."""
        (low, high), (first, last) = self._along(self.shown(figure)), self._along(self.whole(figure))
        at = (low + high) / 2 if self.cursor is None else float(self._along(self.cursor))
        width = max((high - low) * factor, (last - first) * _CLOSEST)
        share = min(1.0, max(0.0, (at - low) / (high - low)))
        return self._spanning(at - share * width, width, first, last)

    def panned(self, share: float, figure: Figure) -> View:
        """Go on along the axis by this share of what is shown."""
        (low, high), (first, last) = self._along(self.shown(figure)), self._along(self.whole(figure))
        return self._spanning(low + share * (high - low), high - low, first, last)

    def _spanning(self, low: float, width: float, first: float, last: float) -> View:
        if width >= last - first:
            return replace(self, span=None)
        low = min(max(low, first), last - width)
        return replace(self, span=(self._back(low), self._back(low + width)))

    def moved(self, share: float, figure: Figure) -> View:
        """Move the cursor by this share of what is shown, which follows it; it begins in the middle."""
        (low, high), (first, last) = self._along(self.shown(figure)), self._along(self.whole(figure))
        at = (low + high) / 2 if self.cursor is None else float(self._along(self.cursor))
        at = min(max(at + share * (high - low), first), last)
        view = replace(self, cursor=self._back(at))
        beyond = min(0.0, at - low) + max(0.0, at - high)
        return view._spanning(low + beyond, high - low, first, last) if beyond else view

    def with_next_axes(self) -> View:
        """The next scales; a logarithmic x axis is another axis, and shown whole."""
        axes = AXES[(AXES.index(self.axes) + 1) % len(AXES)]
        return replace(self, axes=axes, span=None if "log x" in (axes, self.axes) else self.span)

    # Where it is

    def whole(self, figure: Figure) -> tuple[float, float]:
        """The ends of the x axis of a figure."""
        axis = figure.panels[0].x
        places = [line.x for line in _lines(figure.panels[0])] or [np.zeros(0)]
        known = np.concatenate(places).astype(np.float64)
        known = known[np.isfinite(known)]
        high = axis.high if axis.high is not None else float(known.max(initial=1.0))
        if self.axes == "log x":
            low = float(known[known > 0].min(initial=high / 10))
            return min(max(low, axis.low or 0.0), high / 10), high
        return axis.low or 0.0, high

    def shown(self, figure: Figure) -> tuple[float, float]:
        """The ends of what is shown of it."""
        return self.span or self.whole(figure)

    def _along(self, places: float | tuple[float, float]) -> Array:
        """Places in the coordinate in which the axis is even."""
        values = np.asarray(places, dtype=np.float64)
        return np.log10(np.maximum(values, 1e-300)) if self.axes == "log x" else values

    def _back(self, at: float) -> float:
        return float(10.0**at if self.axes == "log x" else at)

    # Looking

    def of(self, figure: Figure) -> Figure:
        """The figure as this view shows it."""
        if not figure.panels or self == View():
            return figure
        low, high = self.shown(figure)
        shared = figure.panels[0].x
        panels = [
            self._panel(panel, low, high) if _same(panel.x, shared) else panel for panel in figure.panels
        ]
        return msgspec.structs.replace(figure, panels=tuple(panels))

    def _panel(self, panel: Panel, low: float, high: float) -> Panel:
        scale: Kind = "log" if self.axes == "log x" else panel.x.scale
        x = msgspec.structs.replace(panel.x, low=low, high=high, scale=scale)
        if self.axes == "log y":
            panel = _above_lowest(panel, low, high)
        marks = panel.marks
        if self.cursor is not None and low <= self.cursor <= high:
            marks = (*marks, VLine(x=self.cursor, dashed=False))
        y = panel.y if self.span is None and self.axes in ("", "log x") else self._y(panel, low, high)
        return msgspec.structs.replace(panel, marks=marks, x=x, y=y)

    def _y(self, panel: Panel, low: float, high: float) -> Axis:
        """The axis around all that a part shows; around the whole, single spikes may leave it."""
        parts = [_inside(line, low, high) for line in _lines(panel)]
        curves = [part for part, line in zip(parts, _lines(panel), strict=True) if not line.muted]
        values = np.concatenate(parts) if parts else np.zeros(0)
        scale = panel.y.scale
        if self.axes == "log y":
            scale = "log"
        elif self.axes == "linear y":
            scale = "linear"
        limits: tuple[float | None, float | None] | None
        if scale == "log":
            limits = log_limits(np.concatenate([np.zeros(0), *curves]), 1e-12)
        elif self.span is None:
            limits = trimmed_limits((part, 0.9) for part in parts)
        else:
            limits = linear_limits(values)
        bottom, top = limits or (None, None)
        return msgspec.structs.replace(panel.y, scale=scale, low=bottom, high=top)

    def readings(self, figure: Figure, panel: Panel) -> list[Reading]:
        """What the curves of one of its panels are at the cursor, in order; nothing without a cursor."""
        if self.cursor is None or not _same(panel.x, figure.panels[0].x):
            return []
        low, high = self.shown(figure)
        near = _NEAR * (high - low)
        return [
            Reading(line.label or panel.y.label, _at(line, self.cursor, near))
            for line in _lines(panel)
            if not line.muted
        ]


def _lines(panel: Panel) -> list[Line]:
    return [mark for mark in panel.marks if isinstance(mark, Line)]


def _same(axis: Axis, other: Axis) -> bool:
    return (axis.label, axis.low, axis.high) == (other.label, other.low, other.high)


def _known(line: Line) -> tuple[Array, Array]:
    x, y = np.asarray(line.x, dtype=np.float64), np.asarray(line.y, dtype=np.float64)
    known = np.isfinite(x) & np.isfinite(y)
    return x[known], y[known]


def _above_lowest(panel: Panel, low: float, high: float) -> Panel:
    """A panel with something to see on a logarithmic axis: what has no logarithm is counted from its lowest.

    The lowest is that of the curves, not of what stands muted behind them: single batches may lie beneath.
    """
    parts = [_inside(line, low, high) for line in _lines(panel) if not line.muted]
    values = np.concatenate(parts) if parts else np.zeros(0)
    if not values.size or values.min() > 0:
        return panel
    bottom, top = float(values.min()), float(values.max())
    base = bottom - max(top - bottom, 1e-9) / 300
    marks = [
        msgspec.structs.replace(mark, y=np.asarray(mark.y, dtype=np.float64) - base)
        if isinstance(mark, Line)
        else mark
        for mark in panel.marks
    ]
    y = msgspec.structs.replace(panel.y, label=f"{panel.y.label} above {base:.4g}")
    return msgspec.structs.replace(panel, marks=tuple(marks), y=y)


def _inside(line: Line, low: float, high: float) -> Array:
    """The values of a line between two places, with those where it comes in and goes out."""
    x, y = _known(line)
    if not x.size:
        return y
    ends = np.array([end for end in (low, high) if x[0] <= end <= x[-1]])
    return np.concatenate((y[(x >= low) & (x <= high)], np.interp(ends, x, y)))


def _at(line: Line, place: float, near: float) -> float | None:
    """The value of a line at its point that is the closest to a place."""
    x, y = _known(line)
    if not x.size or not x[0] - near <= place <= x[-1] + near:
        return None
    after = min(int(np.searchsorted(x, place)), x.size - 1)
    before = max(after - 1, 0)
    return float(y[before if place - x[before] < x[after] - place else after])
