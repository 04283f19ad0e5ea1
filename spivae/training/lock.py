"""The lock of a run: at most one trainer writes into its directory, on whichever host it runs.

The file LOCK says who trains: host, pid, and when that process started. It is made with O_EXCL, which
network file systems honour too, and the trainer touches it again and again: its age is the heartbeat by
which other hosts tell a running trainer from a lost one.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Protocol

import msgspec

from spivae.errors import SpivaeError, WorkFailed
from spivae.files import replacing
from spivae.liveness import STALE_SECONDS, heartbeat_age, is_alive, process_start
from spivae.slurm.job import Job

BEAT_SECONDS = 10.0
_HANDOVER_SECONDS = 30.0  # how long a trainer waits for its launcher to give it the lock
_TORN_SECONDS = 10.0  # a lock without an owner for so long was left by someone who died while taking it


class Owner(msgspec.Struct, frozen=True):
    """A process that trains, told apart from a later one with the same pid; `job` is the one it is in."""

    host: str
    pid: int
    pid_started: int | None = None
    job: Job | None = None

    @classmethod
    def of(cls, pid: int) -> Owner:
        """This process, or another of this host and in this one's job, if any."""
        return cls(socket.gethostname(), pid, process_start(pid), Job.of_process())

    @property
    def here(self) -> bool:
        return self.host == socket.gethostname()

    @property
    def gone(self) -> bool:
        """Whether it is known to have ended; of another host only Slurm knows."""
        if self.here:
            return not is_alive(self.pid, self.pid_started)
        if self.job is None:
            return False
        # Slurm begins a job again, on whichever node, only once it has ended it
        return self.job.is_before(Job.of_process()) or self._is_over()

    def _is_over(self) -> bool:
        from spivae.slurm.queue import queue

        return self.job is not None and queue.look(self.job, fresh=True).phase in ("waiting", "ended")

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


class Lockable(Protocol):
    """A run, or what else is a directory that one process works in."""

    @property
    def id(self) -> str: ...

    @property
    def lock_path(self) -> Path: ...


class Locked(SpivaeError):
    """Somebody else trains this run; what it says of itself must stay as it is."""


class LockLost(WorkFailed):
    """The run was taken away while it was trained: by another trainer, or by whoever deleted it."""


class Lock:
    """A run's lock, held from `take` to `release`; also a context.

    `lost` says in words why it is no longer held, once the heartbeat has found that out.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lost: str | None = None
        self._me = Owner.of(os.getpid())
        self._ended = threading.Event()
        self._beating: threading.Thread | None = None

    @classmethod
    def take(cls, run: Lockable, *, force: bool = False) -> Lock:
        """Take the lock of a run for this process.

        A lock whose owner has ended on this host is free; one that a launcher took for this process is
        waited for. Raises Locked where somebody holds it; `force` takes it from an owner on another host
        that shows no sign of life.
        """
        lock = cls(run.lock_path)
        end = time.monotonic() + _HANDOVER_SECONDS
        while not lock._try(force):
            owner = read_owner(lock.path)
            if owner is not None and not owner.gone:
                launched = owner.here and owner.pid == os.getppid()
                if not launched or time.monotonic() > end:
                    raise Locked(_held(run, owner, heartbeat_age(lock.path)))
            time.sleep(0.02)
        return lock

    def _try(self, force: bool) -> bool:
        """Take the lock if it is free, this process's already, or its owner gone."""
        try:
            descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        except FileExistsError:
            return self._take_over(force)
        except OSError as error:
            raise WorkFailed(f"{self.path}: cannot be written ({error.strerror})") from None
        with os.fdopen(descriptor, "wb") as handle:
            handle.write(msgspec.json.encode(self._me))
        return True

    def _take_over(self, force: bool) -> bool:
        """Take an old lock; of several who try at once, one succeeds."""
        import fcntl

        try:
            with open(self.path, "rb") as handle:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                old = os.fstat(handle.fileno())
                if os.stat(self.path).st_ino != old.st_ino:
                    return False
                owner = _decode(handle.read())
                if owner == self._me:
                    return True
                age = time.time() - old.st_mtime
                if owner is None:
                    free = age > _TORN_SECONDS
                else:
                    free = owner.gone or (force and not owner.here and age > STALE_SECONDS)
                if free:
                    self._write(self._me)
                return free
        except (FileNotFoundError, BlockingIOError):
            return False  # somebody else is at it
        except OSError as error:
            raise WorkFailed(f"{self.path}: cannot be locked ({error.strerror})") from None

    def _write(self, owner: Owner) -> None:
        with replacing(self.path) as handle:
            handle.write(msgspec.json.encode(owner))

    def give(self, pid: int) -> None:
        """Hand the lock over to a process of this host, which `take`s it; this one holds it no longer."""
        self._write(Owner.of(pid))

    def beat(self) -> None:
        """Show that this trainer lives, and notice where the lock is not its own any more."""
        folder = self.path.parent
        try:
            owner = read_owner(self.path)
            if owner == self._me:
                os.utime(self.path)
            elif owner is not None:
                self.lost = f"{folder}: {owner} has taken over this training"
            elif not self.path.exists():
                gone = "its LOCK" if folder.is_dir() else "its folder"
                self.lost = f"{folder}: {gone} was deleted while it was trained"
        except OSError:
            pass  # a file system that fails for a while; the next beat tells more

    def keep_beating(self) -> None:
        """Beat in a thread of its own until the lock is released or lost."""

        def beating() -> None:
            while not self._ended.wait(BEAT_SECONDS) and self.lost is None:
                self.beat()

        self._beating = threading.Thread(target=beating, name="heartbeat", daemon=True)
        self._beating.start()

    def release(self) -> None:
        """Let others have it; a lock that is not held any more stays as it is."""
        self._ended.set()
        if self._beating is not None:
            self._beating.join()
        if read_owner(self.path) == self._me:
            self.path.unlink(missing_ok=True)

    def __enter__(self) -> Lock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def read_owner(path: Path) -> Owner | None:
    """Who holds a lock; None where there is none, or none that says so (yet)."""
    try:
        return _decode(path.read_bytes())
    except OSError:
        return None


def _decode(content: bytes) -> Owner | None:
    try:
        return msgspec.json.decode(content, type=Owner)
    except msgspec.DecodeError:
        return None


def _held(run: Lockable, owner: Owner, age: float | None) -> str:
    if owner.here or age is None or age <= STALE_SECONDS:
        return f"{run.id}: is trained by {owner}; `spivae stop {run.id}` ends that"
    return (
        f"{run.id}: is trained by {owner}, which has shown no sign of life for {age / 60:.0f} min; "
        "look there, and if it is gone add --force"
    )
