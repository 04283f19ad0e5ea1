"""The app beside real trainers: killed while they go on, and on folders that vanish or may not be written."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from trainers import Trainers

from spivae.training import recipe as recipes
from spivae.training.run import Run, list_runs
from tests.tui.terminal import Terminal

ESCAPES = re.compile(rb"\x1b\[[0-9;?]*[a-zA-Z]")
FOLLOWED = b" of 500"  # epochs: what a run's own screen says however slow it is


@pytest.fixture
def run(tiny_recipe: Path, tmp_path: Path) -> Run:
    """A run that takes longer than any test."""
    recipe = recipes.load(tiny_recipe)
    return Run.create(tmp_path, recipes.with_overrides(recipe, {"training.phase.1.epochs": "50000"}))


@pytest.fixture
def opened() -> Iterator[Callable[..., Terminal]]:
    """Start the app in a terminal; what was started is ended."""
    started: list[Terminal] = []

    def start(*folders: object) -> Terminal:
        terminal = Terminal(*map(str, folders), columns=100, lines=30)
        started.append(terminal)
        return terminal

    yield start
    for terminal in started:
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(terminal.pid, signal.SIGKILL)
            os.waitpid(terminal.pid, 0)


def words(written: bytes) -> bytes:
    return ESCAPES.sub(b"", written)


def size(run: Run) -> int:
    return run.metrics_path.stat().st_size if run.metrics_path.exists() else 0


def grows(run: Run, seconds: float = 60.0) -> bool:
    """Whether the trainer takes another step."""
    before, end = size(run), time.monotonic() + seconds
    while time.monotonic() < end:
        if size(run) > before:
            return True
        time.sleep(0.02)
    return False


def test_the_app_is_killed_the_run_goes_on_and_a_new_app_shows_it_at_once(
    run: Run, trainers: Trainers, opened: Callable[..., Terminal]
) -> None:
    pid = trainers.start(run.path)
    try:
        assert grows(run)
        first = opened(run.path.parent)
        first.read_until(run.id.encode())
        os.write(first.descriptor, b"\r")
        first.read_until(FOLLOWED)  # it is followed
        os.kill(first.pid, signal.SIGKILL)
        assert os.WTERMSIG(os.waitpid(first.pid, 0)[1]) == signal.SIGKILL
        assert grows(run)
        assert Run.open(run.path).state() == "running"
        second = opened(run.path.parent)
        second.read_until(run.id.encode())
        os.write(second.descriptor, b"\r")
        shown = words(second.read_until(FOLLOWED))
        assert b"running" in shown
        os.write(second.descriptor, b"\x1b")
        second.read_until(b"Filter")
        os.write(second.descriptor, b"q")
        assert second.wait() == 0
        assert grows(run)
    finally:
        os.kill(pid, signal.SIGKILL)
        trainers.ended()


def test_a_run_that_the_app_has_started_outlives_it_and_is_found_by_the_next_app(
    tiny_recipe: Path, tmp_path: Path, opened: Callable[..., Terminal], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    long = recipes.with_overrides(recipes.load(tiny_recipe), {"training.phase.1.epochs": "50000"})
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "long.toml").write_text(recipes.to_toml(long))
    first = opened(tmp_path / "models")
    first.read_until(b"No checkpoints or runs yet")
    os.write(first.descriptor, b"t")
    first.read_until(b"epochs =")  # the form has been checked
    os.write(first.descriptor, b"\x1bOQ")  # F2
    first.read_until(FOLLOWED, 60)
    [run] = list_runs(tmp_path / "runs")
    try:
        assert run.info.pid != first.pid
        os.kill(first.pid, signal.SIGKILL)
        assert os.WTERMSIG(os.waitpid(first.pid, 0)[1]) == signal.SIGKILL
        assert grows(run)
        second = opened(tmp_path / "runs")
        second.read_until(run.id.encode())
        os.write(second.descriptor, b"\r")
        assert b"running" in words(second.read_until(FOLLOWED))
        os.write(second.descriptor, b"s")
        second.read_until(b"Save and stop")
        os.write(second.descriptor, b"s")
        second.read_until(b"Stopped and saved")
        os.write(second.descriptor, b"\x11")
        assert second.wait() == 0
    finally:
        if Run.open(run.path).state() == "running":
            os.kill(Run.open(run.path).info.pid, signal.SIGKILL)


def test_a_run_that_is_deleted_under_the_app_is_said_to_be_gone_and_leaves_the_list(
    run: Run, opened: Callable[..., Terminal]
) -> None:
    run.end("stopped")
    app = opened(run.path.parent)
    app.read_until(run.id.encode())
    os.write(app.descriptor, b"\r")
    app.read_until(b"Stopped and saved")
    shutil.rmtree(run.path)
    app.read_until(b"not a run")
    os.write(app.descriptor, b"\x1b")
    app.read_until(b"No checkpoints or runs yet")
    os.write(app.descriptor, b"q")
    assert app.wait() == 0


def test_where_nothing_may_be_written_runs_are_shown_and_what_is_refused_is_said(
    tiny_recipe: Path,
    open_folder: Path,
    read_only: Callable[[Path], contextlib.AbstractContextManager[None]],
) -> None:
    from spivae.errors import WorkFailed
    from spivae_tui.services import Services

    run = Run.create(open_folder, recipes.load(tiny_recipe))
    run.claim(threads=1, device="cpu")
    services = Services()
    with read_only(run.path):
        assert [entry.state for entry in services.scan([open_folder])] == ["running"]
        with pytest.raises(WorkFailed, match=r"STOP: cannot be written \(Permission denied\)"):
            services.stop(str(run.path))
        with pytest.raises(WorkFailed, match=r"tags.txt: cannot be written \(Permission denied\)"):
            services.write_tags(str(run.path), ["good"])
        assert services.read_tags(str(run.path)) == []


def test_importing_psutil_waits_until_a_run_is_followed() -> None:
    import subprocess

    code = "import sys, spivae_tui.app, spivae_tui.screens.live; print('psutil' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
