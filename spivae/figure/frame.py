"""What surrounds a panel's canvas: title, axes, ticks, labels, legend and colour bar, and where each goes."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

from spivae.figure import heatmap as heat
from spivae.figure import legend
from spivae.figure.cells import Cells, shorten
from spivae.figure.legend import Piece
from spivae.figure.look import Look
from spivae.figure.scales import Scale, fit
from spivae.figure.spec import Heatmap, Panel
from spivae.figure.strokes import extents
from spivae.figure.ticks import Ticks, axis_text, cells_of, choose, exponent_of

SIDE_LEGEND_FROM = 64  # a panel at least this wide has its legend beside the canvas
BAR_FROM = 36  # and one at least this wide a colour bar


@dataclass
class Frame:
    """Where everything of a panel goes. The canvas has its corner at (left, top)."""

    width: int
    height: int
    x: Scale
    y: Scale
    left: int = 0
    top: int = 0
    columns: int = 1
    rows: int = 1
    axes: bool = True
    head: list[list[tuple[str, str | None, bool]]] = field(default_factory=list)
    x_ticks: Ticks = field(default_factory=Ticks)
    y_ticks: Ticks = field(default_factory=Ticks)
    foot: list[tuple[list[Piece], str]] = field(default_factory=list)
    side: list[list[Piece]] = field(default_factory=list)
    heatmap: Heatmap | None = None
    bar_scale: Scale | None = None
    bar_ticks: Ticks = field(default_factory=Ticks)
    bar_left: int = 0


def arrange(panel: Panel, width: int, height: int, look: Look, diverged: bool) -> Frame:
    """Find room for all of a panel in width x height cells; what matters least goes first."""
    xs, ys = extents(panel)
    maps = [mark for mark in panel.marks if isinstance(mark, Heatmap) and heat.fits_edges(mark)]
    frame = Frame(width, height, fit(panel.x, xs, tight=bool(maps)), fit(panel.y, ys, tight=bool(maps)))
    frame.axes = height >= 5 and width >= 8
    room = height - (2 if frame.axes else 0)
    if maps:
        frame.heatmap = maps[0]
        frame.bar_scale = heat.value_scale(maps[0])

    head_rows = 0 if room < 3 else 2 if room >= 12 and panel.title and panel.y.label else 1
    if not (panel.title or panel.y.label):
        head_rows = 0
    room -= head_rows

    x_label = look.text(axis_text(panel.x.label, panel.x.unit, exponent_of(frame.x), look.ascii))
    found = legend.entries(panel, look, diverged)
    title = look.text(panel.legend)
    side_width = max((entry.width for entry in found), default=0)
    side_rows = len(found) + bool(title)
    lines: list[list[Piece]] = []
    right = 0
    if (
        found
        and width >= SIDE_LEGEND_FROM
        and max(side_width, len(title)) <= width // 4
        and side_rows <= room - 1
    ):
        frame.side = [[(title, None)]] if title else []
        frame.side += [[(entry.sample, entry.fg), (f" {entry.label}", None)] for entry in found]
        right = max(side_width, len(title)) + 2
    else:
        lines = legend.beneath(found, title, width - len(x_label) - 3, look)
        if len(lines) > 1:
            lines = legend.beneath(found, title, width - 1, look)
    narrow_bar = frame.bar_scale is not None and width < BAR_FROM
    if narrow_bar and frame.heatmap is not None and frame.bar_scale is not None:
        lines.insert(0, legend.beneath_heatmap(frame.heatmap, frame.bar_scale, look))

    frame.foot = _foot(lines, x_label, width, room, look.ellipsis)
    frame.rows = max(room - len(frame.foot), 1)
    frame.top = head_rows

    frame.y_ticks = _y_ticks(frame, look) if frame.axes else Ticks()
    gutter = max((len(label) for label in frame.y_ticks.labels), default=0)
    frame.left = min(gutter + 1, width - 1) if frame.axes else 0
    if frame.bar_scale is not None and not narrow_bar:
        frame.bar_ticks = heat.bar_ticks(frame.bar_scale, frame.rows, look)
        bar = 4 + max((len(label) for label in frame.bar_ticks.labels), default=0)
        frame.bar_left = width - right - bar + 1
        right += bar
    frame.columns = max(width - frame.left - right, 1)
    frame.x_ticks = _x_ticks(frame, look) if frame.axes else Ticks()
    frame.head = _head(panel, frame, head_rows, look)
    return frame


def _foot(
    lines: list[list[Piece]], x_label: str, width: int, room: int, ellipsis: str
) -> list[tuple[list[Piece], str]]:
    """The rows under the tick labels, each a line of the legend and what stands at its right end.

    Legend and x label share the last row where they fit; where rows are short, the legend is cut.
    """
    most = 0 if room < 4 else 1 if room < 7 else 2 if room < 14 else 3
    if not lines or most == 0:
        return [([], x_label)] if x_label and most else []
    free = width - len(x_label) - 2
    apart = bool(x_label) and legend.length(lines[-1]) > free and (most > 1 or free < 12)
    if apart and most == 1:
        apart, x_label = False, ""
    fitting = most - apart
    shown = [(line, "") for line in lines[:fitting]]
    if len(lines) > fitting:
        shown[-1] = ([*lines[fitting - 1], (f" {ellipsis}", None)], "")
    if apart:
        return [*shown, ([], x_label)]
    return [*shown[:-1], (shown[-1][0], x_label)]


def _y_ticks(frame: Frame, look: Look) -> Ticks:
    rows = frame.rows
    gap = 2 if rows < 12 or frame.y.kind != "linear" else 3 if rows < 28 else 4

    def fits(ticks: Ticks) -> bool:
        places = sorted(cells_of(frame.y, ticks.values, rows))
        wide = max((len(label) for label in ticks.labels), default=0)
        return wide <= frame.width // 3 and all(b - a >= gap for a, b in pairwise(places))

    return choose(frame.y, fits, most=max(2, min(12, (rows + 1) // 2)), ascii=look.ascii)


def _x_ticks(frame: Frame, look: Look) -> Ticks:
    def fits(ticks: Ticks) -> bool:
        end = -2
        for start, label in _x_places(frame, ticks):
            if start < end + 2 or start < 0 or start + len(label) > frame.width:
                return False
            end = start + len(label)
        return True

    most = max(2, min(14, frame.columns // 6))
    return choose(frame.x, fits, most=most, ascii=look.ascii)


def _x_places(frame: Frame, ticks: Ticks) -> list[tuple[int, str]]:
    """Where each label of the x axis starts: centred under its tick, but inside the panel."""
    places = []
    for place, label in zip(cells_of(frame.x, ticks.values, frame.columns), ticks.labels, strict=True):
        # A minus sign does not count for the middle.
        start = frame.left + place - len(label.removeprefix("-")) // 2 - label.startswith("-")
        places.append((min(start, frame.width - len(label)), label))
    return places


def _head(panel: Panel, frame: Frame, rows: int, look: Look) -> list[list[tuple[str, str | None, bool]]]:
    y_label = look.text(axis_text(panel.y.label, panel.y.unit, frame.y_ticks.exponent, look.ascii))
    title = look.text(panel.title)
    if rows == 0:
        return []
    if rows == 2:
        return [
            [(shorten(title, frame.width, look.ellipsis), None, True)],
            [(shorten(y_label, frame.width, look.ellipsis), look.labels, False)],
        ]
    if not title or not y_label:
        return [
            [
                (
                    shorten(title or y_label, frame.width, look.ellipsis),
                    None if title else look.labels,
                    bool(title),
                )
            ]
        ]
    between = "  "
    title = shorten(title, frame.width, look.ellipsis)
    rest = shorten(between + y_label, max(frame.width - len(title), 0), look.ellipsis)
    return [
        [
            (title, None, True),
            (rest if len(rest) > len(between) + 2 or rest == between + y_label else "", look.labels, False),
        ]
    ]


def paint_frame(cells: Cells, frame: Frame, look: Look) -> None:
    """Write everything around the canvas."""
    for row, parts in enumerate(frame.head):
        column = 0
        for text, fg, bold in parts:
            cells.put(column, row, text, fg, bold=bold)
            column += len(text)
    if frame.axes:
        _paint_axes(cells, frame, look)
    bottom = frame.top + frame.rows + (2 if frame.axes else 0)
    _paint_foot(cells, frame, bottom, look)
    for row, pieces in enumerate(frame.side):
        start = frame.width - max(legend.length(line) for line in frame.side)
        _put_pieces(cells, start, frame.top + row, pieces, look)
    if frame.bar_scale is not None and frame.bar_left:
        heat.paint_bar(cells, frame.bar_left, frame.top, frame.rows, frame.bar_scale, frame.bar_ticks, look)
        _paint_bar_label(cells, frame, look)


def _paint_axes(cells: Cells, frame: Frame, look: Look) -> None:
    vertical, tick_y, corner, horizontal, tick_x = "|++-+" if look.ascii else "│┤└─┬"
    axis = frame.left - 1
    bottom = frame.top + frame.rows
    for row in range(frame.rows):
        cells.put(axis, frame.top + row, vertical, look.frame)
    cells.put(axis, bottom, corner + horizontal * frame.columns, look.frame)
    places = cells_of(frame.y, frame.y_ticks.values, frame.rows)
    for place, label in zip(places, frame.y_ticks.labels, strict=True):
        row = bottom - 1 - place
        cells.put(axis - len(label), row, label, look.labels)
        cells.put(axis, row, tick_y, look.frame)
    for place in cells_of(frame.x, frame.x_ticks.values, frame.columns):
        cells.put(frame.left + place, bottom, tick_x, look.frame)
    for start, label in _x_places(frame, frame.x_ticks):
        cells.put(start, bottom + 1, label, look.labels)


def _paint_foot(cells: Cells, frame: Frame, bottom: int, look: Look) -> None:
    for row, (pieces, right) in enumerate(frame.foot, start=bottom):
        label = shorten(right, frame.width, look.ellipsis)
        start = frame.width - len(label)
        if not pieces:
            start = max(min(frame.left + (frame.columns - len(label)) // 2, start), 0)
        cells.put(start, row, label, look.labels)
        free = frame.width - (len(label) + 2 if label else 0)
        shown = legend.cut(pieces, free, look.ellipsis)
        _put_pieces(cells, min(frame.left, free - legend.length(shown)), row, shown, look)


def _put_pieces(cells: Cells, column: int, row: int, pieces: list[Piece], look: Look) -> None:
    for text, fg in pieces:
        cells.put(column, row, text, fg or look.labels)
        column += len(text)


def _paint_bar_label(cells: Cells, frame: Frame, look: Look) -> None:
    """The colour bar's name, at the right end of the row above it."""
    if frame.heatmap is None or not frame.head:
        return
    label = look.text(axis_text(frame.heatmap.label, "", frame.bar_ticks.exponent, look.ascii))
    used = sum(len(text) for text, _, _ in frame.head[-1])
    room = frame.width - used - 2
    if label and room >= min(len(label), 4):
        label = shorten(label, room, look.ellipsis)
        cells.put(frame.width - len(label), len(frame.head) - 1, label, look.labels)
