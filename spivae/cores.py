"""How many cores this process may use."""

from __future__ import annotations

import os

from spivae.cgroups import cpu_limit


def own_cores(pid: int = 0) -> set[int]:
    """The cores on which a process may run, this one or another; all where the system does not tell."""
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(pid)
    return set(range(os.cpu_count() or 1))


def allowed_cores() -> int:
    """How many cores' worth of time the system, and the container if any, lets this process use."""
    limit = cpu_limit()
    cores = len(own_cores())
    return cores if limit is None else max(1, min(cores, int(limit)))


def usable_threads() -> int:
    """How many threads this process may use, or what OMP_NUM_THREADS says."""
    wish = os.environ.get("OMP_NUM_THREADS", "")
    return int(wish) if wish.isdecimal() and int(wish) > 0 else allowed_cores()
