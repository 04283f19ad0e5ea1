"""What the app tells on the side lies over nothing that asks, or in which one types."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import fakes
import pytest
from test_compare import CompareApp, compared, make, until
from test_train import TrainApp, shown
from textual.pilot import Pilot
from textual.widget import Widget
from textual.widgets import Input

from spivae_tui.widgets.export_bar import ExportBar
from spivae_tui.widgets.key_bar import KeyBar
from spivae_tui.widgets.run_line import RunLine


async def covers(pilot: Pilot[Any], *widgets: Widget) -> bool:
    """Whether two toasts lie over any of these widgets."""
    screen = pilot.app.screen
    for words in ("sbm-20270114-093200-5f1d goes on.", "What one is told in a sentence as long as a line."):
        pilot.app.notify(words, title="sbm-20270114-093200-5f1d")
    await until(lambda: len(screen.query("Toast")) == 2 and all(t.region.area for t in screen.query("Toast")))
    await pilot.pause()
    toasts = [toast.region for toast in screen.query("Toast")]
    assert all(screen.region.contains_region(toast) for toast in toasts)
    return any(toast.overlaps(widget.region) for toast in toasts for widget in widgets)


@pytest.mark.parametrize("key", ["S", "number_sign"])
async def test_a_question_and_the_tags_that_are_typed_are_seen(key: str, tmp_path: Path) -> None:
    runs = [make(tmp_path, seed, 130) for seed in (1, 2)]
    async with CompareApp(runs).run_test(size=(80, 24), notifications=True) as pilot:
        screen = await compared(pilot)
        await pilot.press(key)
        line = screen.query_one(RunLine)
        await until(lambda: line.region.area)
        assert not await covers(pilot, line, screen.query_one(KeyBar))


async def test_the_name_of_an_export_is_seen() -> None:
    app = fakes.app()
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await fakes.until(pilot, lambda: not app.screen.busy)  # type: ignore[attr-defined]
        app.open_checkpoint("models/sbm.safetensors")
        await fakes.until(pilot, lambda: app.screen.query(ExportBar))
        bar = app.screen.query_one(ExportBar)
        bar.open("sbm.png", {})
        await until(lambda: bar.region.area)
        assert not await covers(pilot, bar, app.screen.query_one(KeyBar))


@pytest.mark.parametrize("size", [(80, 24), (160, 48)])
async def test_fields_of_the_form_are_seen_wherever_they_are(
    size: tuple[int, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with TrainApp(tmp_path).run_test(size=size, notifications=True) as pilot:
        screen = await shown(pilot)
        fields = [field for field in screen.query(Input) if field.display and field.region.area]
        foot = screen.query_one("#train-foot")
        for field in (fields[0], fields[-1]):
            field.focus()
            await pilot.pause()
            assert not await covers(pilot, field, foot)
            pilot.app.clear_notifications()
            await until(lambda: not screen.query("Toast"))
        await pilot.press("f3")
        await until(lambda: screen.query_one("#write-name").region.area)
        await pilot.pause()
        assert not await covers(pilot, screen.query_one("#write-name"))
