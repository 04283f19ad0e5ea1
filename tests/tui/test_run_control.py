"""Stop, resume and tags, from the list of runs, from runs side by side and from a run's own screen."""

from __future__ import annotations

import re
import threading
from pathlib import Path
from typing import Any

import fakes
import pytest
import runs
from fakes import becomes as until
from test_compare import CompareApp, compared, make
from textual.pilot import Pilot

from spivae.errors import SpivaeError
from spivae.tags import read_tags, write_tags
from spivae.training.metrics import MetricsWriter
from spivae.training.run import Run
from spivae_tui.app import SpivaeApp
from spivae_tui.screens.browse import BrowseScreen
from spivae_tui.screens.live import LiveRunScreen
from spivae_tui.services import Services
from spivae_tui.widgets.run_line import RunLine


class App(SpivaeApp):
    """The app on a folder of runs; what it tells is kept, and `resume` is only noted."""

    def __init__(self, folder: Path, **services: Any) -> None:
        self.resumed: list[str] = []
        given = {"read_header": fakes.checkpoint, "now": lambda: runs.NOW, "resume": self.resumed.append}
        super().__init__([folder], services=Services(**{**given, **services}))
        self.told: list[str] = []

    def notify(self, message: str, *, title: str = "", **more: Any) -> None:
        self.told.append(f"{title} {message}".strip())
        super().notify(message, title=title, **more)


async def listed(pilot: Pilot[Any], count: int) -> BrowseScreen:
    screen = pilot.app.screen
    assert isinstance(screen, BrowseScreen)
    await until(lambda: not screen.busy and len(screen.listing.visible) == count)
    await pilot.pause()
    return screen


def line(screen: Any) -> str:
    """What the line above the keys says; empty while it is hidden."""
    found = screen.query_one(RunLine)
    return str(found.query_one("#run-line-words").content) if found.display else ""


def keys(screen: Any) -> list[str]:
    return [key.title for key in screen.query_one("KeyBar").keys if key.enabled]


@pytest.fixture
def two(tmp_path: Path) -> list[Run]:
    """Two running ones, on another host."""
    return [make(tmp_path, seed, 130) for seed in (1, 2)]


