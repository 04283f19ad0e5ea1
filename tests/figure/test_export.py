"""Figures for print: that all of a figure is on the page, each part in its place, and always the same."""

from __future__ import annotations

import itertools
import struct
import sys
import zlib
from typing import Any

import matplotlib
import numpy as np
import pytest
from figures import line, panels
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spivae.errors import SpivaeError
from spivae.figure import export
from spivae.figure.export import Kind, picture
from spivae.figure.paper_layout import Box, arrange
from spivae.figure.paper_panel import Prepared
from spivae.figure.paper_surface import draw_surface
from spivae.figure.spec import Axis, Figure, Heatmap, Histogram, HLine, Panel, Points, Text, VLine

KINDS: tuple[Kind, ...] = ("png", "svg", "pdf")
WAVE = np.sin(np.linspace(0, 6, 50))
FIGURE = Figure(
    panels=(
        Panel(
            marks=(line(WAVE, label="a"), HLine(y=0.0, muted=True), Points(x=WAVE, y=WAVE, label="b")),
            title="Waves",
            x=Axis(label="t"),
            y=Axis(label="x", unit="nats"),
        ),
        Panel(
            marks=(
                Heatmap(x_edges=np.arange(4), y_edges=np.arange(3), values=np.ones((2, 3)), label="counts"),
            ),
            x=Axis(label="log(α D T^(α-1))"),
        ),
        Panel(
            marks=(
                Histogram(edges=np.arange(4), counts=np.arange(3)),
                VLine(x=1.0),
                Text(x=0, y=1, text="R² 0.9"),
            )
        ),
    ),
    title="All of it",
    caption="A caption of many words, " * 8,
)


def surface(slope: float) -> Panel:
    x, y = np.meshgrid(np.arange(4.0), np.arange(3.0))
    tilted = Heatmap(x_edges=np.arange(5), y_edges=np.arange(4), values=slope * (x + y), surface=True)
    return Panel(marks=(tilted,), x=Axis(label="α"), y=Axis(label="log10 D"))


@pytest.mark.parametrize("kind", KINDS)
def test_a_figure_needs_no_words_and_no_panels(kind: Kind) -> None:
    assert picture(Figure(panels=()), kind)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_figure_is_the_same_file(kind: Kind) -> None:
    assert picture(FIGURE, kind) == picture(FIGURE, kind)


def test_a_users_own_style_changes_nothing_and_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = picture(FIGURE, "svg")
    monkeypatch.setitem(matplotlib.rcParams, "axes.facecolor", "red")
    monkeypatch.setitem(matplotlib.rcParams, "font.size", 30.0)
    assert picture(FIGURE, "svg") == plain
    assert matplotlib.rcParams["axes.facecolor"] == "red"


def test_text_stays_text_in_an_svg_and_the_figures_words_are_in_every_file() -> None:
    svg = picture(FIGURE, "svg").decode()
    for word in ("Waves", "counts", "R", "A caption of many words,"):
        assert f">{word}" in svg or word in svg
    assert "All of it" in svg
    assert b"All of it" in png_texts(picture(FIGURE, "png"))
    assert b"All of it" in picture(FIGURE, "pdf")


def png_texts(data: bytes) -> bytes:
    """The text chunks of a PNG file."""
    at, found = 8, b""
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        if kind in (b"tEXt", b"iTXt"):
            found += body
        elif kind == b"zTXt":
            found += zlib.decompress(body.split(b"\0", 1)[1][1:])
        at += 12 + length
    return found


def test_without_matplotlib_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(
        SpivaeError, match=r"a figure as PNG needs matplotlib .*pip install 'spivae\[export\]'"
    ):
        picture(FIGURE, "png")


def test_surfaces_of_one_figure_are_looked_at_from_one_side(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[float] = []

    def draw(axes: Any, panel: Prepared, azimuth: float, width: float, height: float) -> None:
        draw_surface(axes, panel, azimuth, width, height)
        seen.append(axes.azim)

    def azimuths(*shown: Panel) -> list[float]:
        seen.clear()
        assert picture(Figure(panels=shown), "svg")
        return list(seen)

    monkeypatch.setattr(export, "draw_surface", draw)
    [up], [down] = azimuths(surface(1.0)), azimuths(surface(-1.0))
    assert up != down  # each alone from the side that it falls to
    assert azimuths(scaled(0.1), scaled(-1.0), scaled(0.3)) == [down] * 3  # the steepest has its way


def scaled(slope: float) -> Panel:
    """A surface on a scale that it shares with others."""
    panel = surface(slope)
    [mark] = panel.marks
    assert isinstance(mark, Heatmap)
    shared = Heatmap(
        x_edges=mark.x_edges, y_edges=mark.y_edges, values=mark.values, low=-5.0, high=5.0, surface=True
    )
    return Panel(marks=(shared,), x=panel.x, y=panel.y)


def overlap(one: Box, other: Box) -> bool:
    across = one.x < other.x + other.width and other.x < one.x + one.width
    return across and one.y < other.y + other.height and other.y < one.y + one.height


def lies_well(figure: Figure) -> None:
    """That panels, with all that stands around them, are on the page and do not overlap."""
    page = arrange(figure)
    around = [
        Box(
            box.x - room.left,
            box.y - room.bottom,
            box.width + room.left + room.right,
            box.height + room.bottom + room.top,
        )
        for box, room in zip(page.axes, page.rooms, strict=True)
    ]
    for axes, box in zip(page.axes, around, strict=True):
        assert min(axes.width, axes.height) > 5
        assert box.x > -0.01
        assert box.y > -0.01
        assert box.x + box.width < page.width + 0.01
        assert box.y + box.height < page.height + 0.01
    inner = [Box(box.x + 0.01, box.y + 0.01, box.width - 0.02, box.height - 0.02) for box in around]
    assert not any(overlap(one, other) for one, other in itertools.combinations(inner, 2))


@pytest.mark.parametrize("wish", [1, 2, 3, 4])
@pytest.mark.parametrize("count", [1, 2, 3, 5, 8])
def test_panels_with_all_around_them_lie_on_the_page_and_apart(count: int, wish: int) -> None:
    long = Panel(
        marks=(line(WAVE, label="a label far longer than any page has room for " * 3),),
        title="a title far longer than any panel has room for",
        legend="a legend with a long title",
    )
    shown = [*FIGURE.panels, surface(1.0), long]
    lies_well(
        Figure(panels=tuple(itertools.islice(itertools.cycle(shown), count)), columns=wish, caption="c")
    )
    lies_well(Figure(panels=(long,) * count, columns=wish))


@pytest.mark.full
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(panels, max_size=7).map(tuple), st.integers(1, 5))
def test_so_do_panels_of_any_kind(shown: tuple[Panel, ...], wish: int) -> None:
    lies_well(Figure(panels=shown, columns=wish, caption="words"))


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(panels, max_size=3).map(tuple), st.sampled_from(KINDS))
def test_whatever_a_figure_holds_it_can_be_printed(shown: tuple[Panel, ...], kind: Kind) -> None:
    assert picture(Figure(panels=shown, title="t"), kind)
