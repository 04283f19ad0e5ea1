"""Help: the keys of the screen beneath, in words."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from spivae_tui.actions import SCOPES, Action, in_scope, readable
from spivae_tui.screens.base import STYLES

BESIDES = {"browse": ("filter", "tags"), "run": ("tags",), "compare": ("tags",)}  # fields of these screens
KEYS, TITLE = 14, 18  # cells of the first two columns


def _literal(text: str) -> str:
    """Text whose brackets are keys, not markup: Textual's own `escape` leaves a lone one as it is."""
    return text.replace("[", r"\[")


def _lines(action: Action, width: int) -> Iterator[str]:
    """An action's keys, title and help; the help is wrapped in its own column."""
    keys = action.display if action.each_key else ", ".join(map(readable, action.key_names))
    words = action.help + (f" ({action.when})" if action.when else "")
    wrapped = textwrap.wrap(words, max(20, width - KEYS - TITLE)) or [""]
    first, *more = wrapped
    yield f"[$accent]{_literal(keys.ljust(KEYS))}[/]{action.title.ljust(TITLE)}[$muted]{_literal(first)}[/]"
    for line in more:
        yield f"{' ' * (KEYS + TITLE)}[$muted]{_literal(line)}[/]"


class HelpScreen(ModalScreen[None]):
    """Keys of one scope, of lists, and of the whole app. Any of esc, ?, q and enter closes it."""

    SCOPE = ""
    BINDINGS = [("escape,question_mark,q,enter,f1", "dismiss", "Close")]  # noqa: RUF012
    CSS_PATH = str(STYLES / "help.tcss")

    def __init__(self, scope: str) -> None:
        super().__init__()
        self.scope = scope

    def _sections(self, width: int) -> Iterator[str]:
        for scope in dict.fromkeys((self.scope, *BESIDES.get(self.scope, ()), "list", "app")):
            actions = in_scope(scope)
            if actions:
                yield f"[b]{SCOPES[scope]}[/b]"
                for action in actions:
                    yield from _lines(action, width)
                yield ""

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="help"):
            yield Static(id="help-text")

    def on_mount(self) -> None:
        box = self.query_one("#help")
        box.border_title = "Keys"
        box.border_subtitle = "esc closes"
        box.focus()
        self._write()

    def on_resize(self) -> None:
        self.call_after_refresh(self._write)

    def _write(self) -> None:
        width = min(96, int(self.app.size.width * 0.96)) - 7
        self.query_one("#help-text", Static).update("\n".join(self._sections(width)).rstrip())
