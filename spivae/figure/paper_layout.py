"""Where everything of a figure goes on the page, in mm, before anything is drawn.

All axes of a figure are of one size. What stands around them (ticks, labels, titles, colour bars, legends
that found no room inside) is measured by `paper_text`, and the axes get what is left of the page's width.
"""

from __future__ import annotations

import math
import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from spivae.figure import heatmap as heat
from spivae.figure.mathtext import mathtext
from spivae.figure.paper import DOUBLE, HEADING, LEADING, SINGLE, SMALL
from spivae.figure.paper_legend import Grid, Legend, cover, free_spot, ink, legends, size_of
from spivae.figure.paper_panel import Prepared, prepare
from spivae.figure.paper_text import lines_of, width_of
from spivae.figure.paper_ticks import axis_lines, places, ticks
from spivae.figure.spec import Figure, Heatmap
from spivae.figure.ticks import Ticks

EDGE = 1.5  # mm kept free at the edges of the page
OUT = 0.7  # mm between axes and data
TICK = 1.7  # mm of a tick mark and the gap to its label
GAP = 0.8  # mm between tick labels and the axis's label
BAR = 1.8, 2.2  # mm between axes and colour bar, and its width
SIDE = 2.5  # mm between axes and what stands at their right, be it a legend or the next panel
TITLE = 1.8  # mm between axes and title
LETTER = 4.0  # mm from the panel's letter to its title, which begins over the axes
CLEAR = 1.2  # mm around a legend inside the axes
LINE_GAP = 2.0  # mm between rows of panels, and above the caption
LARGE, LITTLE = LEADING


@dataclass(frozen=True)
class Box:
    """A rectangle on the page in mm, its corner at the lower left."""

    x: float
    y: float
    width: float
    height: float

    def within(self, width: float, height: float) -> tuple[float, float, float, float]:
        """In fractions of a page of this size, as matplotlib wants it."""
        return self.x / width, self.y / height, self.width / width, self.height / height


@dataclass
class Room:
    """What stands around the axes of a panel, and the mm that it takes on each side."""

    left: float = 0.0
    right: float = 0.0
    top: float = 0.0
    bottom: float = 0.0
    legend: float = 0.0  # of `top`, the height of a legend between title and axes
    letter: str = ""
    title: list[str] = field(default_factory=list)
    x_ticks: Ticks = field(default_factory=Ticks)
    y_ticks: Ticks = field(default_factory=Ticks)
    bar_ticks: Ticks = field(default_factory=Ticks)
    x_label: list[str] = field(default_factory=list)
    y_label: list[str] = field(default_factory=list)
    bar_label: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Placed:
    """A legend with some of its entries side by side, its upper left corner at (x, y) in mm."""

    legend: Legend
    columns: int
    x: float
    y: float


@dataclass(frozen=True)
class Page:
    """A figure's page in mm: a box of axes and the room around it for each panel, legends, a caption."""

    width: float
    height: float
    caption: list[str]
    panels: Sequence[Prepared] = ()
    axes: Sequence[Box] = ()
    rooms: Sequence[Room] = ()
    legends: Sequence[Placed] = ()


def arrange(figure: Figure) -> Page:
    """Find a place for all of a figure: one column of a journal for panels one over the other, else two."""
    if not figure.panels:
        words = "\n".join(filter(None, (figure.title, figure.caption)))
        caption = lines_of(words, SINGLE - 2 * EDGE, SMALL)
        return Page(SINGLE, LITTLE * max(len(caption), 1) + 2 * EDGE, caption)
    columns = _columns(figure)
    width = SINGLE if columns == 1 else DOUBLE
    caption = lines_of(figure.caption, width - 2 * EDGE, SMALL)
    grid = _Grid([prepare(panel) for panel in figure.panels], columns, width, len(caption) * LITTLE)
    return Page(
        width, grid.height, caption, grid.panels, [*map(grid.axes, grid.indices)], grid.rooms, grid.placed
    )


def _columns(figure: Figure) -> int:
    count = len(figure.panels)
    mapped = any(isinstance(mark, Heatmap) for panel in figure.panels for mark in panel.marks)
    wish = figure.columns or {1: 1, 2: 2, 4: 2, 7: 4, 8: 4}.get(count, 3)
    return max(1, min(wish, count, 3 if mapped else 4))


