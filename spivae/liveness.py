"""Does a process that was noted down still run, on this host, on another one, or as a job of Slurm's?"""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spivae.slurm.job import Job


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


STALE_SECONDS = 120.0  # without a heartbeat; enough for clocks that differ and file systems that are slow


_beats: dict[str, tuple[int, float]] = {}  # of each lock: its mtime, and the moment when it was touched


def heartbeat_age(lock: Path | str) -> float | None:
    """Seconds since a trainer touched its lock; None where there is none.

    The clocks tell when a lock is first seen; from then on only whether it was touched meanwhile. So
    clocks that jump, or that differ between hosts, make no trainer look lost for longer than a heartbeat.
    """
    try:
        touched = os.stat(lock).st_mtime_ns
    except OSError:
        return None
    now, known = time.monotonic(), _beats.get(str(lock))
    if known is None:
        _beats[str(lock)] = touched, now - max(0.0, time.time() - touched / 1e9)
    elif known[0] != touched:
        _beats[str(lock)] = touched, now
    return now - _beats[str(lock)][1]


def run_state(
    noted: str,
    host: str,
    pid: int,
    started: int | None,
    beat_age: float | None = None,
    job: Job | None = None,
) -> str:
    """The state of a run: what it noted itself, but "lost" where its process or its job is gone.

    On this host the process is looked for. Of another one, `beat_age` is how many seconds ago it showed a
    sign of life; None takes its word. A queued run has no process until its launcher has noted one. What was
    given to Slurm as a `job` is as Slurm says; where Slurm does not say, the heartbeat counts.
    """
    if job is not None and noted in ("queued", "running"):
        from spivae.slurm.queue import queue

        phase = queue.look(job).phase
        if phase == "waiting":  # also once it was preempted
            return "queued"
        if phase != "unknown":
            return "lost" if phase == "ended" else noted
    if not (noted == "running" or (noted == "queued" and pid != 0)):
        return noted
    if host == socket.gethostname():
        return noted if is_alive(pid, started) else "lost"
    return "lost" if beat_age is not None and beat_age > STALE_SECONDS else noted
