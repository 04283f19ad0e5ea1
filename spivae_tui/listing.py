"""The entries of Browse without a screen: what is known, filtered and sorted."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spivae.catalog import Entry


def _metric(name: str) -> Callable[[Entry], Any]:
    return lambda entry: entry.metrics.get(name)


def _survivors(entry: Entry) -> int | None:
    alive = entry.metrics.get("surviving")
    return None if alive is None else len(alive)


def kind_label(entry: Entry) -> str:
    """`checkpoint`, or what the run is doing."""
    if is_broken(entry):
        return "broken"
    return entry.state or "run" if entry.kind == "run" else entry.kind


def is_broken(entry: Entry) -> bool:
    """Whether there is nothing to open; a failed run has an error too, but can be looked at."""
    return entry.error is not None and not entry.state


# column -> what it sorts by; None goes last in either order
SORT_KEYS: dict[str, Callable[[Entry], Any]] = {
    "age": lambda entry: entry.modified,
    "name": lambda entry: entry.name.lower(),
    "kind": kind_label,
    "process": lambda entry: entry.process or None,
    "beta": _metric("beta"),
    "nll": _metric("nll"),
    "kl": _metric("kl"),
    "surviving": _survivors,
    "size": lambda entry: entry.size,
}
# words go up from a, numbers and dates down from the largest and newest; NLL is best when low
DESCENDING_FIRST = {"age", "kl", "beta", "surviving", "size"}


class Listing:
    """Entries by path, and the `visible` ones in order."""

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}
        self.visible: list[Entry] = []
        self.filter = ""
        self.sorted_by = "age"
        self.descending = True

    def update(self, found: Iterable[Entry]) -> bool:
        """Add or replace entries; returns whether anything changed."""
        changed = False
        for entry in found:
            if self.entries.get(entry.path) != entry:
                self.entries[entry.path] = entry
                changed = True
        if changed:
            self._arrange()
        return changed

    def keep_only(self, paths: set[str]) -> bool:
        """Forget the entries that a whole scan has not found; returns whether there were any."""
        gone = [path for path in self.entries if path not in paths]
        for path in gone:
            del self.entries[path]
        if gone:
            self._arrange()
        return bool(gone)

    def set_filter(self, text: str) -> None:
        """Show only entries with this text in name, process, kind, state or #tags, whatever the case."""
        self.filter = text
        self._arrange()

    def sort_by(self, column: str) -> None:
        """Sort by a column; the one that is already sorted by is turned round."""
        if column == self.sorted_by:
            self.descending = not self.descending
        else:
            self.sorted_by, self.descending = column, column in DESCENDING_FIRST
        self._arrange()

    def reverse(self) -> None:
        """Turn the order round."""
        self.sort_by(self.sorted_by)

    def next_column(self, columns: Iterable[str]) -> None:
        """Sort by the next of the columns that can be seen."""
        names = [name for name in columns if name in SORT_KEYS]
        at = names.index(self.sorted_by) if self.sorted_by in names else -1
        self.sort_by(names[(at + 1) % len(names)])

    def position(self, path: str | None) -> int | None:
        """Where the entry of this path stands among the visible ones, or None."""
        for index, entry in enumerate(self.visible):
            if entry.path == path:
                return index
        return None

    def counts(self) -> tuple[int, int, int]:
        """How many checkpoints, runs and broken ones there are."""
        runs = sum(entry.kind == "run" for entry in self.entries.values())
        broken = sum(is_broken(entry) for entry in self.entries.values())
        return len(self.entries) - runs, runs, broken

    def _arrange(self) -> None:
        text = self.filter.lower()
        entries = [entry for entry in self.entries.values() if not text or _matches(entry, text)]
        key = SORT_KEYS[self.sorted_by]
        # the path settles ties, so that an entry keeps its place from scan to scan
        entries.sort(key=lambda entry: entry.path)
        with_value = [entry for entry in entries if key(entry) is not None]
        without = [entry for entry in entries if key(entry) is None]
        with_value.sort(key=key, reverse=self.descending)
        self.visible = with_value + without


def _matches(entry: Entry, text: str) -> bool:
    tags = [f"#{tag}" for tag in entry.tags]
    broken = "broken" if is_broken(entry) else ""
    words = (entry.name, entry.process or "", entry.kind, entry.state, broken, *tags)
    return any(text in word.lower() for word in words)
