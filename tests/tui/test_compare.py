"""Runs side by side: marked in the list, compared on shared axes, sorted, followed while they train."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fakes
import pytest
import runs
from textual.pilot import Pilot

from spivae.catalog import Entry, scan
from spivae.training.recipe import to_toml, with_overrides
from spivae.training.run import Run
from spivae_tui.app import SpivaeApp
from spivae_tui.screens.browse import BrowseScreen
from spivae_tui.screens.compare import CompareScreen
from spivae_tui.screens.live import LiveRunScreen
from spivae_tui.services import Services


def make(folder: Path, seed: int, steps: int) -> Run:
    """A run that differs from the others in its seed, and in how far it is."""
    run = runs.make_run(folder / str(seed), steps)
    run.info.id = f"sbm-{seed:04d}"
    run.save()
    run.recipe_path.write_text(to_toml(with_overrides(runs.RECIPE, {"training.seed": str(seed)})))
    return run


@pytest.fixture
def three(tmp_path: Path) -> list[Run]:
    return [make(tmp_path, seed, steps) for seed, steps in ((1, 130), (2, 310), (3, 200))]


class CompareApp(SpivaeApp):
    """The app, opened on runs side by side."""

    def __init__(self, given: list[Run]) -> None:
        services = Services(scan=fakes.nothing, read_header=fakes.checkpoint, now=lambda: runs.NOW)  # type: ignore[arg-type]
        super().__init__([], services=services)
        self.paths = [str(run.path) for run in given]

    def on_mount(self) -> None:
        self.open_comparison(self.paths)


async def until(condition: Callable[[], Any], seconds: float = 10.0) -> None:
    for _ in range(int(seconds / 0.02)):
        if condition():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it never came to hold")


async def compared(pilot: Pilot[Any]) -> CompareScreen:
    screen = pilot.app.screen
    assert isinstance(screen, CompareScreen)
    await until(lambda: screen.table.rows)
    await until(lambda: screen.curves.is_current)
    await pilot.pause()
    return screen


def cells(screen: CompareScreen) -> list[list[str]]:
    keys = [column.key for column in screen.table.columns]
    return [[screen.table.cell(row, key).text for key in keys] for row in screen.table.rows]


async def test_a_table_tells_what_differs_and_marks_the_best(three: list[Run]) -> None:
    async with CompareApp(three).run_test(size=(100, 30)) as pilot:
        screen = await compared(pilot)
        assert [column.title for column in screen.table.columns[:4]] == ["", "run", "seed", "state"]
        assert [row[:4] for row in cells(screen)] == [
            ["", "sbm-0001", "1", "running"],
            ["*", "sbm-0002", "2", "running"],
            ["", "sbm-0003", "3", "running"],
        ]
        figure = screen.curves.figure
        assert figure is not None
        assert [panel.y.label for panel in figure.panels] == ["-ELBO", "loss", "KL", "NLL"]


async def test_the_table_is_sorted_by_any_column_and_the_cursor_stays_on_its_run(three: list[Run]) -> None:
    async with CompareApp(three).run_test(size=(100, 30)) as pilot:
        screen = await compared(pilot)
        await pilot.press("down")
        for _ in range(5):  # run, seed, state, epoch, -ELBO
            await pilot.press("s")
        await pilot.pause()
        assert screen.sorted_by == "neg_elbo"
        assert [row[1] for row in cells(screen)] == ["sbm-0002", "sbm-0003", "sbm-0001"]
        assert screen.table.row.view.info.id == "sbm-0002"
        await pilot.press("r")
        await pilot.pause()
        assert [row[1] for row in cells(screen)] == ["sbm-0001", "sbm-0003", "sbm-0002"]
        assert screen.table.row.view.info.id == "sbm-0002"


async def test_what_is_drawn_along_can_be_chosen(three: list[Run]) -> None:
    async with CompareApp(three).run_test(size=(100, 30)) as pilot:
        screen = await compared(pilot)
        seen = []
        for _ in range(4):
            assert screen.curves.figure is not None
            seen.append(screen.curves.figure.panels[0].x.label)
            await pilot.press("x")
            await pilot.pause()
        assert seen == ["epoch", "step", "time", "epoch"]


async def test_runs_that_go_on_are_followed_and_lead_to_their_own_screen(three: list[Run]) -> None:
    async with CompareApp(three).run_test(size=(100, 30)) as pilot:
        screen = await compared(pilot)
        runs.write_steps(three[0], 131, 430)
        await until(lambda: cells(screen)[0][0] == "*")
        runs.set_info(three[2], state="stopped")
        await until(lambda: cells(screen)[2][3] == "stopped")
        await pilot.press("down", "down", "enter")
        await until(lambda: isinstance(pilot.app.screen, LiveRunScreen))
        assert pilot.app.screen.run_path == str(three[2].path)  # type: ignore[attr-defined]
        await pilot.press("escape")
        await until(lambda: pilot.app.screen is screen)


class ListApp(SpivaeApp):
    """The app on the list of these runs; comparisons are only noted."""

    def __init__(self, folder: Path) -> None:
        services = Services(read_header=fakes.checkpoint, now=lambda: runs.NOW)  # type: ignore[arg-type]
        super().__init__([folder], services=services)
        self.compared: list[list[str]] = []

    def open_comparison(self, paths: Any) -> None:
        self.compared.append(list(paths))


async def test_marked_runs_are_compared_or_else_those_beside(tmp_path: Path) -> None:
    folder = tmp_path / "sweep"
    folder.mkdir()
    for seed in (1, 2, 3):
        run = make(tmp_path / "made", seed, 70)
        run.path.rename(folder / f"sbm-{seed}")
    found: list[Entry] = [entry for entry in scan([tmp_path]) if entry.kind == "run"]
    paths = sorted(entry.path for entry in found)
    app = ListApp(folder)
    async with app.run_test(size=(100, 30)) as pilot:
        screen = app.screen
        assert isinstance(screen, BrowseScreen)
        await until(lambda: not screen.busy and len(screen.listing.visible) == 3)
        await pilot.press("c")
        assert app.compared == [paths]
        chosen = [entry.path for entry in screen.listing.visible[:2]]
        await pilot.press("space", "space")
        assert screen.entries.marked == set(chosen)
        assert screen.entries.cell(screen.listing.visible[0], "mark").text == "●"
        await pilot.press("c")
        assert app.compared[1:] == [sorted(chosen)]
        await pilot.press("home", "space")  # one alone is nothing to compare
        await pilot.press("c")
        assert len(app.compared) == 2


@pytest.mark.parametrize("size", [(80, 24), (140, 40)])
def test_runs_side_by_side_look_cared_for(size: tuple[int, int], three: list[Run], snap_compare: Any) -> None:
    async def drawn(pilot: Pilot[Any]) -> None:
        await compared(pilot)

    assert snap_compare(CompareApp(three), terminal_size=size, run_before=drawn)
