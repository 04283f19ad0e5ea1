"""Help: the keys of the screen beneath, in words."""

from __future__ import annotations

from collections.abc import Iterable

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from spivae_tui.actions import SCOPES, Action, in_scope
from spivae_tui.screens.base import STYLES


def _line(action: Action) -> str:
    keys = action.display or ", ".join(action.key_names)
    return f"  [$accent]{keys:<7}[/] {action.title:<16} [$muted]{action.help}[/]"


class HelpScreen(ModalScreen[None]):
    """Keys of one scope, of lists, and of the whole app. Any of esc, ?, q and enter closes it."""

    SCOPE = ""
    BINDINGS = [("escape,question_mark,q,enter,f1", "dismiss", "Close")]  # noqa: RUF012
    CSS_PATH = str(STYLES / "help.tcss")

    def __init__(self, scope: str) -> None:
        super().__init__()
        self.scope = scope

    def _sections(self) -> Iterable[str]:
        for scope in dict.fromkeys((self.scope, "list", "app")):
            actions = in_scope(scope)
            if actions:
                yield f"[b]{SCOPES[scope]}[/b]"
                yield from map(_line, actions)
                yield ""

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="help"):
            yield Static("\n".join(self._sections()), id="help-text")

    def on_mount(self) -> None:
        box = self.query_one("#help")
        box.border_title = "Keys"
        box.border_subtitle = "esc closes"
        box.focus()
