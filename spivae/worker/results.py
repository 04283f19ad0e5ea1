"""Answers kept on disk under their keys: bounded, shared by many processes, never in the way of work.

The folder is `results` in the user's cache, or $SPIVAE_CACHE ("off" or empty: none). An entry is written
whole and replaced whole, and one that is damaged counts as none, so no lock is needed.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import re
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from spivae.errors import SpivaeError, WorkFailed
from spivae.files import replacing

if TYPE_CHECKING:
    from spivae.worker.answers import Answer

FOLDER, LIMIT = "SPIVAE_CACHE", "SPIVAE_CACHE_MB"  # of the environment
DEFAULT_MB = 256
SHARE = 10  # an entry takes at most this part of the limit
MAX_ENTRIES = 1000  # so that looking through the folder stays quick on a slow file system
ABANDONED = 3600  # seconds after which what a killed process was writing is removed
MAGIC = b"spivae results 1\n"
_HEAD = len(MAGIC) + hashlib.sha256().digest_size
# an answer, or what a command asked for: see spivae.cli.again
_ENTRY = re.compile(r"[0-9a-f]{64}\.(answer|command)")
_UNFINISHED = re.compile(r"\.[0-9a-f]{64}\.(answer|command)\..+\.part")

log = logging.getLogger(__name__)


class Usage(NamedTuple):
    """How many answers there are, and the bytes of all that is kept."""

    entries: int
    size: int


class _Entry(NamedTuple):
    used: float
    size: int
    path: str


class Results:
    """The answers in one folder, up to `limit` bytes; those used longest ago go first.

    Reading fails as if nothing were there. What cannot be written is told once, through `warn`.
    """

    def __init__(self, folder: Path, limit: int, warn: Callable[[str], None] = log.warning) -> None:
        self.folder = folder
        self.limit = limit
        self._warn: Callable[[str], None] | None = warn

    @property
    def largest(self) -> int:
        """Bytes that one entry may take."""
        return self.limit // SHARE

    def get(self, key: str) -> Answer | None:
        """The answer to a key, which now counts as used; None where there is none that can be read."""
        body = self.read(f"{key}.answer")
        if body is None:
            return None
        from spivae.worker.answers import Damaged, unpack  # and numpy with it

        try:
            return unpack(key, body)
        except Damaged as error:
            log.info("the answer %s is made again: it %s", key, error)
            return None

    def put(self, key: str, answer: Answer) -> None:
        """Keep an answer, unless it is large or cannot be written as bytes."""
        from spivae.worker.answers import Unfit, pack

        if sum(getattr(array, "nbytes", 0) for array in answer.result.arrays.values()) > self.largest:
            return
        try:
            self.write(f"{key}.answer", pack(key, answer))
        except Unfit as error:
            log.info("an answer is not kept: %s", error)

    def read(self, name: str) -> bytes | None:
        """What was written under a name, which now counts as used; None where it is not there, or damaged."""
        path = self.folder / name
        try:
            if not stat.S_ISREG(os.stat(path).st_mode):
                return None
            with open(path, "rb") as file:
                content = file.read(self.largest)
        except OSError:
            return None
        head, body = content[:_HEAD], content[_HEAD:]
        if head != _head(body):
            log.info("%s is damaged, and made again", path)
            return None
        with contextlib.suppress(OSError):  # of a folder that is only read
            os.utime(path)
        return body

    def write(self, name: str, body: bytes) -> None:
        """Keep bytes under a name, 64 hexadecimal digits and a known ending; not where they are many."""
        if not _ENTRY.fullmatch(name):
            raise ValueError(name)
        if _HEAD + len(body) > self.largest:
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with replacing(self.folder / name) as file:
                file.write(_head(body))
                file.write(body)
            self._evict()
        except (OSError, WorkFailed) as error:
            self._refused(error.__cause__ if isinstance(error, WorkFailed) else error)

    def usage(self) -> Usage:
        """How many answers there are, and the bytes of all that is kept."""
        return _usage(self._entries())

    def clear(self) -> Usage:
        """Remove all that is kept, and nothing else that is in the folder; what was removed.

        Raises WorkFailed where the system refuses.
        """
        removed = [entry for entry in self._entries() if self._remove(entry)]
        self._sweep()
        return _usage(removed)

    def _entries(self, name: re.Pattern[str] = _ENTRY) -> Iterator[_Entry]:
        """What bears such a name in the folder; whatever vanishes meanwhile is left out."""
        with contextlib.suppress(FileNotFoundError), os.scandir(self.folder) as found:
            for item in found:
                if name.fullmatch(item.name) and item.is_file(follow_symlinks=False):
                    with contextlib.suppress(FileNotFoundError):
                        status = item.stat(follow_symlinks=False)
                        yield _Entry(status.st_mtime, status.st_size, item.path)

    def _evict(self) -> None:
        """Remove what was used longest ago until the rest fits."""
        entries = sorted(self._entries())
        excess = sum(entry.size for entry in entries) - self.limit
        for position, entry in enumerate(entries):
            if excess <= 0 and len(entries) - position <= MAX_ENTRIES:
                break
            self._remove(entry)
            excess -= entry.size
        self._sweep()

    def _sweep(self) -> None:
        """Remove what was left half-written, but not what others are writing just now."""
        for entry in self._entries(_UNFINISHED):
            if entry.used < time.time() - ABANDONED:
                self._remove(entry)

    def _remove(self, entry: _Entry) -> bool:
        """Whether it was there to be removed."""
        try:
            os.unlink(entry.path)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise WorkFailed(f"{entry.path}: cannot be removed ({error.strerror or error})") from error
        return True

    def _refused(self, error: BaseException | None) -> None:
        if self._warn is not None:
            reason = getattr(error, "strerror", None) or str(error)
            self._warn(
                f"results cannot be kept in {self.folder} ({reason.lower()}); "
                f"set {FOLDER} to another folder, or to off"
            )
            self._warn = None


def _head(body: bytes) -> bytes:
    """What stands before the bytes of an entry: a word, and their checksum."""
    return MAGIC + hashlib.sha256(body).digest()


def _usage(entries: Iterable[_Entry]) -> Usage:
    found = list(entries)
    answers = sum(entry.path.endswith(".answer") for entry in found)
    return Usage(answers, sum(entry.size for entry in found))


def of_user(warn: Callable[[str], None] = log.warning) -> Results | None:
    """The results of whoever runs this, as the environment says; None where they are turned off.

    Raises SpivaeError where $SPIVAE_CACHE_MB is no size.
    """
    named = os.environ.get(FOLDER)
    limit = _limit()
    if limit == 0 or (named is not None and named.strip() in ("", "off")):
        return None
    if named is not None:
        return Results(Path(named).expanduser(), limit, warn)
    import platformdirs

    return Results(platformdirs.user_cache_path("spivae") / "results", limit, warn)


def _limit() -> int:
    """Bytes that all entries together may take."""
    given = os.environ.get(LIMIT, "")
    try:
        megabytes = float(given or DEFAULT_MB)
    except ValueError:
        megabytes = -1
    if not 0 <= megabytes < 1e9:
        raise SpivaeError(f"{LIMIT}: {given!r} is no size; give megabytes, such as {DEFAULT_MB}")
    return int(megabytes * 1e6)
