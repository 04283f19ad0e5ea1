"""`spivae` in the process of a test."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
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


def wait_for(condition: Callable[[], object], seconds: float = 120) -> None:
    """Until it is true, which must be soon."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


@pytest.fixture
def spivae(capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """`spivae("ls", folder)` as an Outcome, without a process of its own."""

    def run(*arguments: object) -> Outcome:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        return Outcome(code, *capsys.readouterr())

    return run
