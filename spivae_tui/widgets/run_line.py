"""A line above the keys that asks about runs, or takes their tags; hidden while there is nothing to ask."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Input, Static

from spivae_tui.actions import bindings

# typed into the tags, though Textual knows no character for them
_TYPED = {"plus", "minus", "underscore"}


class TagInput(Input):
    """Tags, with spaces between them."""

    BINDINGS = bindings("tags")

    def check_consume_key(self, key: str, character: str | None) -> bool:
        return key in _TYPED or super().check_consume_key(key, character)

    def action_leave(self) -> None:
        self.post_message(RunLine.Left())


class RunLine(Horizontal):
    """Shows a question, or a field with the tags that runs have in common."""

    class Tagged(Message):
        """Enter: the words that stand in the field now."""

        def __init__(self, words: list[str]) -> None:
            super().__init__()
            self.words = words

    class Left(Message):
        """Escape: leave the tags as they are."""

    def compose(self) -> ComposeResult:
        yield Static(id="run-line-words", markup=False)
        field = TagInput(compact=True, placeholder="words with spaces between", select_on_focus=False)
        field.cursor_blink = False
        yield field

    @property
    def field(self) -> TagInput:
        return self.query_one(TagInput)

    def ask(self, words: str) -> None:
        """Show a question; the screen's keys answer it."""
        self.query_one("#run-line-words", Static).update(words)
        self.set_classes("-open -asking")

    def edit(self, title: str, tags: list[str]) -> None:
        """Let tags be typed."""
        self.query_one("#run-line-words", Static).update(title)
        self.set_classes("-open")
        self.field.value = "".join(f"{word} " for word in tags)
        self.field.cursor_position = len(self.field.value)
        self.field.focus()

    def close(self) -> None:
        """Hide the line."""
        self.set_classes("")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.post_message(self.Tagged(event.value.replace("#", " ").replace(",", " ").split()))
