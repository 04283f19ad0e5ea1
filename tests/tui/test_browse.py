"""Browse: listing, filtering, sorting, opening, by keyboard and by mouse."""

import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fakes
import msgspec
import pytest
import runs
from textual import events
from textual.pilot import Pilot

from spivae.errors import SpivaeError
from spivae.liveness import this_host
from spivae_tui.app import SpivaeApp
from spivae_tui.screens.browse import BrowseScreen
from spivae_tui.screens.checkpoint import CheckpointScreen
from spivae_tui.services import Services
from spivae_tui.widgets.entry_preview import EntryPreview
from spivae_tui.widgets.title_bar import TitleBar


async def settled(pilot: Pilot[Any]) -> None:
    """Wait for what the screen is busy with, and for the preview, which follows the cursor a little later."""
    app = pilot.app

    def follows() -> bool:
        screen = app.screen
        if not isinstance(screen, BrowseScreen):
            return True
        return not screen.busy and all(shown.entry == screen.selected for shown in screen.query(EntryPreview))

    await fakes.until(pilot, follows)


def names(app: SpivaeApp) -> list[str]:
    return [entry.name for entry in app.screen.entries.rows]  # type: ignore[attr-defined]


def line(app: SpivaeApp, y: int) -> str:
    return app.screen.entries.render_line(y).text  # type: ignore[attr-defined,no-any-return]


async def test_checkpoints_and_runs_are_listed_with_their_numbers() -> None:
    app = fakes.app()
    async with app.run_test(size=(160, 40)) as pilot:
        await settled(pilot)
        assert " ".join(line(app, 0).split()) == "name kind process beta NLL KL latents size ▾ age"
        row = next(text for text in (line(app, y) for y in range(1, 12)) if "original_sbm" in text)
        assert (
            " ".join(row.split()) == "original_sbm_trained checkpoint sbm 5e-3 -2.3264 4.71 2/6 1.1 MB 13 mo"
        )
        assert app.screen.query_one(TitleBar)._remark == "6 checkpoints · 3 runs · 1 broken"


async def test_a_broken_file_is_listed_with_its_error() -> None:
    app = fakes.app()
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await pilot.press("down", "down")
        await settled(pilot)
        assert "✗" in line(app, 3)
        assert "broken" in line(app, 3)
        detail = str(app.screen.query_one("#detail", EntryPreview).render())
        assert "not a whole zip file" in detail
        await pilot.press("enter")
        await pilot.pause()
        assert not isinstance(app.screen, CheckpointScreen)


async def test_what_is_typed_at_once_after_a_slash_goes_into_the_filter() -> None:
    app = fakes.app()
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        for key in ("slash", "t", "r", "a"):  # each is a command of the list, too
            app.post_message(events.Key(key, "/" if key == "slash" else key))
        await fakes.until(pilot, lambda: names(app) == ["original_sbm_trained"])


async def test_slash_filters_while_one_types_and_escape_clears() -> None:
    app = fakes.app()
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await pilot.press("slash", *"fbm")
        assert len(names(app)) == 2
        await pilot.press("slash")
        assert names(app) == ["20270113-1801-fbm/best"]  # a slash is typed into the filter, too
        await pilot.press("backspace", "down")
        assert app.screen.entries.cursor == 1  # type: ignore[attr-defined]
        await pilot.press("enter")
        assert app.focused is app.screen.entries  # type: ignore[attr-defined]
        assert len(names(app)) == 2
        await pilot.press("escape")
        assert len(names(app)) == len(fakes.ENTRIES)


async def test_s_sorts_by_the_next_column_r_reverses_and_a_click_on_a_heading_sorts() -> None:
    app = fakes.app()
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await pilot.press("s")
        assert names(app) == sorted(names(app))
        assert "name ▴" in line(app, 0)
        await pilot.press("r")
        assert names(app) == sorted(names(app), reverse=True)
        await pilot.click("#entries", offset=(line(app, 0).index("KL"), 0))
        await pilot.pause()
        assert "▾ KL" in line(app, 0)
        assert names(app)[0] == "20270114-0932-sbm/phase-1"


async def test_the_cursor_moves_by_keys_and_by_mouse() -> None:
    app = fakes.app()
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        rows = app.screen.entries  # type: ignore[attr-defined]
        for keys, cursor in (
            (["down", "down"], 2),
            (["up"], 1),
            (["end"], 8),
            (["home"], 0),
            (["pagedown"], 8),
        ):
            await pilot.press(*keys)
            assert rows.cursor == cursor
        await pilot.click("#entries", offset=(10, 4))
        assert rows.cursor == 3


