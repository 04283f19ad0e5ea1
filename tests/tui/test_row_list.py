"""A list draws what is on the screen, however long it is, and redraws only what has changed."""

import itertools
import time
from typing import Any

import fakes
import pytest
from textual.app import App, ComposeResult

from spivae_tui.widgets.entry_list import COLUMNS
from spivae_tui.widgets.row_list import Column, place


def shown(width: int) -> list[str]:
    return [placed.column.key for placed in place(COLUMNS, width)]


def test_a_wide_list_shows_every_column() -> None:
    assert shown(160) == [column.key for column in COLUMNS]


def test_at_80_cells_the_numbers_and_the_state_stay() -> None:
    assert shown(80) == ["mark", "name", "kind", "beta", "nll", "kl", "age"]


@pytest.mark.parametrize("width", range(20, 200, 7))
def test_columns_stay_inside_and_apart(width: int) -> None:
    placed = place(COLUMNS, width)
    for before, after in itertools.pairwise(placed):
        assert before.start + before.width < after.start
    if width >= 60:
        assert placed[-1].start + placed[-1].width <= width


def test_the_column_that_grows_takes_the_room_left() -> None:
    columns = (Column("a", "a", 4, grows=True), Column("b", "b", 6))
    assert [part.width for part in place(columns, 40)] == [40 - 2 - 2 - 6, 6]


async def _time_to_fill(count: int) -> float:
    entries = [fakes.entry(index) for index in range(count)]
    app = fakes.app(scan=lambda folders: iter(entries))
    async with app.run_test(size=(120, 40)) as pilot:
        while len(app.screen.entries.rows) < count:
            await pilot.pause(0.01)
        rows = app.screen.entries
        started = time.process_time()
        for _ in range(20):
            rows.cursor += 1
            rows.action_page_down()
            for y in range(rows.size.height):
                rows.render_line(y)
        elapsed = time.process_time() - started
        await pilot.press("end")
        assert rows.cursor == count - 1
    return elapsed


async def test_ten_thousand_rows_are_drawn_as_fast_as_a_hundred() -> None:
    few = min([await _time_to_fill(100) for _ in range(2)])
    many = min([await _time_to_fill(10_000) for _ in range(2)])
    assert many < 3 * few


@pytest.mark.parametrize("theme", ["ansi-dark", "ansi-light"])
async def test_all_of_the_row_under_the_cursor_can_be_read_in_16_colours(theme: str) -> None:
    app = fakes.app(theme=theme)
    async with app.run_test(size=(80, 24)) as pilot:
        await fakes.until(pilot, lambda: not app.screen.busy and app.screen.entries.rows)
        rows = app.screen.entries
        for keys in ([], ["slash"]):  # the cursor of a list that has the focus, and of one that has not
            await pilot.press(*keys)
            assert rows.has_focus == (not keys)
            line, other = rows.render_line(rows.cursor + 1), rows.render_line(rows.cursor + 2)
            pairs = {(part.style.color, part.style.bgcolor) for part in line if part.text.strip()}
            # the terminal's own pair is called default on default
            assert all(colour.is_default or colour != behind for colour, behind in pairs)
            assert {part.style for part in line}.isdisjoint(part.style for part in other)
            if keys:  # colours of what a row says are chosen to be read on the background
                assert {part.style.bgcolor for part in line} == {part.style.bgcolor for part in other}


async def test_moving_the_cursor_redraws_two_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    app = fakes.app()
    async with app.run_test(size=(80, 24)) as pilot:
        await fakes.until(pilot, lambda: not app.screen.busy)
        await fakes.settled(pilot)
        rows, drawn = app.screen.entries, []
        line = rows.render_line
        monkeypatch.setattr(rows, "render_line", lambda y: drawn.append(y) or line(y))
        await pilot.press("down")
        await pilot.pause()
        assert sorted(set(drawn)) == [1, 2]


async def test_redraw_touches_no_line_that_looks_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    app = fakes.app()
    async with app.run_test(size=(80, 24)) as pilot:
        await fakes.until(pilot, lambda: not app.screen.busy)
        await fakes.settled(pilot)
        rows, asked = app.screen.entries, []
        monkeypatch.setattr(rows, "refresh", lambda *regions, **_: asked.extend(regions))
        rows.redraw()
        assert asked == []
        rows._now = lambda: fakes.NOW + 65
        rows.redraw()
        # only the ages that count minutes have changed: the running run's checkpoint, the broken file
        assert [region.y for region in asked] == [2, 3]


class _Bare(App[None]):
    """A list of strings alone."""

    def __init__(self, rows: list[str]) -> None:
        super().__init__()
        self.strings = rows

    def compose(self) -> ComposeResult:
        from spivae_tui.widgets.row_list import Cell, RowList

        def cell(row: Any, key: str) -> Cell:
            return Cell(row)

        yield RowList((Column("a", "word", 10, grows=True),), cell, self.strings)


async def test_an_empty_list_can_be_walked() -> None:
    app = _Bare([])
    async with app.run_test() as pilot:
        await pilot.press("tab", "down", "up", "end", "home", "pagedown", "pageup")
        assert app.query_one("RowList").row is None  # type: ignore[attr-defined]
