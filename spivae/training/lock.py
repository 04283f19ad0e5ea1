"""The lock of a run: at most one trainer writes into its directory, on whichever host it runs.

The file LOCK says who trains: host, pid, and when that process started. It is made with O_EXCL, which
network file systems honour too, and the trainer touches it again and again: its age is the heartbeat by
which other hosts tell a running trainer from a lost one. Locks of the system's own are not asked for:
on network file systems there may be none, or they may be each host's.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Protocol

import msgspec

from spivae.errors import SpivaeError, WorkFailed
from spivae.files import replacing
from spivae.liveness import STALE_SECONDS, heartbeat_age
from spivae.owner import Owner as Owner
from spivae.owner import decode_owner
from spivae.owner import read_owner as read_owner

BEAT_SECONDS = 10.0
_HANDOVER_SECONDS = 30.0  # how long a trainer waits for its launcher to give it the lock
_TORN_SECONDS = 10.0  # what is there for a moment was left, after so long, by someone who died in it


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


class _Found(NamedTuple):
    """A lock as it was seen; it is another one where anything differs."""

    content: bytes
    inode: int
    touched: int


class Lock:
    """A run's lock, held from `take` to `release`; also a context.

    `lost` says in words why it is no longer held, once the heartbeat has found that out.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lost: str | None = None
        self._me = Owner.of(os.getpid())
        self._first_looks: dict[tuple[Path, _Found], float] = {}
        self._ended = threading.Event()
        self._beating: threading.Thread | None = None

    @classmethod
    def take(cls, run: Lockable, *, force: bool = False) -> Lock:
        """Take the lock of a run for this process.

        A lock whose owner has ended on this host is free; one that a launcher took for this process is
        waited for. Of an owner that is not seen and shows no sign of life, it is free in a container of this
        host; on another one where Slurm says that its job is over, or with `force`. Raises Locked where
        somebody holds it, WorkFailed where it cannot be taken.
        """
        lock = cls(run.lock_path)
        end = time.monotonic() + _HANDOVER_SECONDS
        while not lock._make(lock.path):
            found = lock._look(lock.path)
            owner = None if found is None else decode_owner(found.content)
            if owner == lock._me:
                break
            if found is not None and lock._is_free(owner, force):
                if lock._replace(found):
                    break
            elif owner is not None:
                launched = owner.here and owner.pid == os.getppid()
                if not launched or time.monotonic() > end:
                    raise Locked(_held(run, owner, heartbeat_age(lock.path)))
            time.sleep(0.02)
        return lock

    def _make(self, path: Path) -> bool:
        """Make a file that names this process, unless it is there."""
        made = False
        try:
            with open(path, "xb") as handle:
                made = True
                handle.write(msgspec.json.encode(self._me))
        except FileExistsError:
            return False
        except OSError as error:
            if made:  # an empty one would have to be waited for
                with contextlib.suppress(OSError):
                    path.unlink()
            raise WorkFailed(f"{path}: cannot be written ({error.strerror})") from None
        return True

    def _look(self, path: Path) -> _Found | None:
        """A file as it is now; None where there is none."""
        try:
            with open(path, "rb") as handle:
                status = os.fstat(handle.fileno())
                return _Found(handle.read(), status.st_ino, status.st_mtime_ns)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise WorkFailed(f"{path}: cannot be read ({error.strerror})") from None

    def _is_free(self, owner: Owner | None, force: bool) -> bool:
        """Whether the lock is nobody's any more."""
        if owner is None:
            return self._is_left(self.path)
        if owner.here or owner.gone:
            return owner.gone
        age = heartbeat_age(self.path)
        # of another container the process is not seen, but there is no clock but this machine's
        return age is not None and age > STALE_SECONDS and (force or owner.beside or owner.is_over())

    def _is_left(self, path: Path) -> bool:
        """Whether a file that should be there for a moment has stayed, by no clock but this process's own."""
        now, found = time.monotonic(), self._look(path)
        return found is not None and now - self._first_looks.setdefault((path, found), now) > _TORN_SECONDS

    def _replace(self, old: _Found) -> bool:
        """Take over a lock that is free, unless it has changed; of several who try at once, one succeeds.

        Who has made the claim beside it is alone. A claim whose maker died is not removed, as another may
        have done so and made a new one: the next number decides.
        """
        for number in itertools.count():
            claim = self.path.with_name(f"{self.path.name}.{number}")
            if self._make(claim):
                break
            if not self._is_left(claim):
                return False
        mine = [claim]
        try:
            if self._look(self.path) != old:
                return False
            self._write(self._me)
            mine += [self.path.with_name(f"{self.path.name}.{left}") for left in range(number)]
            return True
        finally:
            for path in mine:
                with contextlib.suppress(OSError):  # then it is passed over, in time
                    path.unlink()

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
            # one that stays is free once this process has ended; what ends it is worth more words
            with contextlib.suppress(OSError):
                self.path.unlink(missing_ok=True)

    def __enter__(self) -> Lock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def _held(run: Lockable, owner: Owner, age: float | None) -> str:
    if owner.here or age is None or age <= STALE_SECONDS:
        if owner.job is not None and not owner.here and owner.is_over():
            return (
                f"{run.id}: Slurm no longer runs job {owner.job.id}, but {owner} has shown a sign of life "
                f"{age or 0:.0f} s ago; try again in {STALE_SECONDS / 60:.0f} min"
            )
        return f"{run.id}: is trained by {owner}; `spivae stop {run.id}` ends that"
    return (
        f"{run.id}: is trained by {owner}, which has shown no sign of life for {age / 60:.0f} min; "
        "look there, and if it is gone add --force"
    )
