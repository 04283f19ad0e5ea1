"""What a trainer takes: of the process that run.json names and its children, and of no other."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from spivae.following import usage
from spivae.following.usage import UsageMeter
from spivae.liveness import process_start, this_host
from spivae.training.run import RunInfo

# a parent that rests, with a child that holds 40 MB and computes
FAMILY = """
import os, subprocess, sys, time
code = "x = bytearray(40_000_000); print('ready', flush=True)\\nwhile True: sum(range(10_000))"
child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
sys.stdin.read()
child.kill()
"""


def info(pid: int, started: int | None, host: str = "", begun: float | None = None) -> RunInfo:
    now = time.time()
    return RunInfo(
        id="x", process="sbm", epochs=1, created=now, started=begun or now, state="running",
        host=host or this_host(), pid=pid, pid_started=started,
    )  # fmt: skip


@pytest.fixture
def family() -> Iterator[int]:
    """The pid of a process with a busy child."""
    process = subprocess.Popen([sys.executable, "-c", FAMILY], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    yield process.pid
    process.communicate()


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage, "LEAST_SECONDS", 0.0)


def test_the_children_count(family: int) -> None:
    meter, trainer = UsageMeter(), info(family, process_start(family))
    (child,) = psutil.Process(family).children()
    first = meter.read(trainer)
    assert first is not None
    assert first.cpu is None
    began, spent = time.monotonic(), child.cpu_times().user
    while child.cpu_times().user < spent + 0.4:  # on a busy machine, it waits for its turns
        time.sleep(0.02)
    share = 100 * 0.4 / (time.monotonic() - began)
    second = meter.read(trainer)
    assert second is not None
    assert second.memory is not None
    assert second.memory > 45e6
    assert second.cpu is not None
    assert share / 2 < second.cpu < 150  # the parent rests


def test_another_process_with_its_pid_is_not_taken_for_it(family: int) -> None:
    ticks = process_start(family)
    assert ticks is not None
    assert UsageMeter().read(info(family, ticks + 1)) is None
    # where the system counts no ticks, the time of its start tells
    assert UsageMeter().read(info(family, None)) is not None
    assert UsageMeter().read(info(family, None, begun=time.time() - 3600)) is None


def test_a_trainer_that_has_ended_takes_nothing() -> None:
    process = subprocess.Popen(["true"])
    ticks = process_start(process.pid)
    process.wait()
    assert UsageMeter().read(info(process.pid, ticks)) is None
    assert UsageMeter().read(info(0, None)) is None


def test_of_another_host_nothing_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage.psutil, "Process", lambda pid: pytest.fail("a process of this host was read"))
    assert UsageMeter().read(info(os.getpid(), None, host="node07")) is None


def test_it_looks_once_a_second_at_most(family: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage, "LEAST_SECONDS", 60.0)
    meter, trainer = UsageMeter(), info(family, process_start(family))
    assert meter.read(trainer) is meter.read(trainer)


SMI = """#!/bin/sh
echo "$@" >> "$(dirname "$0")/asked"
case "$1" in
    --query-compute-apps*) echo "1, GPU-b, 900"; echo "{pid}, GPU-a, 300"; echo "{pid}, GPU-b, [N/A]";;
    --query-gpu*) echo "GPU-a, 71"; echo "GPU-b, 13";;
esac
"""


def script(folder: Path, text: str) -> None:
    path = folder / "nvidia-smi"
    path.write_text(text)
    path.chmod(0o755)


def test_the_gpu_is_asked_for_this_process_alone(
    family: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script(tmp_path, SMI.format(pid=family))
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    meter, trainer = UsageMeter(), info(family, process_start(family))
    for _ in range(3):
        found = meter.read(trainer)
        assert found is not None
        assert (found.gpu, found.gpu_memory) == (71.0, 300 * 2**20)
    assert len((tmp_path / "asked").read_text().splitlines()) == 2  # both questions, once in five seconds


def test_a_driver_that_hangs_is_given_up(
    family: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script(tmp_path, "#!/bin/sh\nexec sleep 600\n")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(usage, "_GPU_SECONDS", 0.2)
    asked: list[object] = []
    run = subprocess.run
    monkeypatch.setattr(
        usage.subprocess, "run", lambda *command, **how: asked.append(command) or run(*command, **how)
    )
    meter, trainer = UsageMeter(), info(family, process_start(family))
    for _ in range(2):
        found = meter.read(trainer)
        assert found is not None
        assert found.gpu is None
        time.sleep(0.25)
    assert len(asked) == 1
