"""Snapshots of Browse and Checkpoint. Look at the report before updating them: they are what users see."""

from pathlib import Path
from typing import Any

import fakes
import pytest
from textual.pilot import Pilot

SIZES = [(80, 24), (160, 48)]
PATH = "models/original_sbm_trained.tar"
Compare = Any


@pytest.fixture(autouse=True)
def in_front_of_the_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """The snapshots hold relative paths."""
    monkeypatch.chdir(Path(__file__).parent)


async def listed(pilot: Pilot[Any]) -> None:
    app = pilot.app
    await fakes.until(pilot, lambda: not app.screen.busy)  # type: ignore[attr-defined]
    await pilot.press("end")
    await fakes.until(pilot, lambda: app.screen.query("EntryPreview").last().header)  # type: ignore[attr-defined]


def opened(key: str, worker: fakes.FakeWorker | None = None, *more: str) -> Any:
    """Open the checkpoint, go to a tab, let its analysis end, press more keys."""

    async def before(pilot: Pilot[Any]) -> None:
        await listed(pilot)
        await pilot.press("enter")
        await fakes.until(pilot, lambda: getattr(pilot.app.screen, "analyses", None))
        await pilot.press(key)
        screen: Any = pilot.app.screen
        await fakes.until(pilot, lambda: screen.tab == int(key) - 1 and screen.pane is not None)
        if worker is not None:
            pane = screen.analysis_pane
            await fakes.until(pilot, lambda: pane.running)
            worker.done()
            await fakes.until(pilot, lambda: pane.figure is not None and pane.plot.is_current)
        await pilot.press(*more)

    return before


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("theme", ["spivae-dark", "spivae-light", "ansi-dark"])
def test_browse(snap_compare: Compare, size: tuple[int, int], theme: str) -> None:
    assert snap_compare(fakes.app(theme=theme), terminal_size=size, run_before=listed)


def test_browse_says_what_is_wrong_with_a_broken_file(snap_compare: Compare) -> None:
    async def before(pilot: Pilot[Any]) -> None:
        await listed(pilot)
        await pilot.press("home", "down", "down")
        preview = pilot.app.screen.query("EntryPreview").last()
        await fakes.until(pilot, lambda: preview.entry.error)  # type: ignore[attr-defined]

    assert snap_compare(fakes.app(), terminal_size=(80, 24), run_before=before)


def test_browse_while_a_filter_is_typed(snap_compare: Compare) -> None:
    async def before(pilot: Pilot[Any]) -> None:
        await listed(pilot)
        await pilot.press("slash", *"fbm")
        preview = pilot.app.screen.query("EntryPreview").last()
        await fakes.until(pilot, lambda: preview.entry == pilot.app.screen.selected)  # type: ignore[attr-defined]

    assert snap_compare(fakes.app(), terminal_size=(80, 24), run_before=before)


def test_browse_without_anything(snap_compare: Compare) -> None:
    async def before(pilot: Pilot[Any]) -> None:
        await fakes.until(pilot, lambda: not pilot.app.screen.busy)  # type: ignore[attr-defined]

    assert snap_compare(fakes.app(scan=fakes.nothing), terminal_size=(80, 24), run_before=before)


@pytest.mark.parametrize("size", SIZES)
def test_help(snap_compare: Compare, size: tuple[int, int]) -> None:
    async def before(pilot: Pilot[Any]) -> None:
        await listed(pilot)
        await pilot.press("question_mark")

    assert snap_compare(fakes.app(), terminal_size=size, run_before=before)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("key", ["1", "2"])
def test_checkpoint(snap_compare: Compare, size: tuple[int, int], key: str) -> None:
    assert snap_compare(fakes.app(), terminal_size=size, run_before=opened(key))


@pytest.mark.parametrize("size", SIZES)
def test_an_analysis_with_its_options(snap_compare: Compare, size: tuple[int, int]) -> None:
    worker = fakes.FakeWorker()
    app = fakes.app(worker=lambda: worker)
    assert snap_compare(app, terminal_size=size, run_before=opened("3", worker, "o"))


def test_an_analysis_in_a_light_theme(snap_compare: Compare) -> None:
    worker = fakes.FakeWorker()
    app = fakes.app(worker=lambda: worker, theme="spivae-light")
    assert snap_compare(app, terminal_size=(120, 36), run_before=opened("3", worker))
