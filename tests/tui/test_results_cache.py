"""What was computed before: shown at once, computed again with r, cleared from the palette."""

import shutil
from pathlib import Path
from typing import Any

import fakes
import pytest
from test_checkpoint import analysis, opened

from spivae.errors import WorkFailed
from spivae.plugins import load_plugins
from spivae.worker.memory import Memory
from spivae.worker.remembering import RememberingWorker
from spivae.worker.results import Results, Usage
from spivae.worker.session import Session
from spivae_tui.app import SpivaeApp
from spivae_tui.services import Services

CLOCK = Path(__file__).parent.parent / "worker" / "clock_plugin.py"
DATA = Path(__file__).parent.parent / "data"


async def test_r_computes_past_what_is_remembered() -> None:
    worker = fakes.FakeWorker()
    app = fakes.app(worker=lambda: worker)
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot)
        pane = await analysis(pilot)
        assert "fresh" not in worker.analyses[-1]
        worker.done()
        await fakes.until(pilot, lambda: not pane.running)
        await pilot.press("r")
        await pilot.pause()
        assert worker.analyses[-1]["fresh"] is True


async def test_a_fresh_app_shows_what_is_remembered_and_leaves_its_worker_alone(tmp_path: Path) -> None:
    plugins = load_plugins([shutil.copy(CLOCK, tmp_path / "clock.py")])
    results = Results(tmp_path / "results", 10_000_000, pytest.fail)
    path = str(DATA / "original_sbm_trained.tar")
    Session(plugins, 1, results).analyze(path, "clock")
    worker = fakes.FakeWorker()
    services = Services(
        plugins=lambda: plugins,
        worker=lambda: RememberingWorker(worker, lambda: Memory(plugins, results)),  # type: ignore[arg-type]
    )
    app = SpivaeApp([DATA], services=services)
    async with app.run_test(size=(80, 24)) as pilot:
        app.open_checkpoint(path)
        await fakes.until(pilot, lambda: getattr(app.screen, "analyses", None))
        screen: Any = app.screen
        screen.go_to(2 + list(plugins.analyses).index("clock"))
        await fakes.until(pilot, lambda: screen.analysis_pane and screen.analysis_pane.figure is not None)
        assert screen.analysis_pane.figure.title == "clock"
        assert [op for op, _, _ in worker.jobs] == ["warm"]


async def clear(app: SpivaeApp, pilot: Any) -> None:
    await pilot.press("ctrl+p")
    await pilot.pause(0.3)
    await pilot.press(*"results cache", "enter")
    await fakes.until(pilot, lambda: app._notifications)


async def test_the_palette_clears_the_cache_and_says_how_much_that_was() -> None:
    app = fakes.app(clear_results=lambda: Usage(12, 3_400_000))
    async with app.run_test(size=(100, 30)) as pilot:
        await clear(app, pilot)
        assert [note.message for note in app._notifications] == ["12 results removed, 3.4 MB."]


async def test_a_cache_that_cannot_be_cleared_says_why() -> None:
    def refuse() -> Usage:
        raise WorkFailed("/cache/a.answer: cannot be removed (read-only file system)")

    app = fakes.app(clear_results=refuse)
    async with app.run_test(size=(100, 30)) as pilot:
        await clear(app, pilot)
        [note] = app._notifications
        assert note.severity == "error"
        assert "read-only" in note.message


def test_the_service_clears_what_the_environment_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPIVAE_CACHE", str(tmp_path))
    Results(tmp_path, 1000).write("0" * 64 + ".answer", b"anything")
    assert Services().clear_results().entries == 1
    assert not list(tmp_path.iterdir())
    monkeypatch.setenv("SPIVAE_CACHE", "off")
    assert Services().clear_results() == (0, 0)
