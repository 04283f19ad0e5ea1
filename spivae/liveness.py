"""Does a process that was noted down still run, on this host, on another one, or as a job of Slurm's?"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from spivae.slurm.job import Job


_HAS_PROC = os.path.exists("/proc/self/stat")  # as Linux has it


_SPACE_OF_MACHINES = 0xEFFFFFFC  # the number that Linux gives the space of process ids outside of containers


def this_host() -> str:
    """This machine's name, and the number of a container's own space of process ids: `node7/4026532178`.

    A pid says nothing in another space, which may have the machine's name all the same.
    """
    name = socket.gethostname()
    try:
        space = os.stat("/proc/self/ns/pid").st_ino
    except OSError:  # no Linux
        return name
    return name if space == _SPACE_OF_MACHINES else f"{name}/{space}"


class _Status(NamedTuple):
    """When a process started, and whether it has ended and only waits to be reaped."""

    started: int
    is_zombie: bool = False


def _status(pid: int) -> _Status | None:
    """How a process is; None where the system does not tell, or no longer."""
    if not _HAS_PROC:
        return _asked_status(pid)
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return _Status(int(fields[19]), fields[0] == "Z")


def _asked_status(pid: int) -> _Status | None:
    """How a process is, as other systems tell it."""
    import psutil  # which takes longer than all that a list of runs needs

    try:
        process = psutil.Process(pid)
        return _Status(round(100 * process.create_time()), process.status() == psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return None


def process_start(pid: int) -> int | None:
    """When a process started; None where the system does not tell.

    In clock ticks since boot on Linux, elsewhere in hundredths of a second since the epoch. With the pid it
    names a process for good, because pids are used again.
    """
    status = _status(pid)
    return None if status is None else status.started


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
    return not status.is_zombie and (started is None or status.started == started)


STALE_SECONDS = 120.0  # without a heartbeat; enough for clocks that differ and file systems that are slow


_beats: dict[str, tuple[int, float]] = {}  # of each lock: its mtime, and the moment when it was touched


def heartbeat_age(lock: Path | str) -> float | None:
    """Seconds since a trainer touched its lock; None where there is none.

    The clocks tell when a lock is first seen; from then on only whether it was touched meanwhile. So
    clocks that jump make no trainer look lost for longer than a heartbeat, nor do those that differ between
    hosts where the lock's folder may be written into.
    """
    try:
        touched = os.stat(lock).st_mtime_ns
    except OSError:
        return None
    now, known = time.monotonic(), _beats.get(str(lock))
    if known is None:
        _beats[str(lock)] = touched, now - _first_age(lock, touched / 1e9)
    elif known[0] != touched:
        _beats[str(lock)] = touched, now
    return now - _beats[str(lock)][1]


def _first_age(lock: Path | str, touched: float) -> float:
    """Seconds since a lock was touched. Where this host's clock makes it dead, that of its files is asked."""
    now = time.time()
    if not 0.0 <= now - touched <= STALE_SECONDS:
        now = _time_of_files(os.path.dirname(lock)) or now
    return max(0.0, now - touched)


def _time_of_files(folder: str) -> float | None:
    """What time it is to those who stamp the files of a folder; None where none can be made."""
    import tempfile  # slow to import, and seldom needed

    try:
        with tempfile.TemporaryFile(dir=folder or None) as probe:
            return os.fstat(probe.fileno()).st_mtime
    except OSError:  # not ours to write in, or full
        return None


def run_state(
    noted: str,
    host: str,
    pid: int,
    started: int | None,
    beat_age: Callable[[], float | None] = lambda: None,
    job: Job | None = None,
    queue_ended: Callable[[], object] = lambda: False,
) -> str:
    """The state of a run: what it noted itself, but "lost" where its process or its job is gone.

    One that waits in the queue of a sweep is "stopped" once `queue_ended`: nobody is going to begin it.

    On this host the process is looked for. Of another one, `beat_age` tells how many seconds ago it showed a
    sign of life; None takes its word. A queued run has no process until its launcher has noted one. What was
    given to Slurm as a `job` is as Slurm says; where Slurm does not say, the heartbeat counts, and so it does
    where Slurm has forgotten a job that shows signs of life.
    """
    if job is not None and noted in ("queued", "running"):
        from spivae.slurm.queue import queue

        standing = queue.look(job)
        if standing.phase == "waiting":  # also once it was preempted
            return "queued"
        if standing.phase == "active":
            return noted
        if standing.phase == "ended" and (standing.state or not _is_fresh(beat_age())):
            return "lost"
    if is_untaken(noted, pid, job):
        return "stopped" if queue_ended() else noted
    if not (noted == "running" or (noted == "queued" and pid != 0)):
        return noted
    if host == this_host():
        return noted if is_alive(pid, started) else "lost"
    age = beat_age()
    return noted if age is None or _is_fresh(age) else "lost"


def is_untaken(noted: str, pid: int, job: Job | None) -> bool:
    """Whether a run still waits for somebody to take it up: no process is to train it yet, and no job."""
    return noted == "queued" and pid == 0 and job is None


def _is_fresh(age: float | None) -> bool:
    return age is not None and age <= STALE_SECONDS
