"""Noticing that the folders of Browse have changed, for the price of a few stats."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

MOST_FOLDERS = 2000  # a deeper tree is looked at down to here; F5 finds the rest
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
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    elif entry.name in ALWAYS_WRITTEN:
                        yield entry.path, entry.stat().st_mtime_ns
            yield folder, os.stat(folder).st_mtime_ns
        except OSError as error:
            yield folder, -(error.errno or 1)  # missing or unreadable is a state like any other
