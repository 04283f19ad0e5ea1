"""What the control groups of this process leave to it: of its container, or its job; Linux's, 1 and 2."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

_OWN = Path("/proc/self/cgroup")
_MOUNTED = Path("/sys/fs/cgroup")


def cpu_limit() -> float | None:
    """Cores' worth of time that this process's groups may use; None where nothing limits them."""
    found = []
    for folder in _folders("cpu"):
        limit, period = [*_words(folder / "cpu.max"), "", ""][:2]
        if not limit:
            limit, period = _word(folder / "cpu.cfs_quota_us"), _word(folder / "cpu.cfs_period_us")
        if limit.isdecimal() and period.isdecimal() and int(period):  # not "max", nor -1
            found.append(int(limit) / int(period))
    return min(found, default=None)


def memory_left() -> int | None:
    """Bytes that this process's groups may still take; None where nothing limits them."""
    found = []
    for folder in _folders("memory"):
        for limit, used, given_up in (
            ("memory.max", "memory.current", "inactive_file"),
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        ):
            most, taken = _word(folder / limit), _word(folder / used)
            if most.isdecimal() and taken.isdecimal():
                # files that are given up where memory is wanted
                words = _words(folder / "memory.stat")
                told = dict(zip(words[::2], words[1::2], strict=False))
                found.append(max(0, int(most) - int(taken) + int(told.get(given_up, 0))))
    return min(found, default=None)


def _folders(controller: str) -> Iterator[Path]:
    """Where this process's group may have its files, and each group around it; a limit of any holds.

    A container sees its own group as the outermost one, but often under the name that it has outside.
    """
    try:
        lines = _OWN.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, names, path = line.split(":", 2)
        if names and controller not in names.split(","):
            continue
        outermost = _MOUNTED / controller if names else _MOUNTED
        group = outermost / path.strip("/")
        while True:
            yield group
            if group == outermost:
                break
            group = group.parent


def _words(path: Path) -> list[str]:
    try:
        return path.read_text().split()
    except OSError:
        return []


def _word(path: Path) -> str:
    return next(iter(_words(path)), "")