async def test_a_run_is_stopped_from_the_list_after_one_question(two: list[Run], tmp_path: Path) -> None:
    app = App(tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await listed(pilot, 2)
        assert {"Stop", "Tags"} <= set(keys(screen))
        chosen = Path(screen.selected.path)  # type: ignore[union-attr]
        await pilot.press("S")
        assert line(screen).startswith(f"Save and stop {screen.selected.name}?")  # type: ignore[union-attr]
        assert "Stop and save" in keys(screen)
        await pilot.press("escape")
        assert line(screen) == ""
        await pilot.press("S", "S")
        await until((chosen / "STOP").exists)
        await until(lambda: any("saves and ends at its next step" in words for words in app.told))
        assert sum((run.path / "STOP").exists() for run in two) == 1


async def test_back_from_a_run_that_was_started_the_cursor_is_on_it(two: list[Run], tmp_path: Path) -> None:
    app = App(tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await listed(pilot, 2)
        new = make(tmp_path, 3, 0)
        app.has_started(new.path)
        app.open_run(str(new.path))
        await until(lambda: isinstance(app.screen, LiveRunScreen))
        await pilot.press("escape")
        screen.action_rescan()
        await listed(pilot, 3)
        assert screen.selected is not None
        assert Path(screen.selected.path) == new.path
        await pilot.press("home", "end")  # it goes there once
        chosen = screen.selected
        screen._show_listing()
        assert screen.selected is chosen


async def test_the_marked_runs_are_stopped_together(two: list[Run], tmp_path: Path) -> None:
    app = App(tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await listed(pilot, 2)
        await pilot.press("space", "space", "S")
        assert line(screen).startswith("Save and stop 2 runs?")
        await pilot.press("enter")
        await until(lambda: all((run.path / "STOP").exists() for run in two))
        assert app.screen is screen  # enter has answered, and opened nothing


async def test_a_run_that_was_stopped_goes_on(two: list[Run], tmp_path: Path) -> None:
    for run in two:
        runs.set_info(run, state="stopped")
    app = App(tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await listed(pilot, 2)
        assert "Stop" not in keys(screen)
        await pilot.press("R")
        await until(lambda: app.resumed == [screen.selected.path])  # type: ignore[union-attr]


async def test_a_run_that_waited_is_stopped_at_once_and_that_is_said(two: list[Run], tmp_path: Path) -> None:
    runs.set_info(two[0], state="queued", host="", pid=0)
    app = App(tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        await listed(pilot, 2)
        await pilot.press("space", "space", "S", "S")
        await until(lambda: len(app.told) == 2)
        assert set(app.told) == {"sbm-0001 is stopped.", "sbm-0002 saves and ends at its next step."}


def diverge(run: Run) -> None:
    """Let a run fail as a trainer does whose loss is no number any more."""
    writer = MetricsWriter(run.metrics_path)
    writer.write(runs.step(131) | {"loss": float("nan")})
    writer.close()
    runs.set_info(run, state="failed", error="the loss diverged at step 131")


async def test_a_run_that_diverged_goes_on_at_a_lower_rate_if_one_likes(
    two: list[Run], tmp_path: Path
) -> None:
    diverge(two[0])
    runs.set_info(two[1], state="stopped")
    resumed: list[tuple[Any, ...]] = []
    app = App(tmp_path, resume=lambda *how: resumed.append(how))
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await listed(pilot, 2)
        paths = [str(run.path) for run in two]
        await pilot.press("space", "space", "R")
        assert line(screen) == (
            "sbm-0001 diverged.  R goes on at 0.3 of the learning rate · u at the same · esc leaves it"
        )
        assert {"Go on slower", "Same rate", "Cancel"} <= set(keys(screen))
        await pilot.press("escape", "R", "R")
        await until(lambda: len(resumed) == 2)
        assert sorted(resumed) == [(paths[0], 0.3), (paths[1],)]
        await until(lambda: "sbm-0001 goes on at 0.3 of its learning rate." in app.told)
        await until(lambda: not screen._doing)
        await pilot.press("R", "u")
        await until(lambda: len(resumed) == 4)
        assert sorted(resumed[2:]) == [(path,) for path in paths]


@pytest.mark.parametrize("opened", ["live", "compare"])
async def test_other_screens_offer_the_lower_rate_too(opened: str, two: list[Run]) -> None:
    diverge(two[0])
    app = LiveApp(two[0]) if opened == "live" else CompareApp(two)
    async with app.run_test(size=(100, 30)) as pilot:
        screen: Any = await (live(pilot) if opened == "live" else compared(pilot))
        await pilot.press("r" if opened == "live" else "R")
        assert line(screen).startswith(f"{two[0].id} diverged.")
        await pilot.press("escape")
        assert line(screen) == ""
        assert pilot.app.screen is screen


def test_the_lower_rate_is_that_much_of_the_present_one(two: list[Run], monkeypatch: Any) -> None:
    asked: list[Any] = []
    monkeypatch.setattr("spivae.training.resume.relaunch", lambda run, **how: asked.append(how))
    runs.set_info(two[0], state="failed", lr_scale=0.5)
    Services().resume(str(two[0].path))
    Services().resume(str(two[0].path), 0.3)
    assert [how["lr_scale"] for how in asked] == [None, 0.15]


async def test_a_disk_that_does_not_answer_does_not_hold_the_app_up(two: list[Run], tmp_path: Path) -> None:
    answers = threading.Event()

    def stop(path: str) -> None:
        answers.wait(60)
        raise SpivaeError(f"{path}/STOP: cannot be written (Read-only file system)")

    app = App(tmp_path, stop=stop)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await listed(pilot, 2)
        await pilot.press("S", "S", "down")
        assert screen.entries.cursor == 1
        answers.set()
        await until(lambda: any("Read-only file system" in words for words in app.told))
        assert not any("saves and ends" in words for words in app.told)


async def test_tags_are_typed_shown_and_filtered_by(two: list[Run], tmp_path: Path) -> None:
    app = App(tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await listed(pilot, 2)
        chosen = Path(screen.selected.path)  # type: ignore[union-attr]
        await pilot.press("number_sign")
        await until(lambda: line(screen).startswith("tags of"))
        await pilot.press(*"good", "minus", *"seed", "space", *"paper", "enter")
        await until(lambda: read_tags(chosen) == ["good-seed", "paper"])
        await until(lambda: line(screen) == "" and app.focused is screen.entries)
        await until(lambda: screen.entries.cell(screen.selected, "name").text.endswith(" #good-seed #paper"))
        await pilot.press("slash", *"#pap", "enter")
        await until(lambda: [Path(entry.path) for entry in screen.listing.visible] == [chosen])


async def test_tags_of_several_runs_are_those_they_share(two: list[Run], tmp_path: Path) -> None:
    write_tags(two[0].path, ["a", "shared"])
    write_tags(two[1].path, ["b", "shared"])
    async with App(tmp_path).run_test(size=(80, 24)) as pilot:
        screen = await listed(pilot, 2)
        await pilot.press("space", "space", "number_sign")
        await until(lambda: line(screen).startswith("tags of 2 runs"))
        assert screen.run_line.field.value == "shared "
        await pilot.press("ctrl+u", *"new", "enter")
        await until(lambda: [read_tags(run.path) for run in two] == [["a", "new"], ["b", "new"]])


async def test_a_word_that_is_no_tag_is_refused_and_stays_to_be_put_right(
    two: list[Run], tmp_path: Path
) -> None:
    app = App(tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await listed(pilot, 2)
        await pilot.press("number_sign")
        await until(lambda: line(screen) != "")
        await pilot.press(*"a/b", "enter")
        await until(lambda: any("is no tag" in words for words in app.told))
        assert screen.run_line.field.value == "a/b"
        await pilot.press("escape")
        await until(lambda: line(screen) == "")
        assert not any((run.path / "tags.txt").exists() for run in two)


async def test_runs_side_by_side_are_stopped_tagged_and_resumed(two: list[Run]) -> None:
    async with CompareApp(two).run_test(size=(100, 30)) as pilot:
        screen = await compared(pilot)
        await pilot.press("S")
        assert line(screen).startswith("Save and stop sbm-0001?")
        await pilot.press("S")
        await until(two[0].stop_path.exists)
        await pilot.press("down", "number_sign")
        await until(lambda: line(screen).startswith("tags of sbm-0002"))
        await pilot.press(*"keep", "enter")
        await until(lambda: "tags" in [column.key for column in screen.table.columns])
        assert screen.table.cell(screen.table.rows[1], "tags").text == "keep"
        runs.set_info(two[1], state="failed")
        await until(lambda: "Resume" in keys(screen))


class LiveApp(SpivaeApp):
    """The app on a run's own screen."""

    def __init__(self, run: Run) -> None:
        services = Services(scan=fakes.nothing, read_header=fakes.checkpoint, now=lambda: runs.NOW)  # type: ignore[arg-type]
        super().__init__([], services=services)
        self.path = str(run.path)

    def on_mount(self) -> None:
        self.open_run(self.path)


async def live(pilot: Pilot[Any]) -> LiveRunScreen:
    await until(lambda: isinstance(pilot.app.screen, LiveRunScreen) and pilot.app.screen.view is not None)
    screen = pilot.app.screen
    assert isinstance(screen, LiveRunScreen)
    await until(lambda: screen.curves.is_current)
    await pilot.pause()
    return screen


async def test_a_runs_own_screen_tags_it(two: list[Run]) -> None:
    async with LiveApp(two[0]).run_test(size=(80, 24)) as pilot:
        screen = await live(pilot)
        await pilot.press("number_sign")
        await until(lambda: line(screen).startswith("tags of"))
        await pilot.press(*"v", "plus", *"1", "enter")  # keys of the screen are typed here
        await until(lambda: read_tags(two[0].path) == ["v+1"])
        await until(lambda: "#v+1" in screen.title_bar._remark)
        assert not screen.is_reading


async def test_a_runs_own_curves_are_read_off_and_zoomed(two: list[Run]) -> None:
    async with LiveApp(two[0]).run_test(size=(80, 24)) as pilot:
        screen = await live(pilot)

        def reading() -> str:
            found = screen.query_one("#run-reading")
            return str(found.content) if found.display else ""  # type: ignore[attr-defined]

        assert reading() == ""
        await pilot.press("v")
        await pilot.pause()
        assert "at epoch 1.5" in screen.title_bar._remark
        loss, latents = reading().split("│")
        assert [word for word in loss.split() if word[0].isalpha()] == ["train", "validation"]
        assert latents.split()[0::2] == [f"z{index}" for index in range(6)]
        before = reading()
        await pilot.press(*["right"] * 9)
        await pilot.pause()
        assert reading() != before
        assert screen.tab == 0  # the arrows move the cursor, and no tab
        await pilot.press("plus")
        assert screen.curves.figure is not None
        axis = screen.curves.figure.panels[0].x
        assert axis.low is not None
        assert axis.high is not None
        assert axis.high - axis.low == pytest.approx(1.5)
        await pilot.press("escape")
        await pilot.pause()
        assert reading() == ""
        assert pilot.app.screen is screen


async def test_a_run_on_this_host_tells_what_it_takes(two: list[Run]) -> None:
    import os

    from spivae.liveness import process_start, this_host

    async with LiveApp(two[0]).run_test(size=(80, 24)) as pilot:
        screen = await live(pilot)
        await until(lambda: "on node07" in screen.title_bar._remark)
    me = os.getpid()
    runs.set_info(two[1], host=this_host(), pid=me, pid_started=process_start(me))
    async with LiveApp(two[1]).run_test(size=(80, 24)) as pilot:
        screen = await live(pilot)
        await until(lambda: re.search(r"\d [MG]B", screen.title_bar._remark))
        await until(lambda: "CPU" in screen.title_bar._remark)
