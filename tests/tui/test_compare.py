"""Runs side by side: marked in the list, compared on shared axes, sorted, followed while they train."""

from __future__ import annotations

import asyncio
import shutil
import time
from pathlib import Path
from typing import Any

import fakes
import pytest
import runs
from fakes import becomes as until
from textual.pilot import Pilot
from textual.widgets import Static

from spivae.catalog import Entry, scan
from spivae.training.recipe import to_toml, with_overrides
from spivae.training.run import Run
from spivae_tui.app import SpivaeApp
from spivae_tui.screens.browse import BrowseScreen
from spivae_tui.screens.compare import POLL_SECONDS, CompareScreen
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
        assert [row[:5] for row in cells(screen)] == [
            ["", "sbm-0001", "1", "━┄┄┄┄  27%", "2 min left"],
            ["*", "sbm-0002", "2", "━━━┄┄  64%", "1 min left"],
            ["", "sbm-0003", "3", "━━┄┄┄  41%", "2 min left"],
        ]
        figure = screen.curves.figure
        assert figure is not None
        assert [panel.y.label for panel in figure.panels] == ["-ELBO", "loss", "KL", "NLL"]


async def test_the_table_is_sorted_by_any_column_and_the_cursor_stays_on_its_run(three: list[Run]) -> None:
    async with CompareApp(three).run_test(size=(100, 30)) as pilot:
        screen = await compared(pilot)
        await pilot.press("down")
        for _ in range(6):  # run, seed, state, left, epoch, -ELBO
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
            before = screen.curves.figure
            await pilot.press("x")
            await until(lambda: screen.curves.figure is not before)  # noqa: B023
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


async def test_a_cursor_reads_each_run_off_and_the_table_is_sorted_by_it(three: list[Run]) -> None:
    async with CompareApp(three).run_test(size=(100, 30)) as pilot:
        screen = await compared(pilot)
        await pilot.press("v")
        titles = [column.title for column in screen.table.columns]
        assert titles == ["", "run", "seed", "state", "-ELBO", "loss", "KL", "NLL"]
        assert "at epoch 3" in screen.title_bar._remark
        # the first run has ended at epoch 2.17, so it has no value at 3
        assert cells(screen)[0][4:] == ["–"] * 4
        assert [cells(screen)[row][7] for row in (1, 2)] == [f"{runs.epoch(3)['nll']:.4g}" for _ in range(2)]
        for _ in range(4):  # run, seed, state, -ELBO
            await pilot.press("s")
        assert screen.sorted_by == "at -ELBO"
        assert cells(screen)[-1][1] == "sbm-0001"
        await pilot.press(*["left"] * 20)
        await until(lambda: cells(screen)[-1][7] == f"{runs.epoch(1)['nll']:.4g}")
        assert all(row[5] != "–" for row in cells(screen))
        await pilot.press("escape")  # away with the cursor, and not with the screen
        assert pilot.app.screen is screen
        assert "NLL" in [column.title for column in screen.table.columns]
        assert "by epoch" in screen.title_bar._remark


async def test_fifty_runs_are_read_off_too(tmp_path: Path) -> None:
    many = [make(tmp_path, seed, 70 + seed) for seed in range(50)]
    async with CompareApp(many).run_test(size=(100, 30)) as pilot:
        screen = await compared(pilot)
        await until(lambda: len(screen.table.rows) == 50)
        await pilot.press("v")
        await until(lambda: [row[7] for row in cells(screen)] == [f"{runs.epoch(1)['nll']:.4g}"] * 50)


