"""From marks to strokes: what to draw on a panel's canvas, in fractions of its width and height."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from spivae.figure.decimate import clip_segments, decimate, runs
from spivae.figure.look import Look
from spivae.figure.scales import Scale, clean
from spivae.figure.spec import Heatmap, Histogram, HLine, Line, Mark, Panel, Points, Text, VLine

Array = npt.NDArray[np.float64]
Kind = Literal["line", "dashed", "points"]


@dataclass(frozen=True)
class Style:
    """How a mark looks: its colour, its marker (with a category or shade), and where it stands."""

    fg: str | None
    marker: str
    muted: bool = False
    shaded: bool = False
    front: bool = False


@dataclass
class Stroke:
    """Pieces of one mark, each two arrays of fractions in 0..1, y upward."""

    kind: Kind
    style: Style
    pieces: list[tuple[Array, Array]] = field(default_factory=list)
    breaks: list[tuple[float, float]] = field(default_factory=list)
    label_at: tuple[float, float] | None = None  # where the marker goes
    guide: bool = False  # drawn through whatever stands in front of it


def styles(marks: Iterable[Mark], look: Look) -> list[Style]:
    """A style for each mark; those that name no colour take the next categorical one."""
    chosen, following = [], 0
    for mark in marks:
        drawn_with = "-" if isinstance(mark, HLine) else "|" if isinstance(mark, VLine) else None
        if not look.ascii:
            drawn_with = None
        guide = isinstance(mark, HLine | VLine | Text) and mark.color is None and mark.shade is None
        named = mark.color is not None or mark.shade is not None
        if (mark.muted and not named) or guide:
            chosen.append(Style(look.muted, drawn_with or ".", muted=not isinstance(mark, Text)))
        elif mark.muted:
            own = look.category(mark.color) if mark.color is not None else look.shade(_shade(mark))
            chosen.append(Style(look.faint(own), drawn_with or ".", muted=True))
        elif mark.color is None and mark.shade is not None:
            shade, front = _shade(mark), mark.front
            marker = look.density(shade) if look.ascii else "•"
            color = look.bright(look.shade(shade)) if front else look.shade(shade)
            chosen.append(Style(color, marker, shaded=True, front=front))
        else:
            index = following if mark.color is None else mark.color
            following += mark.color is None and not isinstance(mark, Heatmap)
            marker = drawn_with or look.marker(index)
            chosen.append(Style(look.category(index), marker, front=mark.front))
    return chosen


def _shade(mark: Mark) -> float:
    return mark.shade if mark.shade is not None and np.isfinite(mark.shade) else 0.0


def extents(panel: Panel) -> tuple[list[Array], list[Array]]:
    """All values of a panel's marks along x and along y, for the limits of its axes."""
    xs: list[Array] = []
    ys: list[Array] = []
    for mark in panel.marks:
        if isinstance(mark, Line | Points):
            x, y = pairs(mark)
            shown = np.isfinite(x) & np.isfinite(y)
            shown &= (x > 0) | (panel.x.scale != "log")
            shown &= (y > 0) | (panel.y.scale != "log")
            xs.append(x[shown])
            ys.append(y[shown])
        elif isinstance(mark, Histogram):
            xs.append(clean(mark.edges).ravel())
            counts = clean(mark.counts).ravel()
            # Half of the smallest count keeps it visible above the axis.
            floor = np.min(counts[counts > 0], initial=np.inf) / 2 if panel.y.scale == "log" else 0.0
            ys.extend((counts, clean([floor])))
        elif isinstance(mark, Heatmap):
            xs.append(clean(mark.x_edges).ravel())
            ys.append(clean(mark.y_edges).ravel())
        elif isinstance(mark, HLine):
            ys.append(clean([mark.y]))
        elif isinstance(mark, VLine):
            xs.append(clean([mark.x]))
    return xs, ys


def pairs(mark: Line | Points) -> tuple[Array, Array]:
    """x and y of a mark, cut to the shorter of the two."""
    x, y = clean(mark.x).ravel(), clean(mark.y).ravel()
    count = min(x.size, y.size)
    return x[:count], y[:count]


def strokes(panel: Panel, x: Scale, y: Scale, look: Look, columns: int) -> list[Stroke]:
    """The strokes of a panel in drawing order, muted ones first; `columns` is the canvas width in dots.

    Those that stand in front come last.
    """
    drawn = []
    for mark, style in zip(panel.marks, styles(panel.marks, look), strict=True):
        stroke = stroke_of(mark, style, x, y, columns)
        if stroke is not None and (stroke.pieces or stroke.breaks):
            drawn.append(stroke)
    return [
        *_merged(stroke for stroke in drawn if stroke.style.muted),
        *sorted((s for s in drawn if not s.style.muted), key=lambda s: s.style.front),
    ]


