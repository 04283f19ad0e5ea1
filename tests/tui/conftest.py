"""What the tests of the app share: `fakes` on the path, and a terminal that is always the same."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from textual import _wait, app, pilot
from textual.pilot import Pilot

sys.path.insert(0, str(Path(__file__).parent))

import fakes


@pytest.fixture(autouse=True)
def same_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """No NO_COLOR, no SSH, no odd TERM, whatever the tests are run in."""
    for name in ("NO_COLOR", "SSH_CONNECTION", "COLORFGBG", "SPIVAE_GLYPHS", "SPIVAE_PLUGINS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLORTERM", "truecolor")


@pytest.fixture(autouse=True)
def nothing_left_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key is answered and a pause over once the loop has nothing to do.

    Textual looks at processor time: on a busy machine, an app that waits for its turn seems to rest.
    """
    rest = _wait.wait_for_idle

    async def wait_for_idle(*seconds: float) -> None:
        await rest(*seconds)
        while asyncio.get_running_loop()._ready:  # type: ignore[attr-defined]
            await asyncio.sleep(0)

    for module in (app, pilot):
        monkeypatch.setattr(module, "wait_for_idle", wait_for_idle)


@pytest.fixture
def snap_compare(snap_compare: Callable[..., bool]) -> Callable[..., bool]:
    """The picture is taken once all is drawn, however slow the machine is."""

    def compare(app: Any, *, run_before: Callable[[Pilot[Any]], Awaitable[None]], **more: Any) -> bool:
        async def ready(pilot: Pilot[Any]) -> None:
            await run_before(pilot)
            await fakes.settled(pilot)

        return snap_compare(app, run_before=ready, **more)

    return compare
