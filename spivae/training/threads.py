"""How many threads a training takes: no more cores than are free, and only as many as make it faster."""

from __future__ import annotations

import os
import socket
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from spivae.cores import usable_threads
from spivae.errors import SpivaeError
from spivae.training.run import Run, list_runs

GAIN = 1.1  # a second thread must make a step so many times faster, or the core is left to others
_ROUNDS, _LEAST_SECONDS = 3, 0.2
_GLANCES = 9


def check_threads(threads: int | None) -> None:
    """Raise SpivaeError for a number of threads that is none."""
    if threads is not None and threads < 1:
        raise SpivaeError(f"threads: needs at least 1, not {threads}; leave it out to have it chosen")


def free_threads(run: Run | None = None) -> int:
    """Threads that neither other runs beside this one nor other programs keep busy; at least one."""
    taken = 0 if run is None else threads_of_others(run.path.parent, run.id)
    return max(1, usable_threads() - max(taken, round(busy_cores())))


def threads_of_others(base: Path, own: str) -> int:
    """Threads of the trainings under a folder that run on this host; one that still chooses counts as one."""
    here = socket.gethostname()
    return sum(
        max(1, run.info.threads) * run.info.nproc
        for run in list_runs(base)
        if run.id != own and run.info.host == here and run.state() == "running"
    )


def busy_cores() -> float:
    """How many cores programs keep busy: for a minute now, and at this moment.

    The load average of a minute still holds against the machine what has just ended, and a glance sees what
    is over in an instant: only what both see counts.
    """
    try:
        return min(os.getloadavg()[0], _running_now())
    except (OSError, AttributeError):  # a system without such an average
        return 0.0


def _running_now() -> float:
    """Tasks beside this one that run or wait for a core, as Linux tells; elsewhere no bound."""
    seen = []
    for _ in range(_GLANCES):
        try:
            seen.append(int(Path("/proc/loadavg").read_text().split()[3].partition("/")[0]) - 1)
        except OSError:
            return float("inf")
        time.sleep(0.01)
    return statistics.median(seen)


def choose(step: Callable[[], object], free: int) -> int:
    """One thread or all that are free, whichever makes `step` faster."""
    if free == 1:
        return 1
    alone, together = step_seconds(step, (1, free)).values()
    return free if alone > GAIN * together else 1


def step_seconds(
    step: Callable[[], object], counts: Sequence[int], seconds: float = _LEAST_SECONDS
) -> dict[int, float]:
    """Median seconds of a step with these numbers of threads, taken in turn, for about so long or longer.

    torch is left with the number of threads that it had.
    """
    import torch

    before = torch.get_num_threads()
    times: dict[int, list[float]] = {count: [] for count in counts}
    try:
        end, rounds = time.perf_counter() + seconds, 0
        while rounds <= _ROUNDS or time.perf_counter() < end:
            for count, found in times.items():
                torch.set_num_threads(count)
                begin = time.perf_counter()
                step()
                found.append(time.perf_counter() - begin)
            rounds += 1
    finally:
        torch.set_num_threads(before)
    return {count: statistics.median(found[1:]) for count, found in times.items()}  # the first warms up
