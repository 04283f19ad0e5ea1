"""Noticing that the folders of Browse have changed, for the price of a few stats."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

MOST_FOLDERS = 2000  # of more, F5 finds what has changed; a run is one
ALWAYS_WRITTEN = ("run.json", "metrics.jsonl")  # files that change without their folder's time changing


def signature(folders: Iterable[Path]) -> int:
    """A number that changes when a file appears, vanishes or is replaced, or when a run goes on."""
    return hash(tuple(_times(folders)))


def _times(folders: Iterable[Path]) -> Iterator[tuple[str, int]]:
    waiting = [str(folder) for folder in folders]
    looked_at = 0
    while waiting and looked_at < MOST_FOLDERS:
        folder = waiting.pop()
        looked_at += 1
        inside, is_run = [], False
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.name.startswith("."):
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        inside.append(entry.path)
                    elif entry.name in ALWAYS_WRITTEN:
                        is_run |= entry.name == "run.json"
                        yield entry.path, entry.stat().st_mtime_ns
            yield folder, os.stat(folder).st_mtime_ns
        except OSError as error:
            yield folder, -(error.errno or 1)  # missing or unreadable is a state like any other
        if is_run:  # of what is in it, only its checkpoints are listed, and each takes the place of another
            yield from ((path, _modified(path)) for path in inside if os.path.basename(path) == "checkpoints")
        else:
            waiting += inside


def _modified(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns
    except OSError as error:
        return -(error.errno or 1)
