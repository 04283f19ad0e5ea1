"""Tables fit the terminal, and lose nothing where there is none."""

from __future__ import annotations

import pytest

from spivae.cli import output
from spivae.cli.listing import tell_of_ended_queues
from spivae.cli.table import Column, cells, shorten, table, wrap

COLUMNS = (Column("name", shortens=True), Column("less", drop=2), Column("more", right=True, drop=1))
ROWS = [("a-rather-long-name", "apples", "1.5"), ("short", "pears", "10.25")]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch):
    def of(width: int) -> None:
        monkeypatch.setattr(output, "width", lambda: width)

    return of


def test_columns_are_aligned_to_their_side():
    assert list(table(COLUMNS, ROWS)) == [
        "name                less     more",
        "a-rather-long-name  apples    1.5",
        "short               pears   10.25",
    ]


def test_where_there_is_no_room_columns_leave_in_their_order(terminal):
    terminal(28)
    assert next(table(COLUMNS, ROWS)).split() == ["name", "more"]
    terminal(20)
    assert next(table(COLUMNS, ROWS)).split() == ["name"]


def test_a_name_that_still_does_not_fit_keeps_its_end(terminal):
    terminal(12)
    assert list(table(COLUMNS, ROWS))[1] == "…r-long-name"


def test_a_column_in_which_nothing_is_known_is_left_out_in_a_terminal_alone(terminal):
    rows = [("a", "–", "1"), ("b", "", "2")]
    assert "less" in next(table(COLUMNS, rows))
    terminal(80)
    assert "less" not in next(table(COLUMNS, rows))


def test_wide_and_combining_characters_count_as_the_cells_they_take():
    assert cells("日本") == 4
    assert cells("e\u0301") == 1
    assert cells(shorten("日本語の名前", 5)) <= 5


def test_text_is_wrapped_at_spaces():
    assert wrap("one two three", 8) == ["one two", "three"]
    assert wrap("one two three", None) == ["one two three"]


def test_of_many_queues_that_have_ended_some_are_told_of_and_the_rest_counted(
    capsys: pytest.CaptureFixture[str],
) -> None:
    tell_of_ended_queues([f"wait for queue {number}" for number in range(8) for _ in range(8 - number)])
    assert capsys.readouterr().out.splitlines() == [
        "",
        *(f"{8 - number} runs wait for queue {number}" for number in range(5)),
        "3 more sweeps like that; `spivae runs --sweeps` lists all",
    ]
