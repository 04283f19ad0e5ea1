"""A list of rows in columns that draws only what is on the screen, however long it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from spivae_tui.actions import bindings
from spivae_tui.text import fit

Role = Literal["", "muted", "strong", "accent", "good", "bad", "warn"]
GAP = 2  # cells between columns
EDGE = 1  # cells before the first column and after the last


class Cell(NamedTuple):
    """The text of one cell, and the role that colours it."""

    text: str
    role: Role = ""


@dataclass(frozen=True)
class Column:
    """One column. `width` is fixed, or the least one of a column that takes the room left (`grows`).

    Where the list is too narrow, columns are left out by `drop`, the highest first; 0 stays for ever. A text
    that does not fit keeps its beginning, or with `keep_end` its end, where paths differ.
    """

    key: str
    title: str
    width: int
    right: bool = False
    drop: int = 0
    grows: bool = False
    keep_end: bool = False


class Placed(NamedTuple):
    """A column, where it starts and how wide it is."""

    column: Column
    start: int
    width: int


def place(columns: Sequence[Column], width: int) -> list[Placed]:
    """The columns that fit into `width` cells, and the room each takes."""
    kept = list(columns)
    inner = width - 2 * EDGE
    while len(kept) > 1 and sum(column.width + GAP for column in kept) - GAP > inner:
        droppable = [column for column in kept if column.drop]
        if not droppable:
            break
        kept.remove(max(droppable, key=lambda column: column.drop))
    room = max(0, inner - (sum(column.width + GAP for column in kept) - GAP))
    placed, start = [], EDGE
    for column in kept:
        cells = column.width + (room if column.grows else 0)
        placed.append(Placed(column, start, cells))
        start += cells + GAP
    return placed


# without the bindings of what scrolls sideways: they would hide what a screen does with the same keys
class RowList(ScrollView, can_focus=True, inherit_bindings=False):
    """Rows with a heading line and, unless `selectable` is off, a cursor.

    `cell(row, key)` gives the Cell of a column; it is called only for rows that are drawn. `sorted_by` and
    `descending` only mark the heading: sorting is the owner's work.
    """

    BINDINGS = bindings("list")
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "row-list--row",
        "row-list--heading",
        "row-list--sorted",
        "row-list--cursor",
        "row-list--cursor-blurred",
        *(f"row-list--{role}" for role in ("muted", "strong", "accent", "good", "bad", "warn")),
    }

    cursor: reactive[int] = reactive(0, repaint=False)

    class Highlighted(Message):
        """The cursor stands on another row; `row` is None in an empty list."""

        def __init__(self, rows: RowList, row: Any) -> None:
            super().__init__()
            self.rows = rows
            self.row = row

        @property
        def control(self) -> RowList:
            return self.rows

    class Selected(Highlighted):
        """A row was double-clicked."""

    class HeadingClicked(Message):
        """A heading was clicked."""

        def __init__(self, rows: RowList, key: str) -> None:
            super().__init__()
            self.rows = rows
            self.key = key

        @property
        def control(self) -> RowList:
            return self.rows

    def __init__(
        self,
        columns: Sequence[Column],
        cell: Callable[[Any, str], Cell],
        rows: Iterable[Any] = (),
        *,
        selectable: bool = True,
        id: str | None = None,
        classes: str | None = None,
    ) -> None:
        super().__init__(id=id, classes=classes)
        self.columns = tuple(columns)
        self.cell = cell
        self.rows: Sequence[Any] = list(rows)
        self.selectable = selectable
        self.sorted_by = ""
        self.descending = False
        self.arrows = "▴▾"
        self.placed: list[Placed] = []
        self._styles_cache_key: tuple[object, ...] = ()
        self._role_styles: dict[str, Style] = {}
        self._drawn: dict[int, Strip] = {}

    # What is shown

    @property
    def row(self) -> Any:
        """The row under the cursor, or None in an empty list."""
        return self.rows[self.cursor] if 0 <= self.cursor < len(self.rows) else None

    def show(self, rows: Sequence[Any], cursor: int | None = None) -> None:
        """Show other rows. Only the lines that look different are drawn again."""
        before, grown = self.row, len(rows) != len(self.rows)
        self.rows = rows
        self.set_reactive(
            RowList.cursor, max(0, min(self.cursor if cursor is None else cursor, len(rows) - 1))
        )
        if grown:
            self.virtual_size = Size(self.size.width, len(rows) + 1)
        self.redraw()
        if cursor is not None:
            self._keep_in_view()
        if self.row is not before:
            self.post_message(self.Highlighted(self, self.row))

    def redraw(self) -> None:
        """Draw the lines again whose look has changed (a value, an age, the sort mark)."""
        for y in range(self.size.height):
            if y in self._drawn and self._line(y) != self._drawn[y]:
                self.refresh(Region(0, y, self.size.width, 1))

    def mark_sorted(self, key: str, descending: bool) -> None:
        """Mark the heading of the column that the rows are sorted by."""
        self.sorted_by, self.descending = key, descending

    # Drawing

    def render_line(self, y: int) -> Strip:
        strip = self._line(y)
        self._drawn[y] = strip
        return strip

    def _line(self, y: int) -> Strip:
        width = self.size.width
        if y == 0:
            return self._heading(width)
        index = int(self.scroll_y) + y - 1
        if index >= len(self.rows):
            return Strip.blank(width, self._style("row"))
        return self._row_line(index, width)

    def _row_line(self, index: int, width: int) -> Strip:
        row = self.rows[index]
        selected = self.selectable and index == self.cursor
        base = self._style("row")
        if selected:
            base = self._style("cursor" if self.has_focus else "cursor-blurred")
        segments, end = [], 0
        for column, start, cells in self.placed:
            text, role = self.cell(row, column.key)
            # on the cursor of a focused list the row's own colours would be hard to read
            style = base if not role or (selected and self.has_focus) else base + self._style(role)
            segments.append(Segment(" " * (start - end), base))
            segments.append(Segment(fit(text, cells, column.right, column.keep_end), style))
            end = start + cells
        segments.append(Segment(" " * max(0, width - end), base))
        return Strip(segments).simplify().adjust_cell_length(width, base)

    def _heading(self, width: int) -> Strip:
        base = self._style("heading")
        segments, end = [], 0
        for column, start, cells in self.placed:
            title, style = column.title, base
            if column.key == self.sorted_by:
                arrow, style = self.arrows[self.descending], base + self._style("sorted")
                # where the name fills the column, the arrow stands in the gap beside it
                space = " " if len(title) + 2 <= cells else ""
                title = f"{arrow}{space}{title}" if column.right else f"{title}{space}{arrow}"
                beyond = max(0, len(title) - cells)
                start, cells = start - beyond * column.right, cells + beyond
            segments.append(Segment(" " * (start - end), base))
            segments.append(Segment(fit(title, cells, column.right), style))
            end = start + cells
        segments.append(Segment(" " * max(0, width - end), base))
        return Strip(segments).simplify().adjust_cell_length(width, base)

    def _style(self, name: str) -> Style:
        key = (self.app.theme, self.app.app_focus)
        if key != self._styles_cache_key:
            self._styles_cache_key, self._role_styles = key, {}
        style = self._role_styles.get(name)
        if style is None:
            partial = name in {"muted", "strong", "accent", "good", "bad", "warn", "sorted"}
            style = self.get_component_rich_style(f"row-list--{name}", partial=partial)
            self._role_styles[name] = style
        return style

    def notify_style_update(self) -> None:
        self._role_styles = {}
        super().notify_style_update()

    # Size, focus, cursor

    def on_resize(self, event: events.Resize) -> None:
        self.placed = place(self.columns, self.size.width)
        self.virtual_size = Size(self.size.width, len(self.rows) + 1)
        self._drawn.clear()
        self._keep_in_view()
        self.refresh()

    def _refresh_cursor_line(self, index: int) -> None:
        y = index - int(self.scroll_y) + 1
        if 1 <= y < self.size.height:
            self.refresh(Region(0, y, self.size.width, 1))

    def watch_has_focus(self, has_focus: bool) -> None:
        super().watch_has_focus(has_focus)
        self._refresh_cursor_line(self.cursor)

    def validate_cursor(self, cursor: int) -> int:
        return max(0, min(cursor, len(self.rows) - 1))

    def watch_cursor(self, old: int, new: int) -> None:
        self._keep_in_view()
        self._refresh_cursor_line(old)
        self._refresh_cursor_line(new)
        self.post_message(self.Highlighted(self, self.row))

    def _keep_in_view(self) -> None:
        page = max(1, self.size.height - 1)
        if not self.selectable or not self.size.height:
            return
        top = int(self.scroll_y)
        if self.cursor < top:
            self.scroll_to(y=self.cursor, animate=False)
        elif self.cursor >= top + page:
            self.scroll_to(y=self.cursor - page + 1, animate=False)

    def _move(self, by: int) -> None:
        if self.selectable:
            self.cursor += by
        else:
            self.scroll_relative(y=by, animate=False)

    def action_up(self) -> None:
        self._move(-1)

    def action_down(self) -> None:
        self._move(1)

    def action_page_up(self) -> None:
        self._move(1 - max(2, self.size.height - 1))

    def action_page_down(self) -> None:
        self._move(max(2, self.size.height - 1) - 1)

    def action_first(self) -> None:
        self._move(-len(self.rows))

    def action_last(self) -> None:
        self._move(len(self.rows))

    # Mouse

    def on_click(self, event: events.Click) -> None:
        offset = event.get_content_offset(self)
        if offset is None:
            return
        if offset.y == 0:
            for column, start, cells in self.placed:
                if start <= offset.x < start + cells:
                    self.post_message(self.HeadingClicked(self, column.key))
            return
        index = int(self.scroll_y) + offset.y - 1
        if self.selectable and index < len(self.rows):
            self.cursor = index
            if event.chain == 2:
                self.post_message(self.Selected(self, self.row))
