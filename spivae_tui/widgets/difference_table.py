"""In what runs differ: a row for each field, a column for each run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from textual import events
from textual.message import Message

from spivae_tui.widgets.row_list import EDGE, GAP, Cell, Column, RowList, place

WIDEST = 30  # cells of a column
FIELD = "field"


class DifferenceTable(RowList):
    """Shows the runs from `first` on, as many as fit beside the fields, which are dotted paths."""

    class Arranged(Message):
        """There is room for another number of runs."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__((Column(FIELD, FIELD, 5),), self._value, id=id)
        self.first = 0
        self._runs: Sequence[str] = ()
        self._fields: Mapping[str, Sequence[Cell]] = {}

    @property
    def shown(self) -> range:
        """The numbers of the runs that are on the screen."""
        return range(self.first, self.first + len(self.placed) - 1)

    def show_runs(self, runs: Sequence[str], fields: Mapping[str, Sequence[Cell]]) -> None:
        """Show other runs, by their names, with their values of each field."""
        self._runs, self._fields = runs, fields
        self._arrange()
        self.show(list(fields))

    def turn(self, by: int) -> None:
        """Go on to the runs beyond the last column, or back."""
        self.first += by * max(1, len(self.shown))
        self._arrange()
        self.redraw()

    def on_resize(self, event: events.Resize) -> None:
        self._arrange()
        self.post_message(self.Arranged())

    def _arrange(self) -> None:
        """Place as many columns as there is room for, and always one."""
        # back from the last run on, so that the last page is full
        field = Column(FIELD, FIELD, max(map(len, (FIELD, *self._fields))), keep_end=True)
        columns = [self._column(number) for number in range(len(self._runs))]
        room, begin = self._room(field), len(columns)
        while begin and (room := room - columns[begin - 1].width - GAP) >= 0:
            begin -= 1
        self.first = max(0, min(self.first, begin, len(columns) - 1))
        room, end = self._room(field), self.first
        while end < len(columns) and (room := room - columns[end].width - GAP) >= 0:
            end += 1
        self.columns = (field, *columns[self.first : max(end, self.first + 1)])
        self.placed = place(self.columns, self.size.width)

    def _room(self, field: Column) -> int:
        return self.size.width - 2 * EDGE - field.width

    def _column(self, number: int) -> Column:
        values = (self._runs[number], *(values[number].text for values in self._fields.values()))
        return Column(str(number), self._runs[number], min(WIDEST, max(map(len, values))), right=True)

    def _value(self, field: str, key: str) -> Cell:
        if key == FIELD:
            return Cell(field)
        return self._fields[field][int(key)]