async def test_curves_are_zoomed_panned_and_scaled_by_keys(three: list[Run]) -> None:
    async with CompareApp(three).run_test(size=(100, 30)) as pilot:
        screen = await compared(pilot)

        def x() -> tuple[float | None, float | None]:
            assert screen.curves.figure is not None
            axis = screen.curves.figure.panels[0].x
            return axis.low, axis.high

        assert x() == (0, 6)
        await pilot.press("plus")
        assert x() == (1.5, 4.5)
        assert "epoch 1.5 to 4.5" in screen.title_bar._remark
        await pilot.press("full_stop")
        assert x() == (2.25, 5.25)
        assert screen.active_bindings["comma"].enabled
        await pilot.press("comma", "comma", "minus")
        assert x() == (0, 6)
        beyond = {"minus", "comma", "full_stop", "0"}  # there is nothing beyond the whole axis
        assert not beyond & screen.active_bindings.keys()
        await pilot.press("plus", "plus", "0")
        assert x() == (0, 6)
        await pilot.press("a")
        assert screen.curves.figure is not None
        assert {panel.y.scale for panel in screen.curves.figure.panels} == {"log"}
        await until(lambda: screen.curves.is_current)


async def test_runs_that_are_deleted_leave_a_screen_that_says_so(three: list[Run]) -> None:
    async with CompareApp(three).run_test(size=(100, 30)) as pilot:
        screen = await compared(pilot)
        shutil.rmtree(three[1].path)
        await until(lambda: len(screen.table.rows) == 2)
        for run in (three[0], three[2]):
            shutil.rmtree(run.path)
        await until(lambda: not screen.table.rows)
        await pilot.press("v", "plus", "S", "R", "number_sign", "enter", "s")
        await pilot.pause()
        assert screen.curves.placeholder == "these runs are gone"


def problem(screen: CompareScreen) -> str:
    """The line about what cannot be read; empty while it is hidden."""
    line = screen.query_one("#compared-problem", Static)
    return str(line.content) if line.display else ""


async def test_a_run_that_cannot_be_read_is_told_and_the_others_go_on(three: list[Run]) -> None:
    three[0].metrics_path.unlink()
    three[0].metrics_path.mkdir()
    async with CompareApp(three).run_test(size=(100, 30)) as pilot:
        screen = await compared(pilot)
        assert [row[1] for row in cells(screen)] == [three[0].path.name, "sbm-0002", "sbm-0003"]
        assert cells(screen)[0][3] == "broken"
        assert problem(screen) == f"✗ {three[0].metrics_path}: cannot be read (Is a directory)"
        assert len(screen._curved) == 2
        (three[1].path / "run.json").write_text("{")
        await until(lambda: cells(screen)[1][3] == "broken")
        await pilot.press("down")
        await until(lambda: "its run.json is broken" in problem(screen))
        assert problem(screen).endswith("(2 runs cannot be read)")
        three[0].metrics_path.rmdir()
        three[1].save()
        await until(lambda: problem(screen) == "")
        assert [row[3] == "broken" for row in cells(screen)] == [False] * 3


