"""Whatever a figure holds, it is drawn in exactly the cells asked for, and plotext sees only integers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from figures import ASCII, BRAILLE, LOOKS, line, panels, text
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from spivae.figure import terminal
from spivae.figure.spec import Axis, Figure, Heatmap, Histogram, Line, Panel, Points
from spivae.figure.terminal import draw, draw_panel, panels_per_page


def examples(count: int) -> settings:
    return settings(max_examples=count, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def assert_exactly(rows: list[Any], width: int, height: int) -> None:
    assert len(rows) == height
    for row in rows:
        assert sum(len(span.text) for span in row) == width
        assert all(span.text for span in row)


@examples(150)
@given(panels, st.integers(10, 200), st.integers(4, 60), st.sampled_from(LOOKS))
def test_any_panel_fills_exactly_its_cells(
    panel: Panel, width: int, height: int, look: terminal.Look
) -> None:
    rows = draw_panel(panel, width, height, look)
    assert_exactly(rows, width, height)
    if look.ascii:
        assert all(char.isascii() for line in text(rows) for char in line)
    if not look.colored:
        assert all(span.fg is None and span.bg is None for row in rows for span in row)


@examples(40)
@given(st.lists(panels, max_size=6), st.integers(1, 130), st.integers(1, 50), st.integers(0, 7), st.data())
def test_any_figure_fills_exactly_its_cells(
    some: list[Panel], width: int, height: int, first: int, data: st.DataObject
) -> None:
    columns = data.draw(st.none() | st.integers(0, 5))
    figure = Figure(panels=tuple(some), title="A title", caption="A caption", columns=columns)
    assert_exactly(draw(figure, width, height, BRAILLE, first), width, height)
    assert panels_per_page(figure, width, height) >= 1


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (9, 4), (10, 4)])
@pytest.mark.parametrize("look", LOOKS[::5], ids=str)
def test_even_the_smallest_panel_can_be_drawn(size: tuple[int, int], look: terminal.Look) -> None:
    panel = Panel(
        title="Loss", x=Axis(label="step"), y=Axis(label="NLL"), marks=(line([1, 2, 3], label="train"),)
    )
    assert_exactly(draw_panel(panel, *size, look), *size)


@examples(60)
@given(panels, st.sampled_from(LOOKS))
def test_plotext_never_sees_a_number_that_is_not_a_place_on_its_canvas(
    panel: Panel, look: terminal.Look
) -> None:
    real = terminal._plotext
    seen = []

    def spy(series: Any, columns: int, rows: int, lines: bool, glyphs: str) -> Any:
        across, down = terminal._DOTS[glyphs]
        for x, y in series:
            seen.append(len(x))
            assert len(x) == len(y) > 0
            assert all(type(place) is int and 0 <= place < columns * across for place in x)
            assert all(type(place) is int and 0 <= place < rows * down for place in y)
        return real(series, columns, rows, lines, glyphs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(terminal, "_plotext", spy)
        terminal._codes.cache_clear()
        draw_panel(panel, 50, 14, look)


def test_a_million_points_reach_plotext_as_two_a_column(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = []
    real = terminal._plotext

    def spy(series: Any, *rest: Any) -> Any:
        counts.append(sum(len(x) for x, _ in series))
        return real(series, *rest)

    monkeypatch.setattr(terminal, "_plotext", spy)
    noise = np.random.default_rng(0).standard_normal(1_000_000)
    draw_panel(Panel(marks=(line(noise),)), 100, 30, BRAILLE)
    assert 0 < max(counts) <= 2 * 2 * 100


def test_of_a_figure_that_grows_only_the_strokes_that_look_different_are_drawn_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drawn = []
    real = terminal._plotext
    monkeypatch.setattr(terminal, "_plotext", lambda *given: drawn.append(given) or real(*given))
    level = np.linspace(0.123, 0.987, 40)
    before = Panel(marks=(line(level), line(1 - level)), x=Axis(low=0, high=50), y=Axis(low=0, high=1))
    grown = (line(np.append(level, 0.1)), line(1 - level))
    panels = [before, replace(before, marks=grown), before]
    first, second, third = (text(draw_panel(panel, 60, 12, BRAILLE)) for panel in panels)
    assert len(drawn) == 3
    assert first == third != second


NOTHING_TO_SEE = {
    "no finite values": (Line(x=np.arange(3.0), y=np.full(3, np.nan)),),
    "no data": (),
    "4 values, none above 0 (log axis)": (Points(x=np.arange(4.0), y=-np.arange(4.0)),),
    "heatmap: its edges do not fit its values": (
        Heatmap(x_edges=np.arange(3.0), y_edges=np.arange(3.0), values=np.ones((5, 5))),
    ),
}


@pytest.mark.parametrize(("note", "some"), NOTHING_TO_SEE.items(), ids=list(NOTHING_TO_SEE))
def test_an_empty_canvas_says_why(note: str, some: Any) -> None:
    assert note in "\n".join(text(draw_panel(Panel(marks=some, y=Axis(scale="log")), 60, 12, ASCII)))


def test_a_panel_with_something_to_see_has_no_note() -> None:
    drawn = "\n".join(text(draw_panel(Panel(marks=(line([np.nan, 1.0]),)), 60, 12, ASCII)))
    assert "no " not in drawn


@pytest.mark.parametrize(
    "values", [[], [1.0], [2.0, 2.0, 2.0], [0.0, 0.0], [1e300, -1e300], [5e-324, 1e-323], [1.0, 1.0 + 1e-15]]
)
@pytest.mark.parametrize("scale", ["linear", "log", "symlog"])
def test_series_without_extent_can_be_drawn(values: list[float], scale: Any) -> None:
    axis = Axis(scale=scale)
    some = (
        line(values, label="a"),
        Points(x=np.array(values), y=np.array(values)),
        Histogram(edges=np.array([*values, 9.0]), counts=np.array(values)),
    )
    assert_exactly(draw_panel(Panel(marks=some, x=axis, y=axis), 40, 12, BRAILLE), 40, 12)
