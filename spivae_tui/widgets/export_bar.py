"""Two lines to name the file that an analysis is written to."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.widgets import Input, Static

from spivae.errors import SpivaeError

if TYPE_CHECKING:
    from spivae.exporter import Exporter


class ExportBar(Vertical):
    """Hidden until it is opened. Enter posts Wanted for a file that can be written, or says why it cannot."""

    class Wanted(Message):
        """A file was named; `shown` is the path as it was typed."""

        def __init__(self, path: Path, shown: str) -> None:
            super().__init__()
            self.path = path
            self.shown = shown

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._replacing = ""
        self._exporters: Mapping[str, Exporter] = {}

    def compose(self) -> ComposeResult:
        with Horizontal(classes="export-line"):
            yield Static("Export to", classes="export-label", markup=False)
            field = Input(compact=True, select_on_focus=False)
            field.cursor_blink = False
            yield field
        yield Static(classes="export-help", markup=False)

    @property
    def is_open(self) -> bool:
        return self.has_class("-open")

    @property
    def field(self) -> Input:
        return self.query_one(Input)

    def open(self, path: str, exporters: Mapping[str, Exporter]) -> None:
        """Show the lines with this path in them, the cursor in front of its suffix.

        `exporters` of plugins write what is not built in, by suffix.
        """
        from spivae.exporting import SUFFIXES

        self._exporters = exporters
        self.add_class("-open")
        self.field.value = path
        self.field.cursor_position = len(path) - len(Path(path).suffix)
        self.field.focus()
        self._say(f"⏎ writes {' '.join([*SUFFIXES, *exporters])} as the suffix says; esc writes nothing")

    def close(self) -> None:
        """Hide the lines."""
        self.remove_class("-open")

    def _say(self, words: str, *, bad: bool = False) -> None:
        line = self.query_one(".export-help", Static)
        line.set_class(bad, "-bad")
        line.update(words)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        from spivae.exporting import check

        event.stop()
        shown = event.value.strip()
        if not shown:
            return
        try:
            path = check(Path(shown).expanduser().absolute(), self._exporters)
        except SpivaeError as error:
            self._say(str(error), bad=True)
            return
        if path.exists() and self._replacing != str(path):
            self._replacing = str(path)
            self._say(f"{shown} is there already; ⏎ again replaces it", bad=True)
            return
        self._replacing = ""
        self.post_message(self.Wanted(path, shown))

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self._replacing = ""
