"""How many threads a training takes: no more cores than are free, and only as many as make it faster."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable, Sequence

from spivae.cores import allowed_cores, own_cores, usable_threads
from spivae.errors import SpivaeError
from spivae.training.places import taken

GAIN = 1.1  # more threads must make a step so many times faster, or the cores are left to others
_MOST_THREADS = 1024  # far above what makes any step faster; torch dies of some hundred thousand
_ROUNDS, _LEAST_SECONDS, _MOST_SECONDS = 4, 0.2, 3.0
_GLANCES, _GLANCE_SECONDS = 5, 0.1


def check_threads(threads: int | None) -> None:
    """Raise SpivaeError for a number of threads that is none, or that no machine has."""
    if threads is None:
        return
    if threads < 1:
        raise SpivaeError(f"threads: needs at least 1, not {threads}; leave it out to have it chosen")
    if threads > _MOST_THREADS:
        raise SpivaeError(f"threads: at most {_MOST_THREADS}, not {threads}; leave it out to have it chosen")


def use_threads(count: int) -> None:
    """Let this process compute, and make data, with so many threads."""
    import torch

    from spivae.blocks import limit_threads

    torch.set_num_threads(count)
    limit_threads(count)


def free_threads(own: int = 0) -> int:
    """Threads that neither other trainings nor other programs keep busy; at least one.

    `own` is the pid of the training for which they are, if it has noted already what it takes.
    """
    return 1 if usable_threads() == 1 else max(1, idle_threads(own))


def idle_threads(own: int = 0) -> int:
    """The same, but 0 or less where others keep all cores busy."""
    idle = len(own_cores()) - round(busy_cores())
    return min(usable_threads(), idle, allowed_cores() - taken(own))


def busy_cores() -> float:
    """How many of the cores that this process may use are kept busy, for half a second that it waits.

    A glance may see what is over in an instant: the median of several counts.
    """
    import psutil

    own, seen = own_cores(), []
    psutil.cpu_percent(percpu=True)  # it tells of the time since it was called before
    for _ in range(_GLANCES):
        time.sleep(_GLANCE_SECONDS)
        percents = psutil.cpu_percent(percpu=True)
        seen.append(sum(busy for core, busy in enumerate(percents) if core in own) / 100)
    return statistics.median(seen)


def choose(step: Callable[[], object], free: int) -> int:
    """The fewest threads that make `step` about as fast as any number does: a power of two, or all of `free`.

    A step that takes seconds is tried with few numbers of threads, the largest first.
    """
    if free == 1:
        return 1
    counts = [free, *reversed([1 << k for k in range(free.bit_length()) if 1 << k < free])]
    times = step_seconds(step, counts)
    return min(count for count, taken in times.items() if taken <= GAIN * min(times.values()))


def step_seconds(
    step: Callable[[], object], counts: Sequence[int], seconds: float = _LEAST_SECONDS
) -> dict[int, float]:
    """Median seconds of a step with these numbers of threads, taken in turn, for about so long.

    It takes longer for a few rounds, but not for slow ones: then the last of the numbers are left out. torch
    is left with the number of threads that it had.
    """
    import torch

    before, begin = torch.get_num_threads(), time.perf_counter()
    times: dict[int, list[float]] = {}
    try:
        for number, count in enumerate(itertools.cycle(counts)):
            start = time.perf_counter()
            patience = _MOST_SECONDS if number < _ROUNDS * len(counts) else 0
            if times and start - begin > max(seconds, patience):
                break
            torch.set_num_threads(count)
            step()
            times.setdefault(count, []).append(time.perf_counter() - start)
    finally:
        torch.set_num_threads(before)
    # the first warms up
    return {count: statistics.median(found[1:] or found) for count, found in times.items()}
