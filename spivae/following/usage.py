"""What a trainer takes of this machine: CPU, memory and GPU of its process and all that it has started."""

from __future__ import annotations

import shutil
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil

from spivae.liveness import is_alive, this_host

if TYPE_CHECKING:
    from spivae.training.run import RunInfo

LEAST_SECONDS = 1.0  # between two looks
_GPU_SECONDS = 5.0  # nvidia-smi takes a while: it is asked less often, and never waited for longer
_FAMILY_SECONDS = 10.0  # children are looked for so often: that takes a look at every process there is
_SLACK = 2.0  # seconds that the clocks of a process and of run.json may differ
_MEMORY = ("--query-compute-apps=pid,gpu_uuid,used_memory",)
_LOAD = ("--query-gpu=uuid,utilization.gpu",)


@dataclass(frozen=True)
class Usage:
    """CPU in per cent of one core (None at the first look), memory in bytes, and GPU where one is used.

    `gpu` is the load of the busiest GPU it uses, in per cent, `gpu_memory` what it holds on all, in bytes.
    """

    cpu: float | None = None
    memory: int | None = None
    gpu: float | None = None
    gpu_memory: int | None = None


class UsageMeter:
    """Looks at a run's trainer. `read` may take a while where there is a GPU: call it from a thread."""

    def __init__(self) -> None:
        self._processes: dict[tuple[int, float], tuple[psutil.Process, float]] = {}
        self._looked = self._searched = float("-inf")
        self._family: list[psutil.Process] = []
        self._usage: Usage | None = None
        self._gpu = _Gpu()

    def read(self, info: RunInfo) -> Usage | None:
        """What the trainer of a run takes now; None where it has none on this host.

        Within a second the answer is the last one.
        """
        if not info.pid or info.host != this_host():
            return None
        now = time.monotonic()
        if now - self._looked >= LEAST_SECONDS:
            self._usage = self._look(info, now - self._looked)
            self._looked = now
        return self._usage

    def _look(self, info: RunInfo, elapsed: float) -> Usage | None:
        try:
            trainer = psutil.Process(info.pid)
            if not _is_trainer(trainer, info):
                return None
            if time.monotonic() - self._searched >= _FAMILY_SECONDS or trainer not in self._family:
                self._searched = time.monotonic()
                self._family = [trainer, *trainer.children(recursive=True)]
        except psutil.Error:  # it has just ended
            return None
        before, self._processes = self._processes, {}
        memory, spent, known = 0, 0.0, False
        for process in self._family:
            try:
                with process.oneshot():
                    key = (process.pid, process.create_time())
                    times = process.cpu_times()
                    memory += process.memory_info().rss
            except psutil.Error:  # a child that has just ended
                continue
            taken = times.user + times.system
            if key in before:
                spent, known = spent + taken - before[key][1], True
            elif before:
                spent += taken  # a child that began since
            self._processes[key] = (process, taken)
        load, held = self._gpu.read({pid for pid, _ in self._processes})
        cpu = max(0.0, 100 * spent / elapsed) if known else None
        return Usage(cpu, memory, load, held)


def _is_trainer(process: psutil.Process, info: RunInfo) -> bool:
    """Whether this is the process that run.json means, and no later one with its pid."""
    if not is_alive(info.pid, info.pid_started):
        return False
    # where the system knows no ticks since boot: the trainer was there before it claimed the run
    return info.pid_started is not None or process.create_time() <= (info.started or info.created) + _SLACK


class _Gpu:
    """What nvidia-smi tells, asked at most every few seconds; nothing where there is none."""

    def __init__(self) -> None:
        self._program = shutil.which("nvidia-smi")
        self._asked = float("-inf")
        self._answer: tuple[float | None, int | None] = (None, None)

    def read(self, pids: set[int]) -> tuple[float | None, int | None]:
        """Load in per cent and memory in bytes of these processes; None where they use no GPU."""
        if self._program is not None and time.monotonic() - self._asked >= _GPU_SECONDS:
            self._answer = self._ask(pids)
            self._asked = time.monotonic()
        return self._answer

    def _ask(self, pids: set[int]) -> tuple[float | None, int | None]:
        ours = [row for row in self._table(_MEMORY) if len(row) == 3 and row[0] in map(str, pids)]
        if not ours:
            return None, None
        load = dict(row for row in self._table(_LOAD) if len(row) == 2)
        loads = [found for _, gpu, _ in ours if (found := _number(load.get(gpu, ""))) is not None]
        held = [found for *_, memory in ours if (found := _number(memory)) is not None]
        return max(loads, default=None), round(sum(held) * 2**20) if held else None

    def _table(self, query: tuple[str, ...]) -> list[list[str]]:
        assert self._program is not None
        command = [self._program, *query, "--format=csv,noheader,nounits"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_GPU_SECONDS, check=True)
        except (OSError, subprocess.SubprocessError):
            self._program = None  # a driver that does not answer is not asked again
            return []
        return [[part.strip() for part in line.split(",")] for line in done.stdout.splitlines()]


def _number(words: str) -> float | None:
    try:
        return float(words)
    except ValueError:  # "[N/A]", which some cards say
        return None