async def test_an_error_of_ours_is_said_once_and_not_swallowed(
    three: list[Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("no such curve")

    monkeypatch.setattr("spivae_tui.screens.compare.POLL_SECONDS", 0.05)
    monkeypatch.setattr("spivae.following.comparison.Comparison.figure", fail)
    async with CompareApp(three).run_test(size=(100, 30)) as pilot:
        await until(lambda: len(pilot.app._notifications) > 0)
        for run in three:  # so that it looks, and fails, again
            runs.set_info(run, state="stopped")
        await pilot.pause(0.3)
        assert [note.message for note in pilot.app._notifications] == ["RuntimeError: no such curve"]


async def test_nothing_is_drawn_while_nothing_looks_different(
    three: list[Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spivae_tui.screens.compare.POLL_SECONDS", 0.05)
    for run in three:
        runs.set_info(run, state="stopped")
    async with CompareApp(three).run_test(size=(100, 30)) as pilot:
        screen = await compared(pilot)
        await pilot.pause(0.3)
        updates: list[Any] = []
        display = screen._compositor.render_update
        monkeypatch.setattr(
            screen._compositor, "render_update", lambda **how: updates.append(how) or display(**how)
        )
        seen, looked = screen.comparison.runs, 0  # type: ignore[union-attr]
        for turn in range(3):
            three[0].log_path.write_text("a line that this screen does not show\n" * turn)
            await until(lambda: screen.comparison.runs is not seen)  # type: ignore[union-attr]  # noqa: B023
            seen, looked = screen.comparison.runs, looked + 1  # type: ignore[union-attr]
            await pilot.pause(0.1)
        assert (looked, updates) == (3, [])


def differing(screen: CompareScreen) -> list[list[str]]:
    """The table of what differs, its heading first, as it is on the screen."""
    table = screen.differences
    return [table.render_line(y).text.split() for y in range(1 + len(table.rows))]


async def test_twenty_live_runs_cost_the_app_a_twentieth_of_a_core(tmp_path: Path) -> None:
    many = [make(tmp_path, seed, 200) for seed in range(20)]
    async with CompareApp(many).run_test(size=(160, 48)) as pilot:
        screen = await compared(pilot)
        await until(lambda: len(screen.table.rows) == 20)
        began, spent, of_trainers = time.monotonic(), time.process_time(), 0.0
        for look in range(4):
            before = time.process_time()
            for run in many:  # each takes two steps between two looks
                runs.write_steps(run, 201 + 2 * look, 202 + 2 * look)
            of_trainers += time.process_time() - before
            await asyncio.sleep(POLL_SECONDS)
        share = (time.process_time() - spent - of_trainers) / (time.monotonic() - began)
        assert all(row.view.step > 204 for row in screen.table.rows)
    # poll, figure, drawing and screen
    assert share < 2 * 0.05


async def test_d_shows_all_that_differs_a_column_a_run(three: list[Run]) -> None:
    changed = {"training.seed": "2", "training.phase.1.beta": "2e-3", "model.layer_size": "5"}
    three[1].recipe_path.write_text(to_toml(with_overrides(runs.RECIPE, changed)))
    runs.set_info(three[2], lr_scale=0.3, device="cuda:1", nproc=2, threads=4)
    async with CompareApp(three).run_test(size=(100, 30)) as pilot:
        screen = await compared(pilot)
        await pilot.press("d")
        await until(lambda: "what differs" in screen.title_bar._remark)
        assert differing(screen) == [
            ["field", "0001", "0002", "0003"],
            ["model.layer_size", "4", "5", "4"],
            ["training.seed", "1", "2", "3"],
            ["training.phase.1.beta", "0.004", "0.002", "0.004"],
            ["lr_scale", "1", "1", "0.3"],
            ["device", "auto", "auto", "cuda:1"],
            ["nproc", "1", "1", "2"],
            ["threads", "2", "2", "4"],
        ]
        cells = [screen.differences.cell("model.layer_size", str(number)) for number in range(3)]
        assert [cell.role for cell in cells] == [
            "muted",
            "accent",
            "muted",
        ]  # who leaves it out has the default
        assert not screen.curves.display
        await pilot.press("v", "s", "enter")  # nothing that is not to be seen is changed
        assert (screen.is_reading, screen.sorted_by, pilot.app.screen) == (False, "", screen)
        await pilot.press("escape")
        await pilot.pause()
        assert screen.curves.display
        assert pilot.app.focused is screen.table
        await pilot.press("d", "d")
        assert not screen.shows_differences


async def test_eighty_columns_have_room_for_the_keys_that_only_this_screen_has(three: list[Run]) -> None:
    async with CompareApp(three).run_test(size=(80, 24)) as pilot:
        screen = await compared(pilot)
        words = screen.query_one("KeyBar").render_line(0).text  # type: ignore[attr-defined]
        keys = ("⏎ Open", "d Differences", "s Sort", "x Axis", "v Values", "esc Back", "] More", "? Help")
        for key in keys:
            assert key in words
        await pilot.press("v")
        await until(lambda: screen.is_reading)
        await pilot.pause()
        words = screen.query_one("KeyBar").render_line(0).text  # type: ignore[attr-defined]
        assert "v Values  esc Close  ←→ Cursor" in words


async def test_a_heading_keeps_its_name_beside_the_arrow(three: list[Run]) -> None:
    changed = {"dataset.trajectories": "9600", "training.seed": "2"}
    three[1].recipe_path.write_text(to_toml(with_overrides(runs.RECIPE, changed)))
    async with CompareApp(three).run_test(size=(80, 24)) as pilot:
        screen = await compared(pilot)
        plain = screen.table.render_line(0).text
        for placed in screen.table.placed[1:]:
            screen.table.mark_sorted(placed.column.key, descending=False)
            marked = screen.table.render_line(0).text
            assert "▴" in marked
            assert marked.replace("▴", " ").split() == plain.split()


async def test_what_differs_of_very_many_runs_is_leafed_through(tmp_path: Path) -> None:
    many = [make(tmp_path, seed, 10) for seed in range(30)]
    async with CompareApp(many).run_test(size=(80, 24)) as pilot:
        screen = await compared(pilot)
        await pilot.press("d")
        await until(lambda: screen.differences.shown == range(10))
        assert differing(screen)[0][1:] == [f"{seed:04d}" for seed in range(10)]
        await until(lambda: "1 to 10" in screen.title_bar._remark)
        await pilot.press("right", "right", "right", "right")
        await until(lambda: screen.differences.shown == range(20, 30))
        assert "21 to 30" in screen.title_bar._remark
        await pilot.press("left", "left", "left")
        assert screen.differences.first == 0


async def test_of_many_fields_the_table_shows_the_first_that_fit(three: list[Run]) -> None:
    many = {f"training.phase.1.{key}": value for key, value in {"lr_max": "5e-4", "beta": "1e-3"}.items()}
    many |= {"training.batch": "128", "training.clip": "0.5", "dataset.seed": "9", "model.layer_size": "5"}
    three[1].recipe_path.write_text(to_toml(with_overrides(runs.RECIPE, {"training.seed": "2", **many})))
    async with CompareApp(three).run_test(size=(80, 24)) as pilot:
        screen = await compared(pilot)
        fields = list(screen.comparison.fields)  # type: ignore[union-attr]
        shown = [placed.column.key for placed in screen.table.placed]
        assert len(fields) == 7
        assert shown[:5] == ["best", "run", *fields[:2], "state"]
        assert {"neg_elbo", "left"} <= set(shown)
        assert screen.table.placed[-1].start + screen.table.placed[-1].width <= 80


async def test_the_run_under_the_cursor_stands_in_front_with_its_batches(three: list[Run]) -> None:
    async with CompareApp(three).run_test(size=(100, 30)) as pilot:
        screen = await compared(pilot)

        def in_front() -> list[str]:
            assert screen.curves.figure is not None
            marks = screen.curves.figure.panels[1].marks
            assert [mark.muted for mark in marks if mark.front] == [True, False]
            return [mark.label for mark in marks if mark.front and not mark.muted]

        assert in_front() == ["seed 1"]
        await pilot.press("down", "down")
        await until(lambda: in_front() == ["seed 3"])


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
        assert [note.message for note in app._notifications] == [
            "One run is marked: mark another one with space."
        ]


async def test_a_run_alone_in_its_folder_is_not_compared_and_that_is_said(tmp_path: Path) -> None:
    app = ListApp(make(tmp_path, 1, 70).path.parent)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = app.screen
        assert isinstance(screen, BrowseScreen)
        await until(lambda: not screen.busy and len(screen.listing.visible) == 1)
        await pilot.press("c")
        assert app.compared == []
        assert [note.message for note in app._notifications] == [
            "No other run is in its folder: mark runs with space."
        ]


@pytest.mark.parametrize("size", [(80, 24), (140, 40)])
def test_runs_side_by_side_look_cared_for(size: tuple[int, int], three: list[Run], snap_compare: Any) -> None:
    async def drawn(pilot: Pilot[Any]) -> None:
        await compared(pilot)

    assert snap_compare(CompareApp(three), terminal_size=size, run_before=drawn)
