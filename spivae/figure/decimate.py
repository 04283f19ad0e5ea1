"""Fewer points that draw the same picture: at most two a column, so a million cost what a thousand do."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.intp]


def runs(finite: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Start and stop (exclusive) of every stretch of True."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], finite, [False])).astype(np.int8)))
    return [(int(start), int(stop)) for start, stop in edges.reshape(-1, 2)]


def decimate(x: Array, y: Array, columns: int) -> Index:
    """Indices (in order) of the lowest and highest y in each of `columns` columns of x in 0..1.

    Points of one column need not be neighbours in x: each stretch of consecutive points in one column counts
    as one. Where a curve still keeps more than 8 points a column (unsorted x), it is thinned evenly, with its
    lowest and highest points kept.
    """
    count = x.size
    if count <= 2:
        return np.arange(count)
    column = np.clip(np.floor(x * columns), -1, columns).astype(np.int64)
    starts = np.flatnonzero(np.concatenate(([True], np.diff(column) != 0)))
    lengths = np.diff(np.concatenate((starts, [count])))
    owner = np.repeat(np.arange(starts.size), lengths)
    lowest = _first(y == np.minimum.reduceat(y, starts)[owner], owner)
    highest = _first(y == np.maximum.reduceat(y, starts)[owner], owner)
    kept = distinct(np.concatenate((lowest, highest)))
    limit = 8 * columns
    if kept.size > limit:
        spread = kept[np.linspace(0, kept.size - 1, limit).round().astype(np.int64)]
        kept = distinct(np.concatenate((spread, [int(np.argmin(y)), int(np.argmax(y))])))
    return kept


def distinct(values: Index) -> Index:
    """Each of the values once, in order; `np.unique` would import masked arrays for it."""
    ordered = np.sort(values)
    new = np.ones(ordered.size, dtype=bool)
    new[1:] = ordered[1:] != ordered[:-1]
    return ordered[new]


def _first(wanted: npt.NDArray[np.bool_], owner: Index) -> Index:
    """The first wanted index of each stretch."""
    indices = np.flatnonzero(wanted)
    return indices[np.concatenate(([True], np.diff(owner[indices]) != 0))]


def clip_segments(x: Array, y: Array) -> list[tuple[Array, Array]]:
    """The parts of a polyline that lie in the unit square (Liang and Barsky, segment by segment)."""
    if x.size == 0:
        return []
    # Far outside, a line's slope no longer matters, but its length must not overflow.
    x, y = np.clip(x, -1e6, 1e6), np.clip(y, -1e6, 1e6)
    inside = (x >= 0) & (x <= 1) & (y >= 0) & (y <= 1)
    if inside.all():
        return [(x, y)]
    if x.size == 1:
        return []
    x0, y0, dx, dy = x[:-1], y[:-1], np.diff(x), np.diff(y)
    enter, leave = np.zeros(dx.size), np.ones(dx.size)
    seen = np.ones(dx.size, dtype=bool)
    with np.errstate(all="ignore"):
        for step, room in ((-dx, x0), (dx, 1 - x0), (-dy, y0), (dy, 1 - y0)):
            at = room / step
            enter = np.where(step < 0, np.maximum(enter, at), enter)
            leave = np.where(step > 0, np.minimum(leave, at), leave)
            seen &= ~((step == 0) & (room < 0))
        seen &= enter <= leave
    if not seen.any():
        return []
    pieces: list[tuple[Array, Array]] = []
    for start, stop in runs(seen):
        part = slice(start, stop)
        # Where a run leaves the square and comes back, the border joins its ends: cut it there.
        cuts = np.flatnonzero((leave[part] < 1)[:-1] | (enter[part] > 0)[1:]) + start + 1
        for first, last in zip([start, *cuts], [*cuts, stop], strict=True):
            xs = np.concatenate(
                (
                    [x0[first] + enter[first] * dx[first]],
                    x[first + 1 : last],
                    [x0[last - 1] + leave[last - 1] * dx[last - 1]],
                )
            )
            ys = np.concatenate(
                (
                    [y0[first] + enter[first] * dy[first]],
                    y[first + 1 : last],
                    [y0[last - 1] + leave[last - 1] * dy[last - 1]],
                )
            )
            pieces.append((np.clip(xs, 0, 1), np.clip(ys, 0, 1)))
    return pieces


def dash(x: Array, y: Array, on: int, off: int) -> tuple[Array, Array]:
    """Points one apart along a polyline in dots, with the gaps of a dashed line left out."""
    if x.size < 2:
        return x, y
    lengths = np.maximum(np.abs(np.diff(x)), np.abs(np.diff(y)))
    along = np.concatenate(([0.0], np.cumsum(lengths)))
    places = np.arange(0.0, min(along[-1], 20_000.0) + 1e-9)
    places = places[places % (on + off) < on]
    return np.interp(places, along, x), np.interp(places, along, y)
