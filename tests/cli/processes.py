"""Measuring processes."""

from __future__ import annotations

import resource


def children_seconds() -> float:
    """Processor time of all child processes that have ended, without what those have started and left."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
