"""Drawings that a person can check by eye, in ASCII and in braille."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from figures import ASCII, BRAILLE, colors, line, text

from spivae.figure.look import Look
from spivae.figure.spec import Axis, Figure, Heatmap, Histogram, HLine, Line, Panel, Points, Text, VLine
from spivae.figure.terminal import draw, draw_panel, panels_per_page

LOSS = Panel(
    title="Loss",
    x=Axis(label="epoch"),
    y=Axis(label="NLL", unit="nats"),
    marks=(
        line([8, 4, 2, 1, 1], label="train"),
        line([6, 3, 3], x=[1, 2, 3], label="valid"),
        HLine(y=2.0, label="floor", muted=True),
    ),
)


def drawn(panel: Panel, width: int = 40, height: int = 12, look: Look = ASCII) -> str:
    return "\n".join(text(draw_panel(panel, width, height, look)))


def test_two_curves_with_a_legend() -> None:
    expected = r"""
Loss  NLL (nats)
8+*
 | **
6+   **    +
 |     **   +++
4+       ***   +++
 |          ***** +++++++++++++
2+- - - - - - - -*****- - - - - - - - -
 |                    ******************
 ++--------+---------+--------+--------+
  0        1         2        3        4
  ** train  ++ valid  -- floor     epoch
"""
    rows = drawn(LOSS).splitlines()
    assert rows == expected.strip("\n").splitlines()


def test_two_curves_in_braille_each_with_its_marker() -> None:
    expected = """
Loss  NLL (nats)
8┤⠑⢄
 │  ⠑●
6┤    ⠑⢄   ⠐⢄▲
 │      ⠑⢄   ⠉⠢⢄
4┤        ⠑⠤⣀   ⠉⠢⢄
 │           ●⠒⠤⣀  ⠉⠢▲⠤⠤⠤⠤⠤⠤▲⠤▲
2┤⣀⡀ ⣀⡀ ⣀⡀ ⣀⡀ ⣀⡀ ⣉⡒⠤⣀● ⣀⡀ ⣀⡀ ⣀⡀ ⣀⡀ ⣀⡀ ⣀⡀
 │                   ⠈⠉⠑⠒⠒⠤⠤●⣀⣀⣀⣀⣀⣀⣀●⣀⣀●
 └┬────────┬─────────┬────────┬────────┬
  0        1         2        3        4
  ─● train  ─▲ valid  ╌╌ floor     epoch
"""
    assert drawn(LOSS, 40, 12, BRAILLE).splitlines() == expected.strip("\n").splitlines()


def test_a_logarithmic_axis_has_decades() -> None:
    panel = Panel(y=Axis(label="KL", unit="nats", scale="log"), marks=(line([1e1, 1e-1, 1e-3], label="z₀"),))
    expected = """
KL (nats)
    |*
 1e0+ *****
    |      ******
    |            ******
    |                  ****
1e-2+                      ****
    |                          ****
    |                              *****
    ++-------+--------+--------+-------+
    0.0     0.5      1.0      1.5    2.0
     ** z0
