"""The trainings of this user on this machine, and how many threads each of them takes.

Each notes that in a file of its own, named by its pid. Of several that choose at once, one does so at a time,
and the next one sees what it took.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from spivae.cores import own_cores
from spivae.liveness import is_alive, process_start, this_host

_CHOOSING_SECONDS = 60.0  # how long another training, which may be suspended, is waited for


class _Place(msgspec.Struct, frozen=True):
    threads: int
    pid_started: int | None = None


def _folder() -> Path:
    import platformdirs

    return platformdirs.user_cache_path("spivae") / "trainings" / this_host()


def take(pid: int, threads: int) -> None:
    """Note that a training, by the process with this pid, takes so many threads in all.

    Where nothing can be written, others only see how busy it keeps the cores.
    """
    path = _folder() / f"{pid}.json"
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        # not synced, as all is that must outlive the machine; renamed, so that it is read whole
        part = path.with_suffix(f".{os.getpid()}")
        part.write_bytes(msgspec.json.encode(_Place(threads, process_start(pid))))
        part.replace(path)


def leave(pid: int) -> None:
    """Note that the training is over."""
    with contextlib.suppress(OSError):
        (_folder() / f"{pid}.json").unlink()


def taken(own: int = 0) -> int:
    """Threads of the trainings on cores that this process may use, but for the one with this pid."""
    count, cores = 0, own_cores()
    for path in _folder().glob("*.json"):
        try:
            pid, place = int(path.stem), msgspec.json.decode(path.read_bytes(), type=_Place)
            if not is_alive(pid, place.pid_started):
                path.unlink()
            elif pid != own and cores & own_cores(pid):
                count += place.threads
        except (OSError, ValueError, msgspec.DecodeError):
            continue  # it has just ended, or is no place
    return count


@contextlib.contextmanager
def choosing() -> Iterator[None]:
    """For whoever looks at what is free and takes of it: one training of this user's at a time."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):  # a file system without locks, or that nobody may write to
            folder = _folder()
            folder.mkdir(parents=True, exist_ok=True)
            _wait_for(stack.enter_context(open(folder / "LOCK", "wb")).fileno())
        yield


def _wait_for(descriptor: int) -> None:
    """Lock a file, or find that it stays locked; the lock is gone when the file is closed."""
    import fcntl

    end = time.monotonic() + _CHOOSING_SECONDS
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                return None
            time.sleep(0.05)
