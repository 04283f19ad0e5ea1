"""One line to type a filter into; it filters with every key."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Input, Static

from spivae_tui.actions import bindings


class FilterInput(Input):
    """The input itself: the arrows move the list, enter and escape leave."""

    BINDINGS = bindings("filter")

    def check_consume_key(self, key: str, character: str | None) -> bool:
        # Textual knows no character for this key name, and would open the filter again instead of typing it
        return key == "slash" or super().check_consume_key(key, character)

    def action_move(self, by: int) -> None:
        self.post_message(FilterBar.Moved(by))


class FilterBar(Horizontal):
    """Hidden until it is opened. Enter leaves it with the filter kept; the screen's escape clears it."""

    class Changed(Message):
        """The filter is another one."""

        def __init__(self, value: str) -> None:
            super().__init__()
            self.value = value

    class Left(Message):
        """Enter: on to the list."""

    class Moved(Message):
        """The list's cursor is to move, without leaving the input."""

        def __init__(self, by: int) -> None:
            super().__init__()
            self.by = by

    def compose(self) -> ComposeResult:
        yield Static("/", id="filter-mark")
        field = FilterInput(
            compact=True, placeholder="name, process, kind, state or #tag", select_on_focus=False
        )
        field.cursor_blink = False
        yield field

    @property
    def is_open(self) -> bool:
        return self.has_class("-open")

    @property
    def field(self) -> FilterInput:
        return self.query_one(FilterInput)

    def open(self, value: str) -> None:
        """Show the line with this filter in it, and type on."""
        self.add_class("-open")
        with self.prevent(Input.Changed):
            self.field.value = value
        self.field.cursor_position = len(value)
        self.screen.set_focus(self.field)  # now, not soon: the next key may be there already

    def close(self) -> None:
        """Empty and hide the line."""
        self.remove_class("-open")
        with self.prevent(Input.Changed):
            self.field.value = ""

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self.post_message(self.Changed(event.value))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        if not event.value:
            self.close()
        self.post_message(self.Left())
