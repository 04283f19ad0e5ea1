"""Running `spivae`: in this process, or as users do in one of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.commands import Outcome as Outcome
from tests.commands import spivae as spivae


@pytest.fixture
def process() -> Callable[..., Outcome]:
    """The same in a process of its own."""

    def run(*arguments: object, cwd: Path | None = None) -> Outcome:
        command = [sys.executable, "-m", "spivae", *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=60, check=False)
        return Outcome(done.returncode, done.stdout, done.stderr)

    return run
