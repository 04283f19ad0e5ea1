"""What the tests of the app share: `fakes` on the path, and a terminal that is always the same."""

import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
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


@pytest.fixture
def snap_compare(snap_compare: Callable[..., bool]) -> Callable[..., bool]:
    """The picture is taken once all is drawn, however slow the machine is."""

    def compare(app: Any, *, run_before: Callable[[Pilot[Any]], Awaitable[None]], **more: Any) -> bool:
        async def ready(pilot: Pilot[Any]) -> None:
            await run_before(pilot)
            await fakes.settled(pilot)

        return snap_compare(app, run_before=ready, **more)

    return compare
