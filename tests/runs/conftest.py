"""Trainers that are killed, and `spivae` in this process."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from trainers import Trainers

from spivae.training.lock import read_owner
from spivae.training.run import list_runs
from tests.commands import Outcome as Outcome
from tests.commands import spivae as spivae

NOBODY = 65534


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
    """Make a folder, with those in it, one that may be read and not written into, for root as well."""

    @contextlib.contextmanager
    def made(folder: Path) -> Iterator[None]:
        before = os.geteuid()
        folders = [folder, *(path for path in folder.rglob("*") if path.is_dir())]
        for each in folders:
            each.chmod(0o555)
        if before == 0:
            os.seteuid(NOBODY)
        try:
            yield
        finally:
            os.seteuid(before)
            for each in folders:
                each.chmod(0o755)

    return made


@pytest.fixture
def full_disk() -> Callable[[], contextlib.AbstractContextManager[None]]:
    """Let no file of this process grow, which is how the system itself refuses every write."""

    @contextlib.contextmanager
    def made() -> Iterator[None]:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    return made


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody may reach, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)