async def test_enter_and_a_double_click_open_a_checkpoint_and_escape_comes_back() -> None:
    app = fakes.app()
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await pilot.press("end", "enter")
        await settled(pilot)
        assert isinstance(app.screen, CheckpointScreen)
        assert app.screen.path == "models/original_sbm_trained.tar"
        await pilot.press("escape")
        await pilot.pause()
        assert app.screen.entries.cursor == 8  # type: ignore[attr-defined]
        await pilot.click("#entries", offset=(10, 7), times=2)
        await settled(pilot)
        assert isinstance(app.screen, CheckpointScreen)
        assert app.screen.path == "models/sbm.safetensors"


async def test_enter_on_a_run_follows_it_and_t_trains(monkeypatch: pytest.MonkeyPatch) -> None:
    app, opened = fakes.app(), []
    monkeypatch.setattr(app, "open_run", opened.append)
    monkeypatch.setattr(app, "open_train", lambda: opened.append("train"))
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await pilot.press("enter", "t", "n")
        await pilot.pause()
    assert opened == ["runs/20270114-0932-sbm", "train", "train"]


async def test_the_selection_stays_on_its_entry_while_others_come_and_go() -> None:
    entries = list(fakes.ENTRIES)
    app = fakes.app(scan=lambda folders: iter(list(entries)))
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await pilot.press("down", "down", "down", "down")
        path = app.screen.selected.path  # type: ignore[attr-defined]
        entries.append(fakes.Entry(path="models/new.safetensors", name="new", modified=fakes.NOW - 1))
        del entries[2]
        await pilot.press("f5")
        await settled(pilot)
        assert names(app)[0] == "new"
        assert "20270114-0932-sbm" not in names(app)
        assert app.screen.selected.path == path  # type: ignore[attr-defined]


async def test_rows_appear_while_the_scan_goes_on() -> None:
    go_on = threading.Event()

    def slow(folders: Any) -> Iterator[fakes.Entry]:
        yield from fakes.ENTRIES[:3]
        time.sleep(0.2)
        yield fakes.ENTRIES[3]
        go_on.wait(60)
        yield from fakes.ENTRIES[4:]

    app = fakes.app(scan=slow)
    async with app.run_test(size=(80, 24)) as pilot:
        await fakes.until(pilot, lambda: len(names(app)) == 4)
        assert "looking…" in app.screen.query_one(TitleBar)._remark
        go_on.set()
        await fakes.until(pilot, lambda: len(names(app)) == len(fakes.ENTRIES))
        await settled(pilot)
        assert "looking…" not in app.screen.query_one(TitleBar)._remark


async def test_a_new_file_is_found_without_asking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spivae_tui.screens.browse.POLL_SECONDS", 0.2)
    (tmp_path / "a").mkdir()

    def scan(folders: Any) -> Iterator[fakes.Entry]:
        for file in sorted(tmp_path.rglob("*.safetensors")):
            yield fakes.Entry(path=str(file), name=file.stem)

    app = SpivaeApp([tmp_path], services=fakes.services(scan=scan))
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        assert names(app) == []
        (tmp_path / "a" / "new.safetensors").write_bytes(b"")
        await fakes.until(pilot, lambda: names(app) == ["new"])


async def test_a_trainer_that_is_killed_is_lost_without_a_key_and_can_be_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spivae_tui.screens.browse.POLL_SECONDS", 0.2)
    trainer = subprocess.Popen(["sleep", "60"])
    run = runs.make_run(tmp_path, 70, host=this_host(), pid=trainer.pid)
    app = SpivaeApp([tmp_path], services=Services(read_header=fakes.checkpoint))  # type: ignore[arg-type]
    async with app.run_test(size=(100, 24)) as pilot:
        await settled(pilot)
        screen = app.screen
        assert "min left" in line(app, 1)
        assert not screen.check_action("resume_run", ())
        seen = screen._scan  # type: ignore[attr-defined]
        trainer.kill()
        trainer.wait()
        await fakes.until(pilot, lambda: "lost" in line(app, 1))
        assert "left" not in line(app, 1)
        assert screen.check_action("resume_run", ())
        assert screen._scan == seen  # type: ignore[attr-defined]
        assert run.info.state == "running"


