"""`spivae watch`: lines where there is no terminal, curves where there is one, and how it ends."""

from __future__ import annotations

import dataclasses
import os
import pty
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from spivae.cli import watch
from spivae.figure.look import Look
from spivae.following.follower import RunFollower
from spivae.following.usage import Usage
from spivae.training.lock import Owner
from spivae.training.metrics import MetricsWriter
from spivae.training.run import Run


@pytest.fixture
def copy(tiny_run: Path, tmp_path: Path) -> Run:
    """A finished run that may be changed."""
    return Run.open(shutil.copytree(tiny_run, tmp_path / tiny_run.name))


def test_without_a_terminal_it_writes_a_line_an_epoch_and_the_end(tiny_run: Path, spivae: Callable[..., Any]):
    watched = spivae("watch", tiny_run)
    lines = watched.out.splitlines()
    assert watched.code == 0
    assert [line[:17] for line in lines[:3]] == [
        "epoch 1/3  beta 0",
        "epoch 2/3  beta 1",
        "epoch 3/3  beta 1",
    ]
    assert lines[3:] == [f"finished: {tiny_run / 'checkpoints' / 'final.safetensors'}"]


@pytest.mark.parametrize("more", [(), ("--once",)])
def test_as_json_it_tells_how_the_run_ended(
    more: tuple[str, ...], tiny_run: Path, spivae: Callable[..., Any]
):
    told = spivae("watch", tiny_run, "--json", *more).json
    assert (told["id"], told["state"], told["step"], told["steps"]) == (tiny_run.name, "finished", 9, 9)
    assert told["last"]["epoch"] == told["epochs"] == 3


def test_an_epoch_that_was_repeated_is_there_once(copy: Run, spivae: Callable[..., Any]):
    last = copy.metrics_path.read_bytes().splitlines()[-1]
    with open(copy.metrics_path, "ab") as file:
        file.write(last.replace(b'"attempt":1', b'"attempt":2') + b"\n")
    assert len(spivae("watch", copy.path).out.splitlines()) == 4


@pytest.mark.parametrize("size", [(60, 20), (100, 30)])
def test_once_draws_the_curves_as_they_are(size: tuple[int, int], tiny_run: Path, spivae: Callable[..., Any]):
    width, height = size
    lines = spivae("watch", tiny_run, "--once", "--width", width, "--height", height).out.splitlines()
    assert len(lines) == height
    assert max(map(len, lines)) <= width
    assert lines[0].startswith("finished  epoch 3.00/3  step 9/9")
    assert lines[1].startswith("epoch 3/3  beta 1e-3  NLL ")
    assert lines[2].startswith("loss (nats/step)")


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (40, ""),
        (80, "  epoch 2.50/3  1 min 05 s left"),
        (90, "  epoch 2.50/3  step 5,000/6,000  1 min 05 s left"),
        (200, "  epoch 2.50/3  step 5,000/6,000  12 steps/s  1 min 05 s left  CPU 99 %, 250 MB  GPU 50 %"),
    ],
)
def test_the_first_line_keeps_the_id_of_the_run_whatever_the_width(width: int, shown: str, tiny_run: Path):
    *_, view = RunFollower(str(tiny_run), Run.open).poll()
    info = replace(view.info, id="sbm-20260101-000000-ab12", steps=6000)
    view = dataclasses.replace(
        view, info=info, state="running", step=5000, epoch=2.5, speed=12.0, left=65.0, figure=None
    )
    frame = watch._frame(view, width, 20, Look.detect({}, "utf-8"), Usage(99.0, 250_000_000, 50.0))
    line = str(frame.renderables[0])
    assert line == f"running{shown}  {info.id}"
    assert len(line) <= width


def test_a_run_without_a_step_is_drawn_too(copy: Run, spivae: Callable[..., Any]):
    copy.metrics_path.unlink()
    assert spivae("watch", copy.path, "--once").out.startswith(f"finished  {copy.id}")


@pytest.mark.parametrize("state", ["failed", "lost"])
def test_a_run_that_went_wrong_is_an_error(copy: Run, state: str, spivae: Callable[..., Any]):
    if state == "failed":
        copy.end("failed", "the loss diverged at step 3")
    else:
        copy.claim(1, "cpu")
        copy.info.pid_started = 1
        copy.save()
        assert Owner(copy.info.host, copy.info.pid, 1).gone
    watched = spivae("watch", copy.path)
    why = "the loss diverged at step 3" if state == "failed" else f"its trainer, process {os.getpid()} on"
    assert watched.code == 1
    assert watched.err.startswith(f"error: {copy.id}: {state}: {why}")


def test_in_a_terminal_curves_grow_until_the_run_ends(copy: Run):
    copy.claim(1, "cpu")
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "80", "LINES": "24"}
    process = subprocess.Popen(
        [sys.executable, "-m", "spivae", "watch", str(copy.path)],
        stdin=theirs, stdout=theirs, stderr=theirs, env=environment,
    )  # fmt: skip
    os.close(theirs)
    seen = b""
    try:
        while b"step 9/9" not in seen:
            seen += os.read(ours, 65536)
        assert b"\x1b[?1049h" in seen  # the alternate screen: the shell's lines come back
        writer = MetricsWriter(copy.metrics_path, {"attempt": 2})
        writer.write(
            {"kind": "step", "step": 8, "epoch": 2.67, "phase": 1, "loss": 1.0, "kl": [1.0, 1.0], "lr": 1e-3,
             "beta": 1e-3, "seconds": 9.0}
        )  # fmt: skip
        writer.close()
        while b"step 8/9" not in seen:
            seen += os.read(ours, 65536)
        copy.end("stopped")
        while b"\x1b[?1049l" not in seen or not re.search(rb"stopped.*epoch 2.67/3.*loss", seen, re.DOTALL):
            seen += os.read(ours, 65536)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
        os.close(ours)
