"""PlotView draws off the loop, at most four times a second, and repaints only what changed."""

from __future__ import annotations

import itertools
import threading
import time
from typing import Any

import fakes
import numpy as np
import pytest
from rich.console import Console
from textual._compositor import CompositorUpdate
from textual.app import App, ComposeResult

from spivae.figure import terminal
from spivae.figure.look import Look
from spivae.figure.spec import Axis, Figure, Line, Panel
from spivae_tui import plot
from spivae_tui.plot import PlotView

STEPS = 4000
RNG = np.random.default_rng(0)
TRAIN = -2.33 + 1.2 * np.exp(-np.arange(STEPS) / 300) + 0.02 * RNG.standard_normal(STEPS)


def losses(steps: int) -> Figure:
    """Three curves as they stand after some steps, on axes that do not move."""
    x = np.arange(steps) / 312
    curves = {"train": TRAIN, "valid": TRAIN + 0.02, "other": TRAIN - 0.05}
    marks = tuple(Line(label=label, x=x, y=y[:steps]) for label, y in curves.items())
    return Figure(panels=(Panel(title="Loss", x=Axis(label="epoch", low=0, high=13), marks=marks),))


class PlotApp(App[None]):
    """A PlotView alone, and how many bytes each of its frames would send to a truecolor terminal."""

    def __init__(self, look: Look | None = None) -> None:
        super().__init__()
        self.view = PlotView(look=look or Look("braille", "truecolor"), placeholder="no run chosen")
        self.frames: list[int] = []
        self.wire = Console(force_terminal=True, color_system="truecolor", width=100, height=30)

    def compose(self) -> ComposeResult:
        yield self.view

    def _display(self, screen: Any, renderable: Any) -> None:
        if isinstance(renderable, CompositorUpdate):
            self.frames.append(len(renderable.render_segments(self.wire).encode()))
        super()._display(screen, renderable)


async def until_drawn(pilot: Any, view: PlotView) -> None:
    await fakes.until(pilot, lambda: view.is_current)
    await pilot.pause(0.05)


def shown(view: PlotView) -> list[str]:
    return [view.line(y).text for y in range(view.size.height)]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plot, "MIN_INTERVAL", 0.02)


async def test_a_live_curve_sends_little_and_nothing_while_nothing_changes() -> None:
    app = PlotApp()
    async with app.run_test(size=(100, 30)) as pilot:
        app.view.set_figure(losses(2000))
        await until_drawn(pilot, app.view)
        sizes = []
        for steps in range(2040, 2440, 40):
            app.frames.clear()
            app.view.set_figure(losses(steps))
            await until_drawn(pilot, app.view)
            sizes.append(sum(app.frames))
        assert 0 < max(sizes) <= 1500
        app.frames.clear()
        app.view.set_figure(losses(steps))
        await until_drawn(pilot, app.view)
        assert app.frames == []


@pytest.mark.parametrize("padding", [0, 2])
async def test_the_screen_shows_what_was_drawn_after_every_partial_repaint(padding: int) -> None:
    app = PlotApp()
    async with app.run_test(size=(100, 30)) as pilot:
        app.view.styles.padding = padding
        for steps in (300, 340, 900):
            app.view.set_figure(losses(steps))
            await until_drawn(pilot, app.view)
            width, height = 100 - 2 * padding, 30 - 2 * padding
            rows = terminal.draw(losses(steps), width, height, Look("braille", "truecolor"))
            expected = ["".join(span.text for span in row) for row in rows]
            screen = [strip.text for strip in app.screen._compositor.render_strips(app.size)]
            assert [
                line[padding : padding + width] for line in screen[padding : padding + height]
            ] == expected


async def test_without_a_figure_the_placeholder_is_shown() -> None:
    app = PlotApp()
    async with app.run_test(size=(60, 12)) as pilot:
        assert any("no run chosen" in line for line in shown(app.view))
        app.view.set_figure(losses(100))
        await until_drawn(pilot, app.view)
        assert "Loss" in shown(app.view)[0]
        app.view.set_figure(None)
        await pilot.pause()
        assert any("no run chosen" in line for line in shown(app.view))