async def test_an_empty_list_says_what_to_do() -> None:
    app = fakes.app(scan=fakes.nothing)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        words = str(app.screen.query_one("#empty").render())
        assert "train a first model" in words
        assert "models" in words


async def test_a_scan_that_fails_says_why() -> None:
    def refuse(folders: Any) -> Iterator[fakes.Entry]:
        raise SpivaeError("models: no such folder")
        yield

    app = fakes.app(scan=refuse)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        assert any("no such folder" in note.message for note in app._notifications)


async def test_the_preview_stands_at_the_side_where_there_is_room() -> None:
    for size, side in (((80, 24), False), ((120, 36), True), ((200, 60), True)):
        app = fakes.app()
        async with app.run_test(size=size) as pilot:
            await settled(pilot)
            assert app.screen.query_one("#preview").display is side
            assert app.screen.query_one("#detail").display is not side


async def test_the_preview_shows_arguments_and_latents_of_the_selected_checkpoint() -> None:
    app = fakes.app()
    async with app.run_test(size=(160, 60)) as pilot:
        await settled(pilot)
        await pilot.press("end")
        preview = app.screen.query_one("#preview", EntryPreview)
        await fakes.until(pilot, lambda: preview.header is not None)
        words = str(preview.render())
        assert "5e-3 (×367 = 1.83)" in words
        assert "0.2 … 1.8" in words
        assert "z0" in words


async def test_the_preview_tells_who_trains_a_run() -> None:
    for size, shown in (((160, 40), "#preview"), ((80, 24), "#detail")):
        app = fakes.app()
        async with app.run_test(size=size) as pilot:
            await settled(pilot)
            preview = app.screen.query_one(shown, EntryPreview)
            await fakes.until(pilot, lambda: "Slurm job 1742 on node07" in str(preview.render()))  # noqa: B023


async def test_the_preview_tells_why_a_run_does_not_begin() -> None:
    why = "not begun, and the queue of sweep-1 has ended"
    waits = fakes.Entry(path="runs/a", name="a", kind="run", state="stopped", why=why)
    for size, shown in (((160, 40), "#preview"), ((80, 24), "#detail")):
        app = fakes.app(scan=lambda folders: iter([waits]))
        async with app.run_test(size=size) as pilot:
            await settled(pilot)
            words = " ".join(str(app.screen.query_one(shown, EntryPreview).render()).split())
            assert why in words


async def test_y_copies_the_path() -> None:
    app = fakes.app()
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await pilot.press("end", "y")
        assert app.clipboard == "models/original_sbm_trained.tar"


async def test_the_key_bar_names_the_keys_that_work_and_can_be_clicked() -> None:
    app = fakes.app()
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        bar = app.screen.query_one("KeyBar")
        words = bar.render_line(0).text
        assert words.split()[:2] == ["⏎", "Open"]
        assert words.rstrip().endswith("? Help")
        assert "esc Clear" not in words
        await pilot.click("KeyBar", offset=(words.index("Sort"), 0))
        await pilot.pause()
        assert "name ▴" in line(app, 0)
        await pilot.press("slash", "x")
        await pilot.pause()
        words = bar.render_line(0).text
        assert "esc Clear" in words
        assert "Sort" not in words


async def test_marks_go_from_run_to_run_are_counted_and_taken_off() -> None:
    app = fakes.app()
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        screen = app.screen
        runs = [entry.path for entry in screen.listing.visible if entry.kind == "run"]
        assert "space Mark" in screen.query_one("KeyBar").render_line(0).text
        await pilot.press("space", "space")
        assert screen.entries.marked == set(runs[:2])
        assert screen.selected.path == runs[2]
        assert screen.title_bar._remark.endswith("2 marked")
        await pilot.press("space", "space")  # there is no run below the last one
        assert screen.entries.marked == set(runs[:2])
        await pilot.press("slash", *"sbm", "enter", "escape")  # the filter goes first
        assert screen.title_bar._remark.endswith("2 marked")
        await pilot.press("escape")
        assert screen.entries.marked == set()
        assert "marked" not in screen.title_bar._remark


async def test_a_metric_that_changes_is_drawn_and_nothing_else_moves() -> None:
    entries = list(fakes.ENTRIES)
    app = fakes.app(scan=lambda folders: iter(list(entries)))
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        entries[2] = msgspec.structs.replace(entries[2], metrics={**entries[2].metrics, "nll": -2.3111})
        await pilot.press("ctrl+r")
        await settled(pilot)
        assert "-2.3111" in line(app, 1)
