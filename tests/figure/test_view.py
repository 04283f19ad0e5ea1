"""Zoom, pan, scales and a cursor: one view for any figure of curves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spivae.figure.look import Look
from spivae.figure.spec import Axis, Figure, HLine, Line, Panel, VLine
from spivae.figure.terminal import draw
from spivae.figure.view import AXES, View

X = Axis(label="epoch", low=0.0, high=10.0)


def figure() -> Figure:
    """Loss with a spike at 7, a KL on a logarithmic axis, and a panel with an axis of its own."""
    x = np.linspace(0.1, 8, 80)
    loss = -2 + 4 * np.exp(-x)
    spiky = loss.copy()
    spiky[69] = 40.0
    marks = (
        Line(x=x, y=spiky, muted=True),
        Line(x=x, y=loss, label="a", color=0),
        Line(x=x[:40], y=loss[:40] + 1, label="b", color=1),
    )
    return Figure(
        panels=(
            Panel(marks=marks, x=X, y=Axis(label="loss", low=-2.0, high=1.0)),
            Panel(
                marks=(HLine(y=0.1), Line(x=x, y=np.exp(-x))),
                x=X,
                y=Axis(label="KL", scale="log", low=1e-4, high=1.0),
            ),
            Panel(marks=(Line(x=x, y=x),), x=Axis(label="alpha", low=0.0, high=2.0)),
        )
    )


def test_a_view_of_all_is_the_figure_itself() -> None:
    drawn = figure()
    assert View().of(drawn) is drawn


def test_zoom_shows_half_around_the_middle_or_the_cursor_and_back() -> None:
    drawn = figure()
    half = View().zoomed(0.5, drawn)
    assert half.span == (2.5, 7.5)
    assert half.zoomed(2, drawn).span is None
    assert View(cursor=8.0).zoomed(0.5, drawn).span == pytest.approx((4.0, 9.0))
    panels = half.of(drawn).panels
    assert [(panel.x.low, panel.x.high) for panel in panels] == [(2.5, 7.5), (2.5, 7.5), (0.0, 2.0)]


def test_a_part_is_scaled_to_all_that_is_in_it_spikes_too() -> None:
    y = View(span=(3.0, 5.0)).of(figure()).panels[0].y
    assert (y.low, y.high) == pytest.approx((-2.0, -0.8))
    high = View(span=(6.0, 8.0)).of(figure()).panels[0].y.high
    assert high is not None
    assert high >= 40


@given(
    st.lists(st.tuples(st.sampled_from(["zoom", "pan", "move", "axes"]), st.floats(-1.5, 1.5)), max_size=30)
)
def test_wherever_one_goes_the_view_stays_within_the_axis(steps: list[tuple[str, float]]) -> None:
    drawn, view = figure(), View()
    for what, by in steps:
        if what == "zoom":
            view = view.zoomed(0.5 if by < 0.5 else 2.0, drawn)
        elif what == "axes":
            view = view.with_next_axes()
        else:
            view = view.panned(by, drawn) if what == "pan" else view.moved(by, drawn)
        (low, high), (first, last) = view.shown(drawn), view.whole(drawn)
        assert first * (1 - 1e-9) <= low < high <= last * (1 + 1e-9)
        if what == "move":
            assert view.cursor is not None
            assert low * (1 - 1e-9) <= view.cursor <= high * (1 + 1e-9)
    draw(view.of(drawn), 60, 20, Look())


def test_panning_ends_at_the_ends() -> None:
    drawn, view = figure(), View(span=(2.0, 4.0))
    assert view.panned(0.5, drawn).span == (3.0, 5.0)
    assert view.panned(-9, drawn).span == (0.0, 2.0)
    assert view.panned(9, drawn).span == (8.0, 10.0)
    assert View().panned(0.5, drawn).span is None


def test_the_part_that_is_shown_follows_the_cursor() -> None:
    drawn = figure()
    view = View(span=(2.0, 4.0), cursor=3.9).moved(0.1, drawn)
    assert view.cursor == pytest.approx(4.1)
    assert view.span == pytest.approx((2.1, 4.1))


def test_the_cursor_is_a_line_through_the_panels_that_share_the_axis() -> None:
    view = View().moved(0.0, figure())
    assert view.cursor == 5.0
    panels = view.of(figure()).panels
    assert [any(isinstance(mark, VLine) for mark in panel.marks) for panel in panels] == [True, True, False]


def test_the_cursor_reads_off_what_each_curve_is_there() -> None:
    drawn = figure()
    loss, kl, other = drawn.panels
    (a, b), (latent,) = View(cursor=2.02).readings(drawn, loss), View(cursor=2.02).readings(drawn, kl)
    assert (a.label, b.label, latent.label) == ("a", "b", "KL")
    assert a.value == pytest.approx(-2 + 4 * np.exp(-2.0))
    assert latent.value == pytest.approx(np.exp(-2.0))
    # a curve that has ended is nothing there, and neither is one that has not begun
    assert [reading.value for reading in View(cursor=6.0).readings(drawn, loss)][1] is None
    assert View(cursor=0.0).readings(drawn, kl)[0].value is None
    assert View(cursor=2.0).readings(drawn, other) == []
    assert View().readings(drawn, loss) == []


def test_a_negative_loss_is_drawn_above_its_lowest_on_a_logarithmic_axis() -> None:
    view = View(axes="log y", cursor=3.0)
    loss = view.of(figure()).panels[0]
    assert loss.y.label == "loss above -2.014"
    a = next(mark for mark in loss.marks if isinstance(mark, Line) and mark.label == "a")
    assert a.y.min() > 0
    assert np.log10(a.y[5] / a.y[40]) == pytest.approx(1.5, abs=0.2)
    # the cursor reads off the loss itself
    assert view.readings(figure(), figure().panels[0])[0].value == pytest.approx(-2 + 4 * np.exp(-3.0))


def test_the_scales_change_in_turn() -> None:
    view, seen = View(), []
    for _ in AXES:
        view = view.with_next_axes()
        panels = view.of(figure()).panels
        seen.append((view.axes, panels[0].x.scale, panels[0].y.scale, panels[1].y.scale))
    assert seen == [
        ("log y", "linear", "log", "log"),
        ("linear y", "linear", "linear", "linear"),
        ("log x", "log", "linear", "log"),
        ("", "linear", "linear", "log"),
    ]


def test_a_logarithmic_x_axis_begins_at_the_first_point_and_zooms_in_decades() -> None:
    drawn, view = figure(), View(axes="log x")
    assert view.whole(drawn) == pytest.approx((0.1, 10.0))
    assert view.zoomed(0.5, drawn).span == pytest.approx((0.1 * 10**0.5, 10**0.5))
    assert replace(view, span=(1.0, 2.0)).with_next_axes().span is None