async def test_a_new_size_a_new_theme_and_a_new_look_are_drawn() -> None:
    app = PlotApp()
    async with app.run_test(size=(60, 12)) as pilot:
        app.view.set_figure(losses(100))
        await until_drawn(pilot, app.view)
        await pilot.resize_terminal(90, 20)
        await until_drawn(pilot, app.view)
        assert {len(line) for line in shown(app.view)} == {90}
        before = app.view.line(3)
        app.theme = "textual-light"
        await pilot.pause()
        await until_drawn(pilot, app.view)
        assert app.view.line(3) != before
        app.view.look = Look("ascii", "none")
        await until_drawn(pilot, app.view)
        assert all(line.isascii() for line in shown(app.view))
        app.theme = "ansi-dark"
        app.view.look = Look("ascii", "truecolor")
        await pilot.pause()
        await until_drawn(pilot, app.view)
        names = {segment.style.color.name for line in map(app.view.line, range(20)) for segment in line
                 if segment.style and segment.style.color}  # fmt: skip
        assert not any(name.startswith("#") for name in names)


async def test_draws_are_coalesced_and_stale_ones_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    gate = threading.Event()
    drawn: list[int] = []
    real = terminal.draw

    def slow(figure: Figure, *rest: Any) -> Any:
        drawn.append(figure.panels[0].marks[0].x.size)  # type: ignore[union-attr]
        gate.wait(60)
        return real(figure, *rest)

    monkeypatch.setattr(terminal, "draw", slow)
    app = PlotApp()
    async with app.run_test(size=(60, 12)) as pilot:
        app.view.set_figure(losses(100))
        await fakes.until(pilot, lambda: drawn)
        for steps in range(101, 120):
            app.view.set_figure(losses(steps))
            await pilot.pause(0.005)
        assert drawn == [100]
        assert not app.view.is_current
        gate.set()
        await until_drawn(pilot, app.view)
        assert drawn == [100, 119]


async def test_draws_keep_their_distance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plot, "MIN_INTERVAL", 0.2)
    times: list[float] = []
    app = PlotApp()
    draw = app.view._draw

    def timed(job: Any) -> Any:
        times.append(time.monotonic())
        return draw(job)

    monkeypatch.setattr(app.view, "_draw", timed)
    steps = itertools.count(100)

    def shown_another() -> bool:
        app.view.set_figure(losses(next(steps)))
        return len(times) == 4

    async with app.run_test(size=(60, 12)) as pilot:
        await fakes.until(pilot, shown_another)
        await until_drawn(pilot, app.view)
    assert min(np.diff(times)) > 0.15


async def test_a_figure_that_cannot_be_drawn_says_so_and_the_next_one_is_drawn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = terminal.draw

    def broken(figure: Figure, *rest: Any) -> Any:
        if figure.title == "broken":
            raise RuntimeError("no such glyph")
        return real(figure, *rest)

    monkeypatch.setattr(terminal, "draw", broken)
    app = PlotApp()
    async with app.run_test(size=(70, 12)) as pilot:
        app.view.set_figure(Figure(panels=(), title="broken"))
        await until_drawn(pilot, app.view)
        assert any("could not be drawn: no such glyph" in line for line in shown(app.view))
        app.view.set_figure(losses(100))
        await until_drawn(pilot, app.view)
        assert "Loss" in shown(app.view)[0]


async def test_a_view_that_goes_away_while_drawing_does_no_harm() -> None:
    app = PlotApp()
    async with app.run_test(size=(60, 12)) as pilot:
        app.view.set_figure(losses(3000))
        await app.view.remove()
        await pilot.pause(0.3)


async def test_curves_that_cost_much_are_drawn_less_often_but_a_key_is_answered_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(plot, "MAX_INTERVAL", 600.0)
    app = PlotApp()
    async with app.run_test(size=(100, 30)) as pilot:
        app.view.set_figure(losses(2000))
        await until_drawn(pilot, app.view)
        app.view._cost = 10.0
        app.view.set_figure(losses(2100))
        await pilot.pause(0.3)
        assert not app.view.is_current
        app.view.set_figure(losses(2200), at_once=True)
        await until_drawn(pilot, app.view)
        assert 0 < app.view._cost < 0.1


async def test_no_figure_is_put_into_words_to_be_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[object] = []
    monkeypatch.setattr(plot._Job, "__repr__", lambda job: told.append(job) or "job")
    app = PlotApp()
    async with app.run_test(size=(100, 30)) as pilot:
        app.view.set_figure(losses(2000))
        await until_drawn(pilot, app.view)
    assert told == []