class _Grid:
    """Panels in rows and columns, measured anew until every legend has its place."""

    def __init__(self, panels: Sequence[Prepared], columns: int, width: float, foot: float) -> None:
        self.panels, self.columns, self.width, self.foot = panels, columns, width, foot
        self.indices = range(len(panels))
        self.rooms: list[Room] = []
        self.placed: list[Placed] = []
        # of all axes and what is around them, to begin with
        self.wide, self.lefts, self.rights = width / columns - 14.0, [10.0] * columns, [1.0] * columns
        self._beside: dict[int, list[Legend]] = {}  # legends by the panel that they stand at
        self._apart: dict[int, Legend] = {}  # and by the free cell that they stand in
        self._settle([ink(panel) for panel in panels])

    def _settle(self, taken: Sequence[Grid]) -> None:
        inside = legends(self.panels)
        cells = [*range(len(self.panels), math.ceil(len(self.panels) / self.columns) * self.columns)]
        while True:
            self._measure()
            free = [grid.copy() for grid in taken]
            found = {legend: self._inside(legend, free) for legend in inside}
            self.placed = [placed for placed in found.values() if placed is not None]
            homeless = [legend for legend, placed in found.items() if placed is None]
            if not homeless:
                break
            for legend in homeless:
                inside.remove(legend)
                if cells and len(legend.panels) > 1:
                    self._apart[cells.pop(0)] = legend
                else:
                    self._beside.setdefault(self._home(legend), []).append(legend)
        self.placed += [self._in_cell(cell, legend) for cell, legend in self._apart.items()]
        for index in self._beside:
            self.placed += self._at_panel(index)

    # Sizes

    @property
    def high(self) -> float:
        """The height of all axes: flatter where they are wide."""
        surface = any(panel.surface is not None for panel in self.panels)
        return 0.85 * self.wide if surface else min(0.6 * self.wide + 7.0, 48.0)

    def _measure(self) -> None:
        """The room around each panel, and the width of axes that it leaves."""
        for _ in range(3):  # ticks depend on the width of the axes, and this on their labels
            self.rooms = [self._room(index) for index in self.indices]
            columns = [self.rooms[column :: self.columns] for column in range(self.columns)]
            self.lefts = [max(room.left for room in column) for column in columns]
            self.rights = [max(room.right for room in column) for column in columns]
            free = self.width - 2 * EDGE - sum(self.lefts) - sum(self.rights) - SIDE * (self.columns - 1)
            self.wide = max(free / self.columns, 10.0)
        rows = [self.rooms[start : start + self.columns] for start in self.indices[:: self.columns]]
        self.tops = [max(room.top for room in row) for row in rows]
        self.bottoms = [max(room.bottom for room in row) for row in rows]

    @property
    def height(self) -> float:
        """The height of the page."""
        below = self.foot + LINE_GAP if self.foot else 0.0
        rows = sum(self.tops) + sum(self.bottoms) + self.high * len(self.tops)
        return 2 * EDGE + rows + LINE_GAP * (len(self.tops) - 1) + below

    def axes(self, index: int) -> Box:
        """The axes of a panel, or those that a free cell would have."""
        row, column = divmod(index, self.columns)
        x = EDGE + sum(self.lefts[: column + 1]) + sum(self.rights[:column]) + (self.wide + SIDE) * column
        above = sum(self.tops[: row + 1]) + sum(self.bottoms[:row]) + LINE_GAP * row
        return Box(x, self.height - EDGE - above - self.high * (row + 1), self.wide, self.high)

    def _room(self, index: int) -> Room:
        panel, room, wide = self.panels[index], Room(), self.wide
        legends = self._beside.get(index, [])
        if panel.surface is not None:
            room.left, room.bottom = LETTER, LITTLE  # labels of axes in space may reach out of their box
        else:
            self._surround(room, panel)
        if self._at_side(index):
            room.right = max([room.right, *(SIDE + size_of(legend, 1)[0] for legend in legends)])
        else:
            room.legend = sum(size_of(legend, self._across(legend))[1] + TITLE for legend in legends)
        if len(self.panels) > 1:
            room.letter = letter(index)
        room.title = lines_of(panel.panel.title, wide + self._overhang(index, room), HEADING)
        lines = max(len(room.title), bool(room.letter))
        room.top = room.legend + (TITLE + LARGE * lines if lines else LITTLE / 2)
        return room

    def _overhang(self, index: int, room: Room) -> float:
        """How far a title may reach over the right end of its axes: to the letter of the next panel."""
        column = index % self.columns
        if column == self.columns - 1:
            return room.right + EDGE
        return self.rights[column] + SIDE + self.lefts[column + 1] - LETTER - SIDE

    def _surround(self, room: Room, panel: Prepared) -> None:
        """Ticks, labels and the colour bar of a flat panel."""
        spec, wide, high = panel.panel, self.wide, self.high
        room.x_ticks, room.y_ticks = ticks(panel.x, wide, across=True), ticks(panel.y, high, across=False)
        room.x_label = axis_lines(spec.x.label, spec.x.unit, room.x_ticks.exponent, wide + 4.0)
        room.y_label = axis_lines(spec.y.label, spec.y.unit, room.y_ticks.exponent, high + 4.0)
        room.left = OUT + TICK + _widest(room.y_ticks) + _thick(room.y_label)
        room.bottom = OUT + TICK + LITTLE + _thick(room.x_label)
        room.right = _overhang(panel, room.x_ticks, wide)
        if panel.maps:
            scale = heat.value_scale(panel.maps[0])
            room.bar_ticks = ticks(scale, high, across=False)
            room.bar_label = axis_lines(panel.maps[0].label, "", room.bar_ticks.exponent, high + 4.0)
            room.right = sum(BAR) + TICK + _widest(room.bar_ticks) + _thick(room.bar_label)

    # Legends

    def _home(self, legend: Legend) -> int:
        """The panel at which a legend stands: its first, or at the side, its last one in the same row."""
        row = legend.panels[0] // self.columns
        last = max(index for index in legend.panels if index // self.columns == row)
        return last if self._at_side(last) else legend.panels[0]

    def _at_side(self, index: int) -> bool:
        """Whether a legend stands at the right of a panel; over narrow ones, maps and surfaces."""
        return self.columns <= 2 and not self.panels[index].maps

    def _across(self, legend: Legend) -> int:
        """How many entries of a legend stand side by side over the axes."""
        counts = range(len(legend.entries), 1, -1)
        return next((count for count in counts if size_of(legend, count)[0] <= self.wide + 4.0), 1)

    def _inside(self, legend: Legend, taken: Sequence[Grid]) -> Placed | None:
        """The legend where it covers nothing, in the first of its panels that has such a place."""
        margin = CLEAR / self.wide, CLEAR / self.high
        for index in legend.panels:
            for columns in dict.fromkeys((1, 2, len(legend.entries))):
                wide, high = size_of(legend, columns)
                spot = free_spot(taken[index], wide / self.wide, high / self.high, margin)
                if spot is not None:
                    cover(taken[index], spot, wide / self.wide, high / self.high)
                    box = self.axes(index)
                    return Placed(
                        legend, columns, box.x + spot[0] * box.width, box.y + spot[1] * box.height + high
                    )
        return None

    def _in_cell(self, cell: int, legend: Legend) -> Placed:
        box = self.axes(cell)
        return Placed(legend, 1, box.x, box.y + box.height)

    def _at_panel(self, index: int) -> Iterator[Placed]:
        """The legends that stand at a panel: at its right, or between its title and its axes."""
        box, side = self.axes(index), self._at_side(index)
        x = box.x + box.width + SIDE if side else box.x - OUT
        y = box.y + box.height + (0.0 if side else self.rooms[index].legend)
        for legend in self._beside[index]:
            columns = 1 if side else self._across(legend)
            yield Placed(legend, columns, x, y)
            y -= size_of(legend, columns)[1] + (SIDE if side else TITLE)


def letter(index: int) -> str:
    """a to z, then aa, ab, and so on."""
    return (letter(index // 26 - 1) if index >= 26 else "") + string.ascii_lowercase[index % 26]


def _widest(found: Ticks) -> float:
    return max((width_of(mathtext(label), SMALL) for label in found.labels), default=0.0)


def _thick(lines: Sequence[str]) -> float:
    """How much an axis's label takes beyond the tick labels."""
    return GAP + LARGE * len(lines) if lines else 0.0


def _overhang(panel: Prepared, found: Ticks, wide: float) -> float:
    """How far the tick labels of an x axis reach over its right end."""
    ends = [
        place * wide + width_of(mathtext(label), SMALL) / 2 - wide
        for place, label in zip(places(panel.x, found.values), found.labels, strict=True)
    ]
    return max([0.0, *ends])
