"""Running `spivae`: in this process, or as users do in one of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from spivae.cli import main


class Outcome(NamedTuple):
    """Exit code, stdout and stderr of a command."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def spivae(capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """`spivae("ls", folder)` as an Outcome, without a process."""

    def run(*arguments: object) -> Outcome:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        return Outcome(code, *capsys.readouterr())

    return run


@pytest.fixture
def process() -> Callable[..., Outcome]:
    """The same in a process of its own."""

    def run(*arguments: object, cwd: Path | None = None) -> Outcome:
        command = [sys.executable, "-m", "spivae", *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=60, check=False)
        return Outcome(done.returncode, done.stdout, done.stderr)

    return run
