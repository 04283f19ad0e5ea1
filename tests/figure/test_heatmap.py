from __future__ import annotations

import numpy as np
import pytest
from figures import ASCII, colors, text

from spivae.figure.heatmap import sample
from spivae.figure.look import Look
from spivae.figure.scales import Scale
from spivae.figure.spec import Axis, Heatmap, Panel
from spivae.figure.terminal import draw_panel

UNIT = Scale("linear", 0.0, 1.0)


def heatmap(values: list[list[float]], **options: object) -> Heatmap:
    table = np.array(values, dtype=float)
    edges = [np.linspace(0, 1, size + 1) for size in table.shape]
    return Heatmap(x_edges=edges[1], y_edges=edges[0], values=table, **options)  # type: ignore[arg-type]


def test_the_first_row_of_values_is_at_the_bottom() -> None:
    assert sample(heatmap([[1, 2], [3, 4]]), UNIT, UNIT, 2, 2).tolist() == [[3, 4], [1, 2]]


def test_few_bins_are_spread_over_many_pixels() -> None:
    assert sample(heatmap([[1, 2]]), UNIT, UNIT, 4, 1).tolist() == [[1, 1, 2, 2]]


def test_many_bins_are_averaged_without_their_empty_ones() -> None:
    assert sample(heatmap([[1, 3, np.nan, 5]]), UNIT, UNIT, 2, 1).tolist() == [[2, 5]]


def test_bins_of_different_width_keep_their_places() -> None:
    wide = Heatmap(
        x_edges=np.array([0, 0.75, 1]), y_edges=np.array([0.0, 1.0]), values=np.array([[1.0, 2.0]])
    )
    assert sample(wide, UNIT, UNIT, 4, 1).tolist() == [[1, 1, 1, 2]]


def test_the_last_digits_of_edges_do_not_move_a_bin_to_another_pixel() -> None:
    values, edges = np.arange(21.0)[:, None], np.linspace(0, 1, 22)
    rng = np.random.default_rng(0)
    drawn = []
    for _ in range(10):
        jitter = np.concatenate([[0], rng.normal(scale=1e-15, size=20), [0]])
        bins = Heatmap(x_edges=np.array([0.0, 1.0]), y_edges=edges + jitter, values=values)
        drawn.append(sample(bins, UNIT, UNIT, 1, 6))
    assert all(np.array_equal(one, drawn[0]) for one in drawn)


def test_what_lies_outside_the_axis_is_empty() -> None:
    assert np.isnan(sample(heatmap([[1]]), Scale("linear", 2.0, 3.0), UNIT, 3, 1)).all()


@pytest.mark.parametrize("look", [Look(), Look("block", "256"), ASCII], ids=str)
def test_empty_cells_stay_blank(look: Look) -> None:
    rows = draw_panel(Panel(marks=(heatmap([[np.nan, 1.0]]),)), 40, 12, look)
    for row in rows[:8]:
        cells = [(char, span.bg) for span in row for char in span.text]
        axis = next(index for index, (char, _) in enumerate(cells) if char in "│┤|+")
        assert cells[axis + 2] == (" ", None)


def test_counts_of_zero_are_empty_on_a_log_scale() -> None:
    rows = text(draw_panel(Panel(marks=(heatmap([[0.0, 1.0, 100.0]], scale="log"),)), 40, 10, ASCII))
    third = rows[1].split("|")[1][:28]
    assert third.startswith("      ")
    assert set(third) == {" ", ".", "@"}


def test_half_blocks_show_two_rows_a_cell() -> None:
    rows = draw_panel(Panel(marks=(heatmap([[float(i)] for i in range(16)]),)), 40, 10, Look())
    halves = [span for row in rows for span in row if span.text.startswith("▀")]
    assert halves
    assert all(span.fg != span.bg for span in halves)
    assert len(colors(rows)) > 16


def test_the_colour_bar_has_ticks_and_a_name() -> None:
    panel = Panel(title="Mean", y=Axis(label="D"), marks=(heatmap([[0, 10]], label="count"),))
    rows = text(draw_panel(panel, 40, 12, ASCII))
    assert rows[0].endswith("count")
    assert rows[1].endswith("@@ 10")
    assert rows[-3].endswith(".. 0")
    assert "10" in text(draw_panel(panel, 30, 12, ASCII))[-1]


def test_bounds_that_the_heatmap_names_hold() -> None:
    rows = text(draw_panel(Panel(marks=(heatmap([[5.0]], low=0.0, high=10.0),)), 40, 10, ASCII))
    assert "+" in rows[1].split("|")[1] or "=" in rows[1].split("|")[1]
