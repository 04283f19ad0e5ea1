"""Live run: curves that follow the files, a stop that is asked for once, and the way on to the checkpoint."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fakes
import pytest
import runs
from fakes import becomes as until
from textual.pilot import Pilot
from textual.widgets import Static

from spivae.errors import SpivaeError
from spivae.figure.spec import Panel
from spivae.following.follower import RunFollower, tail
from spivae.liveness import this_host
from spivae.training.run import Run
from spivae_tui.app import SpivaeApp
from spivae_tui.screens.live import LiveRunScreen
from spivae_tui.services import Services
from spivae_tui.widgets.epoch_table import EpochTable
from spivae_tui.widgets.run_state import RunStateView


class LiveApp(SpivaeApp):
    """The app, opened on a run; checkpoints are only noted."""

    def __init__(
        self, run: Run, theme: str = "spivae-dark", resume: Callable[[str], None] = lambda path: None
    ) -> None:
        services = Services(  # type: ignore[arg-type]
            scan=fakes.nothing, read_header=fakes.checkpoint, resume=resume, now=lambda: runs.NOW
        )
        super().__init__([], theme=theme, services=services)
        self.run_path = str(run.path)
        self.opened: list[str] = []
        self.told: list[str] = []

    def notify(self, message: str, *, title: str = "", **more: Any) -> None:
        self.told.append(title)
        super().notify(message, title=title, **more)

    def on_mount(self) -> None:
        self.open_run(self.run_path)

    def open_checkpoint(self, path: str) -> None:
        self.opened.append(path)


def live(app: SpivaeApp) -> LiveRunScreen:
    screen = app.screen
    assert isinstance(screen, LiveRunScreen)
    return screen


async def seen(pilot: Pilot[Any], state: str = "") -> LiveRunScreen:
    """Wait until the run has been read, and its curves are on the screen."""
    app = pilot.app
    await until(lambda: isinstance(app.screen, LiveRunScreen) and app.screen.view is not None)
    screen = live(app)  # type: ignore[arg-type]
    await until(lambda: not state or (screen.view is not None and screen.view.state == state))
    await pilot.pause()
    await until(lambda: screen.curves.is_current)
    await pilot.pause()
    return screen


def words(screen: LiveRunScreen) -> str:
    """All that the state lines say."""
    return "  ".join(piece.words for line in screen.query_one(RunStateView).lines for piece in line)


def advice(screen: LiveRunScreen) -> str:
    return str(screen.query_one("#run-advice", Static).content)


def question(screen: LiveRunScreen) -> str:
    """What the line above the keys asks; empty while it is hidden."""
    line = screen.run_line
    return str(line.query_one("#run-line-words", Static).content) if line.display else ""


def shown(screen: LiveRunScreen) -> tuple[Panel, ...]:
    """The panels of the page that is shown."""
    assert screen.view is not None
    assert screen.view.figure is not None
    return screen.view.figure.panels[screen.first_panel :][: screen.curves.panels_per_page]


def keys(screen: LiveRunScreen) -> list[str]:
    """What the key bar offers."""
    return [key.title for key in screen.query_one("KeyBar").keys if key.enabled]  # type: ignore[attr-defined]


async def test_a_running_training_tells_how_far_it_is(tmp_path: Path) -> None:
    async with LiveApp(runs.make_run(tmp_path, 200)).run_test(size=(160, 48)) as pilot:
        said = words(await seen(pilot))
        assert "epoch 3.33 of 8" in said
        assert "step 200 of 480" in said
        assert "2.86 steps/s" in said
        assert "2 min left" in said
        assert "phase 2 of 2" in said
        assert "beta 4e-3 = 1.47/367" in said
        assert "node07 pid 4242, 2 threads" in said


async def test_the_curves_follow_the_file(tmp_path: Path) -> None:
    run = runs.make_run(tmp_path, 50)
    async with LiveApp(run).run_test(size=(80, 24)) as pilot:
        screen = await seen(pilot)
        before = screen.curves.figure
        runs.write_steps(run, 51, 130)
        await until(lambda: screen.view is not None and screen.view.step == 130)
        await until(lambda: screen.curves.figure is not before)
        assert "step 130" in words(screen)
        assert len(screen.query_one(EpochTable).rows) == 2


async def test_nothing_is_shown_anew_while_no_file_changes(tmp_path: Path) -> None:
    run = runs.make_run(tmp_path, 50)
    follower = RunFollower(str(run.path), Run.open)
    assert len(list(follower.poll())) == 1
    assert list(follower.poll()) == []
    assert len(list(follower.poll(again=True))) == 1
    runs.write_steps(run, 51, 51)
    assert len(list(follower.poll())) == 1


async def test_stopping_asks_once_and_leaves_a_stop_file(tmp_path: Path) -> None:
    run = runs.make_run(tmp_path, 50)
    async with LiveApp(run).run_test(size=(80, 24)) as pilot:
        screen = await seen(pilot)
        await pilot.press("s")
        await pilot.pause()
        assert question(screen).startswith(f"Save and stop {run.id}?  s stops")
        assert not run.stop_path.exists()
        assert "Stop and save" in keys(screen)
        await pilot.press("s")
        await until(run.stop_path.exists)
        await until(lambda: advice(screen).startswith("Asked to stop"))
        runs.set_info(run, state="stopped", finished=runs.NOW - 5)
        runs.save_checkpoint(run, "stopped")
        await until(lambda: advice(screen).startswith("Stopped and saved"))


async def test_a_stopped_training_is_resumed_by_a_key(tmp_path: Path) -> None:
    run = runs.make_run(tmp_path, 50, "stopped")
    resumed: list[str] = []
    go_on = threading.Event()

    def resume(path: str) -> None:
        resumed.append(path)
        go_on.wait(60)
        runs.set_info(run, state="running")

    async with LiveApp(run, resume=resume).run_test(size=(80, 24)) as pilot:
        screen = await seen(pilot, "stopped")
        assert "r goes on" in advice(screen)
        assert "Resume" in keys(screen)
        await pilot.press("r", "r")
        go_on.set()
        await until(lambda: screen.view is not None and screen.view.state == "running")
        assert resumed == [str(run.path)]
        await until(lambda: "Resume" not in keys(screen))
        runs.write_steps(run, 41, 45)  # from its last state
        await until(lambda: screen.view is not None and screen.view.step == 45)


async def test_a_training_that_cannot_be_resumed_says_why(tmp_path: Path) -> None:
    run = runs.make_run(tmp_path, 50, "lost")

    reason = "is trained by process 4242 on node07"

    def refuse(path: str) -> None:
        raise SpivaeError(reason)

    async with LiveApp(run, resume=refuse).run_test(size=(80, 24)) as pilot:
        screen = await seen(pilot, "lost")
        await pilot.press("r")
        await until(lambda: any(told.message == reason for told in pilot.app._notifications))
        await until(lambda: "Resume" in keys(screen))  # once the trying is over


async def test_escape_lets_a_training_go_on_that_was_asked_to_stop(tmp_path: Path) -> None:
    run = runs.make_run(tmp_path, 50)
    async with LiveApp(run).run_test(size=(80, 24)) as pilot:
        screen = await seen(pilot)
        await pilot.press("s", "escape")
        await pilot.pause()
        assert question(screen) == ""
        assert isinstance(pilot.app.screen, LiveRunScreen)
        assert not run.stop_path.exists()


async def test_a_finished_training_leads_on_to_its_final_checkpoint(tmp_path: Path) -> None:
    run = runs.make_run(tmp_path, 470)
    app = LiveApp(run)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await seen(pilot)
        assert "Open checkpoint" not in keys(screen)
        runs.write_steps(run, 471, 480)
        for name in ("best", "phase-1", "final"):
            runs.save_checkpoint(run, name)
        runs.set_info(run, state="finished", finished=runs.NOW - 2)
        await until(lambda: advice(screen).startswith("Finished. ⏎ opens final"))
        await until(lambda: "Open checkpoint" in keys(screen))
        assert any("has finished" in title for title in app.told)
        assert "Stop" not in keys(screen)
        await pilot.press("enter")
        assert app.opened == [str(run.checkpoint_folder / "final.safetensors")]


async def test_while_it_runs_the_best_checkpoint_is_opened(tmp_path: Path) -> None:
    run = runs.make_run(tmp_path, 100)
    runs.save_checkpoint(run, "phase-0")
    best = runs.save_checkpoint(run, "best")
    app = LiveApp(run)
    async with app.run_test(size=(80, 24)) as pilot:
        await seen(pilot)
        await pilot.press("o")
        assert app.opened == [str(best)]


@pytest.mark.parametrize(
    ("state", "info", "log", "expected"),
    [
        (
            "failed",
            {"error": "the loss diverged at step 50; lower training.phase.0.lr_max"},
            "",
            "the loss diverged",
        ),
        ("failed", {}, "Traceback\nMemoryError: 3 GB\n", "MemoryError: 3 GB"),
        ("queued", {}, "spivae: command not found\n", "command not found"),
    ],
)
async def test_the_reason_of_a_failure_is_shown(
    tmp_path: Path, state: str, info: dict[str, Any], log: str, expected: str
) -> None:
    async with LiveApp(runs.make_run(tmp_path, 50, state, log=log, **info)).run_test(size=(80, 24)) as pilot:
        screen = await seen(pilot, state)
        assert expected in advice(screen)
        assert ("Train again" in keys(screen)) == (state == "failed")


async def test_a_trainer_that_is_gone_is_lost(tmp_path: Path) -> None:
    run = runs.make_run(tmp_path, 50, log="epoch 1\nKilled\n")
    runs.set_info(run, host=this_host(), pid=2**22 + 1)
    async with LiveApp(run).run_test(size=(80, 24)) as pilot:
        screen = await seen(pilot, "lost")
        assert "is gone without saying why" in advice(screen)
        assert "Killed" in advice(screen)


async def test_a_line_that_tells_how_far_it_was_is_no_last_word(tmp_path: Path) -> None:
    run = runs.make_run(tmp_path, 50, "lost", log="epoch   1/8  beta 1e-4  NLL -1.5\n")
    async with LiveApp(run).run_test(size=(80, 24)) as pilot:
        screen = await seen(pilot, "lost")
        assert "is gone without saying why" in advice(screen)
        assert "last words" not in advice(screen)


async def test_a_run_that_is_lost_while_one_looks_is_told_of(tmp_path: Path) -> None:
    run = runs.make_run(tmp_path, 50)
    app = LiveApp(run)
    async with app.run_test(size=(80, 24)) as pilot:
        await seen(pilot, "running")
        runs.set_info(run, state="lost")
        await until(lambda: [note.title for note in app._notifications] == [f"{run.id} is lost"])


async def test_a_run_that_is_resumed_does_not_tell_the_log_of_before(tmp_path: Path) -> None:
    run = runs.make_run(tmp_path, 50, "queued", log="stopped: checkpoints/stopped.safetensors\n", attempt=1)
    async with LiveApp(run).run_test(size=(80, 24)) as pilot:
        assert advice(await seen(pilot, "queued")) == ""


async def test_a_folder_that_is_no_run_is_said_to_be_none(tmp_path: Path) -> None:
    run = runs.make_run(tmp_path, 1)
    (run.path / "run.json").unlink()
    async with LiveApp(run).run_test(size=(80, 24)) as pilot:
        await until(lambda: isinstance(pilot.app.screen, LiveRunScreen))
        await until(lambda: "not a run" in advice(live(pilot.app)))  # type: ignore[arg-type]


async def test_tabs_show_epochs_and_log_in_a_small_terminal(tmp_path: Path) -> None:
    run = runs.make_run(tmp_path, 130, log="one\ntwo\rthree\n")
    async with LiveApp(run).run_test(size=(80, 24)) as pilot:
        screen = await seen(pilot)
        assert screen.curves.display
        await pilot.press("2")
        await pilot.pause()
        table = screen.query_one(EpochTable)
        assert not screen.curves.display
        assert [row["epoch"] for row in table.rows] == [2, 1]
        await pilot.press("l")
        await pilot.pause()
        assert list(screen.log_lines.rows) == ["one", "three"]
        await pilot.press("l")
        await pilot.pause()
        assert screen.curves.display


async def test_a_large_terminal_shows_everything_at_once(tmp_path: Path) -> None:
    async with LiveApp(runs.make_run(tmp_path, 130)).run_test(size=(160, 48)) as pilot:
        screen = await seen(pilot)
        assert screen.curves.display
        assert screen.query_one(EpochTable).display
        assert screen.log_lines.display
        assert screen.curves.panels_per_page == 4


async def test_more_curves_are_a_page_on(tmp_path: Path) -> None:
    async with LiveApp(runs.make_run(tmp_path, 130)).run_test(size=(80, 24)) as pilot:
        screen = await seen(pilot)
        assert screen.first_panel == 0
        for first in (2, 4, 6, 0):
            await pilot.press("right_square_bracket")
            assert screen.first_panel == first
        await pilot.press("left_square_bracket")
        await pilot.pause()
        assert screen.first_panel == 6
        assert [panel.title for panel in shown(screen)] == [
            "NLL of each cell at epoch 2",
            "NLL of some cells",
        ]


async def test_a_larger_terminal_shows_full_pages_again(tmp_path: Path) -> None:
    async with LiveApp(runs.make_run(tmp_path, 130)).run_test(size=(80, 24)) as pilot:
        screen = await seen(pilot)
        await pilot.press("left_square_bracket")
        assert screen.first_panel == 6
        await pilot.resize_terminal(160, 48)
        await until(lambda: screen.first_panel == 4)
        assert len(shown(screen)) == 4


async def test_the_curves_are_drawn_along_steps_or_epochs(tmp_path: Path) -> None:
    async with LiveApp(runs.make_run(tmp_path, 240)).run_test(size=(80, 24)) as pilot:
        screen = await seen(pilot)
        assert (shown(screen)[0].x.label, shown(screen)[0].x.high) == ("epoch", 4)
        await pilot.press("x")
        await until(lambda: shown(screen)[0].x.label == "step")
        panel = shown(screen)[0]
        assert panel.x.high == 300
        assert panel.marks[-1].x.tolist() == [60, 120, 180, 240]  # type: ignore[union-attr]
        await pilot.press("x")
        await until(lambda: shown(screen)[0].x.label == "epoch")


async def test_zoom_shows_the_last_half_of_the_epochs(tmp_path: Path) -> None:
    async with LiveApp(runs.make_run(tmp_path, 240)).run_test(size=(80, 24)) as pilot:
        screen = await seen(pilot)
        whole = screen.curves.figure
        assert whole is not None
        assert whole.panels[0].x.low == 0
        await pilot.press("z")
        await until(lambda: screen.curves.figure is not whole)
        assert screen.curves.figure is not None
        assert screen.curves.figure.panels[0].x.low == pytest.approx(2.0)


async def test_a_long_run_is_shown_while_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spivae.following.follower.CHUNK", 10_000)
    monkeypatch.setattr("spivae.following.follower.SHOW_SECONDS", 0.0)
    views = list(RunFollower(str(runs.make_run(tmp_path, 480, "finished").path), Run.open).poll())
    assert len(views) > 3
    assert 0 < views[0].read < 0.5
    assert views[-1].read == 1
    assert views[-1].step == 480


def test_the_tail_of_a_log_is_made_of_whole_lines(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    log.write_text("".join(f"line {number}\n" for number in range(1000)))
    lines = tail(log, 100)
    assert lines[-1] == "line 999"
    assert all(line.startswith("line ") for line in lines)
    assert tail(tmp_path / "none.txt") == []


@pytest.mark.parametrize("size", [(80, 24), (160, 48)])
def test_a_running_training_looks_cared_for(
    snap_compare: Callable[..., bool], tmp_path: Path, size: tuple[int, int]
) -> None:
    run = runs.make_run(tmp_path, 200, log="epoch  1/8\nepoch  2/8\nepoch  3/8\n")
    runs.save_checkpoint(run, "best")

    async def ready(pilot: Pilot[Any]) -> None:
        await seen(pilot)

    assert snap_compare(LiveApp(run), terminal_size=size, run_before=ready)


def test_the_cells_of_a_training_look_cared_for(snap_compare: Callable[..., bool], tmp_path: Path) -> None:
    run = runs.make_run(tmp_path, 200)

    async def ready(pilot: Pilot[Any]) -> None:
        await seen(pilot)
        await pilot.press("right_square_bracket")
        await seen(pilot)

    assert snap_compare(LiveApp(run), terminal_size=(160, 48), run_before=ready)


def test_a_failed_training_looks_cared_for(snap_compare: Callable[..., bool], tmp_path: Path) -> None:
    error = "the loss diverged at step 90; lower training.phase.0.lr_max (0.001) or training.clip"
    run = runs.make_run(tmp_path, 90, "failed", error=error, finished=runs.NOW - 600)

    async def ready(pilot: Pilot[Any]) -> None:
        await seen(pilot)

    assert snap_compare(LiveApp(run, "spivae-light"), terminal_size=(80, 24), run_before=ready)
