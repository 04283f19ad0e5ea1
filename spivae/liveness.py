"""Does a process that was noted down still run on this host?"""

from __future__ import annotations

import os
import socket
from pathlib import Path


def _status(pid: int) -> list[str] | None:
    """State, parent, ... of a process as Linux tells them; None where the system does not tell."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def process_start(pid: int) -> int | None:
    """When a process started, in clock ticks since boot; None where the system does not tell.

    With the pid it names a process for good, because pids are used again.
    """
    status = _status(pid)
    return None if status is None else int(status[19])


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
    status = _status(pid)
    if status is None:
        return True
    # a zombie has ended and only waits to be reaped
    return status[0] != "Z" and (started is None or int(status[19]) == started)


def run_state(noted: str, host: str, pid: int, started: int | None) -> str:
    """The state of a run: what it noted itself, but "lost" where its process on this host is gone.

    A queued run has no process until its launcher has noted one. The word of another host is taken.
    """
    waiting = noted == "running" or (noted == "queued" and pid != 0)
    if waiting and host == socket.gethostname() and not is_alive(pid, started):
        return "lost"
    return noted
