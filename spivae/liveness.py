"""Does a process that was noted down still run on this host?"""

from __future__ import annotations

import os
from pathlib import Path


def process_start(pid: int) -> int | None:
    """When a process started, in clock ticks since boot; None where the system does not tell.

    With the pid it names a process for good, because pids are used again.
    """
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return int(status.rpartition(")")[2].split()[19])


def is_alive(pid: int, started: int | None) -> bool:
    """Whether the process with this pid and start time still runs on this host."""
    if pid < 1:
        return False
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass  # it runs, as another user
    now = process_start(pid)
    return started is None or now is None or now == started
