"""Messages between threads, widgets and screens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from textual.message import Message

if TYPE_CHECKING:
    from spivae.catalog import Entry


class EntriesFound(Message):
    """A scan has found some more entries; `scan` numbers the scan, so that a late one is ignored."""

    def __init__(self, scan: int, entries: list[Entry]) -> None:
        super().__init__()
        self.scan = scan
        self.entries = entries


class ScanEnded(Message):
    """A scan has looked through all folders, or could not (`error`)."""

    def __init__(self, scan: int, error: str = "") -> None:
        super().__init__()
        self.scan = scan
        self.error = error


class ExportSaid(Message):
    """An event of the worker process about an export to `shown`, brought to the loop like WorkerSaid."""

    def __init__(self, shown: str, event: Any) -> None:
        super().__init__()
        self.shown = shown
        self.event = event


class WorkerSaid(Message):
    """An event of the worker process about one job, brought from its reader thread to the loop."""

    def __init__(self, job: int, event: Any) -> None:
        super().__init__()
        self.job = job
        self.event = event
