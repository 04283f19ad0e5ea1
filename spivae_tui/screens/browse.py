"""Browse: the checkpoints and runs of the folders that spivae was opened on."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from textual import on, work
from textual.containers import Horizontal, Vertical
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Input, Static
from textual.worker import Worker, WorkerState

from spivae import wording
from spivae.errors import SpivaeError
from spivae_tui import watching
from spivae_tui.actions import bindings
from spivae_tui.listing import Listing, is_broken
from spivae_tui.messages import EntriesFound, ScanEnded
from spivae_tui.screens.run_control import Chosen, RunControlScreen
from spivae_tui.widgets.entry_list import EntryList
from spivae_tui.widgets.entry_preview import EntryPreview
from spivae_tui.widgets.filter_bar import FilterBar
from spivae_tui.widgets.row_list import RowList

if TYPE_CHECKING:
    from spivae.catalog import Entry
    from spivae.checkpoint import Checkpoint

BATCH_SECONDS = 0.15  # how often a scan hands over what it has found, at first
BATCH_SHARE = 0.2  # of what it has taken so far; the longer the list, the longer it takes to arrange
POLL_SECONDS = 3.0
AGE_SECONDS = 60.0
SETTLE_SECONDS = 0.12  # the preview follows the cursor once it rests this long


class BrowseScreen(RunControlScreen):
    """A list that fills while the folders are looked through, and follows them from then on."""

    SCOPE = "browse"
    BINDINGS = bindings("browse")
    AUTO_FOCUS = "#entries"

    def __init__(self) -> None:
        super().__init__()
        self.listing = Listing()
        self._scan = 0
        self._scanning = False
        self._scanned_once = False
        self._seen: set[str] = set()
        self._scan_started = 0.0
        self._scan_cost = 0.0
        self._signature: int | None = None
        self._settle: Timer | None = None
        self._headers: dict[tuple[str, float], Checkpoint] = {}

    def compose_body(self) -> Iterable[Widget]:
        yield FilterBar(id="filter")
        with Horizontal(id="browse-body"):
            with Vertical(id="browse-list"):
                yield EntryList(self.spivae.services.now, id="entries")
                yield Static(id="empty")
            yield EntryPreview(compact=False, id="preview")
        yield EntryPreview(compact=True, id="detail")
        yield from self.compose_line()

    @property
    def entries(self) -> EntryList:
        return self.query_one("#entries", EntryList)

    @property
    def busy(self) -> bool:
        """Whether the folders are being looked through."""
        return self._scanning or not self._scanned_once

    @property
    def selected(self) -> Entry | None:
        """The entry under the cursor."""
        entry: Entry | None = self.entries.row
        return entry

    def on_mount(self) -> None:
        self.title_bar.show(remark="looking…")
        self._mark_sorted()
        # the first frame comes before the first import of the library
        self.call_after_refresh(self.rescan)
        self.set_interval(POLL_SECONDS, self._poll)
        self.set_interval(AGE_SECONDS, self.entries.redraw)

    def on_screen_resume(self) -> None:
        if self._scanned_once:
            self._poll()

    # Scanning

    def rescan(self) -> None:
        """Look through the folders again, in a thread."""
        self._scan += 1
        self._scanning, self._seen, self._scan_started = True, set(), time.monotonic()
        self._look_through(self._scan)

    @work(thread=True, exclusive=True, group="scan", exit_on_error=False)
    def _look_through(self, scan: int) -> None:
        self._signature = watching.signature(self.spivae.folders)
        batch: list[Entry] = []
        handed_over = time.monotonic()
        try:
            for entry in self.spivae.services.scan(self.spivae.folders):
                batch.append(entry)
                now = time.monotonic()
                if now - handed_over > max(BATCH_SECONDS, BATCH_SHARE * (now - self._scan_started)):
                    self.post_message(EntriesFound(scan, batch))
                    batch, handed_over = [], now
                if scan != self._scan:
                    return
        except (SpivaeError, OSError) as error:
            self.post_message(ScanEnded(scan, str(error)))
            return
        self.post_message(EntriesFound(scan, batch))
        self.post_message(ScanEnded(scan))

    def on_entries_found(self, message: EntriesFound) -> None:
        if message.scan == self._scan:
            self._seen.update(entry.path for entry in message.entries)
            if self.listing.update(message.entries):
                self._show_listing(keep_top=not self._scanned_once)

    def on_scan_ended(self, message: ScanEnded) -> None:
        if message.scan != self._scan:
            return
        self._scanning = False
        self._scan_cost = time.monotonic() - self._scan_started
        first, self._scanned_once = not self._scanned_once, True
        if message.error:
            self.notify(message.error, severity="error", title="The folders cannot be read", markup=False)
        elif self.listing.keep_only(self._seen) or first:
            self._show_listing()
        self.entries.redraw()
        self._show_remark()

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        if event.state is WorkerState.ERROR:
            error = event.worker.error
            if event.worker.group == "scan":
                self._scanning, self._scanned_once = False, True
                self._show_listing()
            self.notify(
                f"{type(error).__name__}: {error}",
                severity="error",
                title="Something went wrong",
                markup=False,
            )

    def _poll(self) -> None:
        # a scan that took long is not repeated at once
        rested = time.monotonic() - self._scan_started > 10 * self._scan_cost
        if not self._scanning and self.is_active:
            self._look_for_changes(rested, list(self.listing.entries.values()))

    @work(thread=True, exclusive=True, group="poll", exit_on_error=False, description="look for changes")
    def _look_for_changes(self, in_files: bool, listed: list[Entry]) -> None:
        if in_files and watching.signature(self.spivae.folders) != self._signature:
            self.from_thread(self.rescan)
        elif moved := self.spivae.services.moved_on(listed):
            self.from_thread(self._moved_on, moved)

    def _moved_on(self, entries: list[Entry]) -> None:
        """Show runs that stand otherwise now, though no file has changed; a scan at work finds that too."""
        if not self._scanning and self.listing.update(entries):
            self._show_listing()

    # Showing

    def _show_listing(self, keep_top: bool = False) -> None:
        """Show the listing anew.

        The cursor stays on its entry, or at the top while the list first fills; or goes to what was started.
        """
        before = self.selected
        at = self._at_started()
        if at is not None:
            self.spivae.started = None
        elif before is not None and not (keep_top and self.entries.cursor == 0):
            at = self.listing.position(before.path)
        self._mark_sorted()
        self.entries.show(self.listing.visible, at if at is not None else min(self.entries.cursor, 10**9))
        nothing = not self.listing.visible
        self.set_class(nothing and self._scanned_once, "-empty")
        if nothing and self._scanned_once:
            self.query_one("#empty", Static).update(self._empty_words())
        self._show_remark()
        self._show_preview()
        self.refresh_bindings()

    def _at_started(self) -> int | None:
        """Where the run that was just started stands in the list, or None."""
        run = self.spivae.started
        if run is None:
            return None
        alike = [entry.path for entry in self.listing.visible if os.path.basename(entry.path) == run.name]
        found = next((path for path in alike if Path(path).resolve() == run.resolve()), None)
        return self.listing.position(found)

    def _mark_sorted(self) -> None:
        self.entries.mark_sorted(self.listing.sorted_by, self.listing.descending)

    def _show_remark(self) -> None:
        checkpoints, runs, broken = self.listing.counts()
        parts = [wording.plural(checkpoints, "checkpoint"), wording.plural(runs, "run")]
        if broken:
            parts.append(f"{broken:,} broken")
        if marked := self._marked():
            parts.append(f"{len(marked)} marked")
        if self.listing.filter:
            parts.insert(0, f"{len(self.listing.visible):,} match “{self.listing.filter}” of")
        if not self._scanned_once:
            parts.append("looking…")
        self.title_bar.show(remark=" · ".join(parts).replace("of · ", "of "))

    def _empty_words(self) -> str:
        if self.listing.filter:
            return f"Nothing matches [b]{self.listing.filter}[/b].\n\n[$accent]esc[/]  show everything"
        looked = "\n".join(f"    {folder}" for folder in self.spivae.folders) or "    (no folder was given)"
        return (
            "[b]No checkpoints or runs yet[/b]\n\n"
            f"[$muted]Looked in[/]\n{looked}\n\n"
            "[$accent]t[/]   train a first model from a recipe\n"
            "[$accent]F5[/]  look again\n\n"
            "[$muted]Or open other folders:[/]  spivae DIR ..."
        )

    # The preview

    @on(RowList.Highlighted, "#entries")
    def _follow_cursor(self) -> None:
        self.refresh_bindings()
        self._show_preview()

    def _show_preview(self) -> None:
        if self._settle is not None:
            self._settle.stop()
        self._settle = self.set_timer(SETTLE_SECONDS, self._settled)

    def _settled(self) -> None:
        entry = self.selected
        header = self._headers.get((entry.path, entry.modified)) if entry is not None else None
        for preview in self.query(EntryPreview):
            preview.show(entry, header)
        if entry is not None and header is None and entry.kind == "checkpoint" and not entry.error:
            self._read_header(entry)

    @work(thread=True, exclusive=True, group="preview", exit_on_error=False)
    def _read_header(self, entry: Entry) -> None:
        try:
            header = self.spivae.services.read_header(entry.path)
        except (SpivaeError, OSError):
            return  # the list's next scan says what is wrong with it
        self.from_thread(self._header_read, entry, header)

    def _header_read(self, entry: Entry, header: Checkpoint) -> None:
        if len(self._headers) > 200:
            self._headers.clear()
        self._headers[entry.path, entry.modified] = header
        if self.selected is not None and self.selected.path == entry.path:
            for preview in self.query(EntryPreview):
                preview.show(entry, header)

    # Actions

    @on(RowList.Selected, "#entries")
    def action_open(self) -> None:
        entry = self.selected
        if entry is None:
            return
        if is_broken(entry):
            self.notify(str(entry.error), severity="error", title=entry.name, markup=False)
        elif entry.kind == "run":
            self.spivae.open_run(entry.path)
        else:
            self.spivae.open_checkpoint(entry.path)

    def action_filter(self) -> None:
        self.query_one(FilterBar).open(self.listing.filter)

    @on(FilterBar.Changed)
    def _filter_changed(self, event: FilterBar.Changed) -> None:
        self.listing.set_filter(event.value)
        self._show_listing()

    @on(FilterBar.Left)
    def _filter_left(self) -> None:
        self.entries.focus()

    @on(FilterBar.Moved)
    def _filter_moved(self, event: FilterBar.Moved) -> None:
        self.entries.cursor += event.by

    def action_clear(self) -> None:
        if self._is_filtered():
            self.query_one(FilterBar).close()
            self.listing.set_filter("")
            self._show_listing()
        else:
            self._mark(set())
        self.entries.focus()

    def _is_filtered(self) -> bool:
        return bool(self.listing.filter) or self.query_one(FilterBar).is_open

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        may = self.may_control(action)
        if may is not None:
            return self.is_mounted and may
        if action in {"open", "clear"} and self._asked:
            return False
        if action == "clear":
            return self.is_mounted and (self._is_filtered() or bool(self._marked()))
        if action == "mark":
            return self._is_at_run()
        if action == "compare":
            return self._is_at_run() or bool(self._marked())
        if action == "filter" and isinstance(self.focused, Input):
            return False  # a text may hold a slash
        if action in {"open", "copy_path", "sort", "reverse", "filter"}:
            return bool(self.listing.visible or self.listing.filter)
        return True

    def _is_at_run(self) -> bool:
        return self.is_mounted and self.selected is not None and self.selected.kind == "run"

    def _marked(self) -> list[str]:
        """The marked runs that are still there, also those that a filter hides."""
        return sorted(path for path in self.entries.marked if path in self.listing.entries)

    def _mark(self, paths: set[str]) -> None:
        self.entries.marked = paths
        self.entries.redraw()
        self._show_remark()
        self.refresh_bindings()

    def action_mark(self) -> None:
        if self.selected is not None:
            rows, at = self.entries.rows, self.entries.cursor
            self._mark(self.entries.marked ^ {self.selected.path})
            # checkpoints of a run stand between it and the next
            self.entries.cursor = next((n for n in range(at + 1, len(rows)) if rows[n].kind == "run"), at)

    def action_compare(self) -> None:
        paths = self._compared()
        if len(paths) > 1:
            self.spivae.open_comparison(paths)
        elif self._marked():
            self.notify("One run is marked: mark another one with space.", severity="warning")
        else:
            self.notify("No other run is in its folder: mark runs with space.", severity="warning")

    def _compared(self) -> list[str]:
        """The marked runs, or else those beside the selected one, as in a sweep."""
        if marked := self._marked():
            return marked
        runs = [entry.path for entry in self.listing.entries.values() if entry.kind == "run"]
        folder = os.path.dirname(self.selected.path) if self.selected is not None else ""
        return sorted(path for path in runs if os.path.dirname(path) == folder)

    def chosen_runs(self) -> list[Chosen]:
        """The marked runs, or else the selected one."""
        if not self.is_mounted:
            return []
        marked = [self.listing.entries[path] for path in self._marked()]
        entries = marked or ([self.selected] if self.selected is not None else [])
        return [
            Chosen(entry.path, entry.name, entry.state, bool(entry.metrics.get("diverged")))
            for entry in entries
            if entry.kind == "run"
        ]

    def runs_changed(self) -> None:
        self.action_rescan()

    def action_sort(self) -> None:
        self.listing.next_column(placed.column.key for placed in self.entries.placed)
        self._show_listing()

    @on(RowList.HeadingClicked, "#entries")
    def _heading_clicked(self, event: RowList.HeadingClicked) -> None:
        if event.key != "mark":
            self.listing.sort_by(event.key)
            self._show_listing()

    def action_reverse(self) -> None:
        self.listing.reverse()
        self._show_listing()

    def action_rescan(self) -> None:
        if not self._scanning:
            self.rescan()

    def action_copy_path(self) -> None:
        if self.selected is not None:
            self.copy(self.selected.path)

    def action_train(self) -> None:
        self.spivae.open_train()

    def action_plugins(self) -> None:
        self.spivae.open_plugins()

    def action_quit(self) -> None:
        self.app.exit()
