"""`spivae` in the process of a test."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from spivae.cli import main
from spivae.training.run import Run


class Outcome(NamedTuple):
    """Exit code, stdout and stderr of a command."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def wait_for(condition: Callable[[], object], seconds: float = 120) -> None:
    """Until it is true, which must be soon."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


def workers(run: Run) -> list[int]:
    """Pids of the processes that share a run's batches, whoever is their parent now."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except (OSError, NotADirectoryError):
            continue
        if b"--team" in words and os.fsencode(run.path.resolve()) in words:
            found.append(int(entry.name))
    return sorted(found)


@pytest.fixture
def spivae(capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """`spivae("ls", folder)` as an Outcome, without a process of its own."""

    def run(*arguments: object) -> Outcome:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        return Outcome(code, *capsys.readouterr())

    return run