"""
    assert drawn(panel).splitlines() == expected.strip("\n").splitlines()
    assert "10⁻²┤" in drawn(panel, look=BRAILLE)


def test_a_curve_that_diverges_is_marked_where_it_did() -> None:
    rows = drawn(Panel(marks=(line([1, 2, 4, np.nan, np.inf], label="train"),)))
    assert rows.splitlines()[0].endswith("X")
    assert "X diverged" in rows
    assert "diverged" not in drawn(Panel(marks=(line([np.nan, 1, 2]),)))
    assert "diverged" not in drawn(Panel(y=Axis(scale="log"), marks=(line([1, 2, -1, 3]),)))


def test_a_curve_breaks_where_a_value_is_missing() -> None:
    rows = text(draw_panel(Panel(marks=(line([1, 1, np.nan, 1, 1], muted=True),)), 40, 12, ASCII))
    row = next(row for row in rows if ".." in row)
    assert row.endswith("+.........                 .........")


def test_what_stands_in_front_hides_the_others_and_is_bold() -> None:
    look = Look(glyphs="block", colors="truecolor")
    level = np.ones(5)
    marks = [Line(x=np.arange(5), y=level, color=0, front=True), Line(x=np.arange(5), y=level, color=1)]
    for one, other in (marks, reversed(marks)):
        rows = draw_panel(Panel(marks=(one, other), y=Axis(low=0, high=2)), 40, 12, look)
        drawn = [span for row in rows for span in row if span.fg in (look.category(0), look.category(1))]
        assert {span.fg for span in drawn} == {look.category(0)}
        assert any(span.bold for span in drawn)


def test_what_stands_behind_a_curve_may_have_a_faint_shade_of_its_colour() -> None:
    marks = (line([1, 1, 1], muted=True, color=1), line([2, 2, 2], muted=True))
    for dark, faint in ((True, "#7B590C"), (False, "#EAAE7F")):
        look = Look(glyphs="block", colors="truecolor", dark=dark)
        found = {span.fg for row in draw_panel(Panel(marks=marks), 40, 12, look) for span in row}
        assert {faint, look.muted} <= found
    plain = Look(glyphs="block", colors="16")
    assert plain.faint(plain.category(1)) == plain.muted


def test_a_histogram_is_an_outline_on_the_axis() -> None:
    counts = np.array([1.0, 10, 100, 10, 0])
    expected = """
100+              ********
   |              *      *
   |              *      *
 10+       ********      ********
   |       *                    *
   |       *                    *
   |       *                    *
  1+********                    *
   |*                           *
   ++------+------+------+------+------+
    0      1      2      3      4      5
"""
    panel = Panel(y=Axis(scale="log"), marks=(Histogram(edges=np.arange(6.0), counts=counts),))
    assert drawn(panel, 40, 11).splitlines() == expected.strip("\n").splitlines()


def test_a_heatmap_is_a_ramp_of_density_with_a_colour_bar() -> None:
    values = np.array([[1, 2, 3], [4, np.nan, 9.0]])
    heatmap = Heatmap(x_edges=np.arange(4.0), y_edges=np.arange(3.0), values=values, label="μ")
    expected = """
Map                                   mu
2+===========           @@@@@@@@@@@ @@ 8
 |===========           @@@@@@@@@@@ %%
 |===========           @@@@@@@@@@@ ## 6
1+===========           @@@@@@@@@@@ **
 |...........:::::::::::----------- == 4
 |...........:::::::::::----------- --
 |...........:::::::::::----------- :: 2
0+...........:::::::::::----------- ..
 ++----------+----------+---------+
  0          1          2         3
                alpha
