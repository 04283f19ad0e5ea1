"""Who works in a directory: the process that the file LOCK in it names; `spivae.training.lock` takes it."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import msgspec

from spivae.liveness import STALE_SECONDS, heartbeat_age, is_alive, process_start, this_host
from spivae.slurm.job import Job


class Owner(msgspec.Struct, frozen=True):
    """A process that trains, told apart from a later one with the same pid; `job` is the one it is in."""

    host: str
    pid: int
    pid_started: int | None = None
    job: Job | None = None

    @classmethod
    def of(cls, pid: int) -> Owner:
        """This process, or another of this host and in this one's job, if any."""
        return cls(this_host(), pid, process_start(pid), Job.of_process())

    @property
    def here(self) -> bool:
        return self.host == this_host()

    @property
    def beside(self) -> bool:
        """Whether it is in another container of this machine, or in one that is gone."""
        return not self.here and self.host.partition("/")[0] == socket.gethostname()

    @property
    def gone(self) -> bool:
        """Whether it is known to have ended, whatever its heartbeat may be."""
        if self.here:
            return not is_alive(self.pid, self.pid_started)
        # Slurm begins a job again, on whichever node, only once it has ended it
        return self.job is not None and self.job.is_before(Job.of_process())

    def is_over(self) -> bool:
        """Whether Slurm runs its job no more; on a node that Slurm has lost, the process may go on."""
        from spivae.slurm.queue import queue

        return self.job is not None and queue.look(self.job, fresh=True).phase in ("waiting", "ended")

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


def read_owner(path: Path) -> Owner | None:
    """Who holds a lock; None where there is none, or none that says so (yet)."""
    try:
        return decode_owner(path.read_bytes())
    except OSError:
        return None


def decode_owner(content: bytes) -> Owner | None:
    try:
        return msgspec.json.decode(content, type=Owner)
    except msgspec.DecodeError:
        return None


def is_held(path: Path) -> bool:
    """Whether somebody holds a lock: alive on this host, or with a sign of life from another one."""
    owner = read_owner(path)
    if owner is None or owner.gone:
        return False
    age = None if owner.here else heartbeat_age(path)
    return age is None or age <= STALE_SECONDS


def ended_queue(folder: str) -> str:
    """Of a sweep's folder whose queue starts no more runs, the sweep's name; "" for any other folder."""
    if not os.path.isfile(os.path.join(folder, "sweep.json")) or is_held(Path(folder, "LOCK")):
        return ""
    return os.path.basename(folder)


def why_not_begun(sweep: str) -> str:
    """What to say of a run that waits in the ended queue of a sweep."""
    return f"not begun, and the queue of {sweep} has ended; `spivae resume {sweep}` goes on" if sweep else ""