def stroke_of(mark: Mark, style: Style, x: Scale, y: Scale, columns: int) -> Stroke | None:
    """The stroke of one mark; None for heatmaps, texts, and lines beside the canvas."""
    if isinstance(mark, Line):
        return _line(mark, style, x, y, columns)
    if isinstance(mark, Points):
        return _points(mark, style, x, y)
    if isinstance(mark, Histogram):
        return _outline(mark, style, x, y, columns)
    if isinstance(mark, HLine):
        return _straight(mark, style, y.fraction([mark.y]), horizontal=True)
    if isinstance(mark, VLine):
        return _straight(mark, style, x.fraction([mark.x]), horizontal=False)
    return None


def _merged(drawn: Iterable[Stroke]) -> list[Stroke]:
    """Strokes that look the same as one: drawing one is quicker."""
    merged: dict[tuple[Kind, Style, bool], Stroke] = {}
    for stroke in drawn:
        known = merged.setdefault((stroke.kind, stroke.style, stroke.guide), stroke)
        if known is not stroke:
            known.pieces.extend(stroke.pieces)
    return list(merged.values())


def _line(mark: Line, style: Style, x: Scale, y: Scale, columns: int) -> Stroke:
    raw_x, raw_y = pairs(mark)
    fx, fy = x.fraction(raw_x), y.fraction(raw_y)
    stroke = Stroke("dashed" if mark.dashed else "line", style)
    for start, stop in runs(np.isfinite(fx) & np.isfinite(fy)):
        stroke.pieces.extend(_polyline(fx[start:stop], fy[start:stop], columns))
        # Finite before, not finite now: there it diverged. A value that merely lies off a log axis did not.
        if stop < raw_y.size and not np.isfinite(raw_y[stop]) and not style.muted:
            stroke.breaks.append((float(np.clip(fx[stop - 1], 0, 1)), float(np.clip(fy[stop - 1], 0, 1))))
    if stroke.pieces:
        end_x, end_y = stroke.pieces[-1]
        stroke.label_at = (float(end_x[-1]), float(end_y[-1]))
    return stroke


def _polyline(fx: Array, fy: Array, columns: int) -> list[tuple[Array, Array]]:
    kept = decimate(fx, fy, columns)
    return clip_segments(fx[kept], fy[kept])


def _points(mark: Points, style: Style, x: Scale, y: Scale) -> Stroke:
    raw_x, raw_y = pairs(mark)
    fx, fy = x.fraction(raw_x), y.fraction(raw_y)
    with np.errstate(all="ignore"):
        inside = (fx >= 0) & (fx <= 1) & (fy >= 0) & (fy <= 1)
    return Stroke("points", style, [(fx[inside], fy[inside])] if inside.any() else [])


def _outline(mark: Histogram, style: Style, x: Scale, y: Scale, columns: int) -> Stroke:
    edges, counts = clean(mark.edges).ravel(), clean(mark.counts).ravel()
    bins = min(edges.size - 1, counts.size)
    stroke = Stroke("line", style)
    if bins < 1:
        return stroke
    fx, fy = x.fraction(edges[: bins + 1]), y.fraction(counts[:bins])
    # Empty bins lie on the axis, where a line would only be in the way.
    fy = np.where(counts[:bins] > 0, np.maximum(fy, 0.0), np.nan)
    base = float(np.clip(np.nan_to_num(y.fraction([0.0])[0]), 0, 1))
    for start, stop in runs(np.isfinite(fy)):
        left = np.repeat(fx[start : stop + 1], 2)
        up = np.concatenate(([base], np.repeat(fy[start:stop], 2), [base]))
        known = np.isfinite(left)
        stroke.pieces.extend(_polyline(left[known], up[known], columns))
    with np.errstate(all="ignore"):
        middle = (fx[:-1] + fx[1:]) / 2
        shown = np.flatnonzero((fy <= 1) & (middle >= 0) & (middle <= 1))
    if shown.size:
        peak = shown[np.argmax(fy[shown])]
        stroke.label_at = (float(middle[peak]), float(fy[peak]))
    return stroke


def _straight(mark: HLine | VLine, style: Style, place: Array, *, horizontal: bool) -> Stroke | None:
    with np.errstate(all="ignore"):
        if not (place[0] >= 0 and place[0] <= 1):
            return None
    ends, level = np.array([0.0, 1.0]), np.full(2, place[0])
    piece = (ends, level) if horizontal else (level, ends)
    return Stroke("dashed" if mark.dashed else "line", style, [piece], guide=True)