"""
    panel = Panel(title="Map", x=Axis(label="α"), marks=(heatmap,))
    assert drawn(panel).splitlines() == expected.strip("\n").splitlines()


def test_a_long_family_of_curves_has_a_gradient_for_a_legend() -> None:
    family = tuple(line([k, k + 1], shade=k / 20, label=f"{0.2 + 0.08 * k:.2g}") for k in range(21))
    panel = Panel(legend="α", marks=family)
    assert drawn(panel).splitlines()[-1].strip() == "alpha 0.2 ..:=++*%@@ 1.8"
    assert drawn(panel, look=Look()).splitlines()[-1].strip() == "α 0.2 ▬▬▬▬▬▬▬▬▬▬ 1.8"
    beside = drawn(panel, 100, 30).splitlines()
    assert sum(row.endswith(("0.2", "1.8")) for row in beside) == 2


def test_a_legend_that_cannot_fit_is_cut_with_an_ellipsis() -> None:
    many = tuple(line([k], label=f"a rather long label {k}") for k in range(6))
    rows = drawn(Panel(marks=many, x=Axis(label="t")), 40, 9).splitlines()
    assert rows[-2].strip() == "** a rather long label 0"
    assert rows[-1].endswith("~           t")


def test_words_and_guides_are_drawn_where_they_belong() -> None:
    axis = Axis(low=0, high=10)
    marks = (VLine(x=5.0), Text(x=5.0, y=5.0, text="true β"), Points(x=np.array([0.0]), y=np.array([0.0])))
    rows = drawn(Panel(marks=marks, x=axis, y=axis)).splitlines()
    assert any("true beta" in row for row in rows)
    places = {row.index("|", 4) for row in rows[:8] if "|" in row[4:]}
    assert len(places) == 1
    assert 20 <= places.pop() <= 24


def test_few_points_are_markers_and_many_are_dots() -> None:
    few = Points(x=np.arange(3.0), y=np.arange(3.0))
    many = Points(x=np.arange(400.0), y=np.arange(400.0) % 7)
    assert drawn(Panel(marks=(few,)), look=BRAILLE).count("●") == 3
    assert "●" not in drawn(Panel(marks=(many,)), look=BRAILLE)


def test_a_cell_takes_the_colour_of_the_mark_with_most_dots_in_it() -> None:
    look = Look()
    axis = Axis(low=0, high=1)
    wall = [line([0, 1], x=[x, x]) for x in np.linspace(0.0, 0.2, 60)]
    solid = tuple(Line(x=w.x, y=w.y, color=0) for w in wall)
    crossing = line([0.5, 0.5], x=[0, 1], color=1)
    rows = draw_panel(Panel(x=axis, y=axis, marks=(*solid, crossing)), 40, 12, look)
    middle = next(row for row in rows if any(span.fg == look.category(1) for span in row))
    order = [span.fg for span in middle if span.fg in (look.category(0), look.category(1))]
    assert order[0] == look.category(0)
    assert order[-1] == look.category(1)


def test_theory_stands_behind_the_data() -> None:
    look = Look()
    theory = line([1, 1], x=[0, 1], muted=True)
    data = line([1, 1], x=[0, 0.5], color=2)
    rows = draw_panel(Panel(marks=(data, theory)), 40, 12, look)
    row = next(row for row in rows if any(span.fg == look.category(2) for span in row))
    shown = [span.fg for span in row if span.fg in (look.muted, look.category(2))]
    assert shown == [look.category(2), look.muted]


def test_without_colours_nothing_is_coloured() -> None:
    assert colors(draw_panel(LOSS, 80, 24, Look("braille", "none"))) == set()


def test_spans_are_as_few_as_the_styles() -> None:
    for row in draw_panel(LOSS, 80, 24, Look()):
        visible = [span for span in row if span.text.strip()]
        assert all(a[1:] != b[1:] for a, b in pairwise(visible))


@pytest.mark.parametrize(
    ("size", "count"), [((40, 12), 1), ((80, 24), 4), ((160, 48), 10), ((200, 60), 10), ((10, 4), 1)]
)
def test_panels_fill_the_page(size: tuple[int, int], count: int) -> None:
    figure = Figure(panels=(LOSS,) * 10, title="Ten panels")
    assert panels_per_page(figure, *size) == count
    page = "\n".join(text(draw(figure, *size, ASCII)))
    assert page.count("Loss") == count or size == (10, 4)
    assert (f"of {10}" in page) == (count < 10 and size[0] > 20)


def test_later_panels_are_on_later_pages() -> None:
    figure = Figure(panels=tuple(Panel(title=f"Panel {k}", marks=LOSS.marks) for k in range(6)))
    assert "Panel 0" in text(draw(figure, 80, 24, ASCII))[0]
    assert "Panel 4" in text(draw(figure, 80, 24, ASCII, first=4))[0]


def test_a_wish_for_columns_is_followed_where_there_is_room() -> None:
    figure = Figure(panels=(LOSS,) * 2, columns=1)
    assert text(draw(figure, 120, 40, ASCII))[0].count("Loss") == 1
    assert text(draw(figure, 120, 14, ASCII))[0].count("Loss") == 2
