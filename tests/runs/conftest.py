"""Trainers that are killed, and `spivae` in this process."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from trainers import Trainers

from spivae.cli import main
from spivae.training.lock import read_owner
from spivae.training.run import list_runs

NOBODY = 65534


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
    """`spivae("runs", ...)` as an Outcome, without a process."""

    def run(*arguments: object) -> Outcome:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        return Outcome(code, *capsys.readouterr())

    return run


@pytest.fixture(autouse=True)
def nobody_left(tmp_path: Path) -> Iterator[None]:
    """A test that fails leaves no trainer behind."""
    yield
    for run in list_runs(tmp_path):
        owner = read_owner(run.lock_path)
        if owner is not None and owner.pid != os.getpid() and not owner.gone:
            os.kill(owner.pid, signal.SIGKILL)


@pytest.fixture(scope="session")
def trainers() -> Iterator[Trainers]:
    with Trainers() as found:
        yield found


@pytest.fixture
def read_only() -> Callable[[Path], contextlib.AbstractContextManager[None]]:
    """Make a folder one that may be read and not written into, for root as well."""

    @contextlib.contextmanager
    def made(folder: Path) -> Iterator[None]:
        before = os.geteuid()
        folder.chmod(0o555)
        if before == 0:
            os.seteuid(NOBODY)
        try:
            yield
        finally:
            os.seteuid(before)
            folder.chmod(0o755)

    return made


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody may reach, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)
