"""What the tests of the app share: `fakes` on the path, and a terminal that is always the same."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(autouse=True)
def same_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """No NO_COLOR, no SSH, no odd TERM, whatever the tests are run in."""
    for name in ("NO_COLOR", "SSH_CONNECTION", "COLORFGBG", "SPIVAE_GLYPHS", "SPIVAE_PLUGINS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLORTERM", "truecolor")
