"""What the tests of the app wait for comes on a busy machine, too."""

import fakes
import pytest
from textual import _wait


async def test_keys_are_answered_though_the_app_seems_to_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    app = fakes.app()
    async with app.run_test(size=(80, 24)) as pilot:
        await fakes.until(pilot, lambda: not app.screen.busy)  # type: ignore[attr-defined]
        monkeypatch.setattr(_wait, "SLEEP_GRANULARITY", 0.0)
        monkeypatch.setattr(_wait, "SLEEP_IDLE", float("inf"))
        rows = app.screen.entries  # type: ignore[attr-defined]
        for key, cursor in (("down", 1), ("down", 2), ("end", 8), ("up", 7), ("home", 0)):
            await pilot.press(key)
            assert rows.cursor == cursor
