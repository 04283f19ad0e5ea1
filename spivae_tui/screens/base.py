"""What every screen shares: a title bar above, the keys below, the app with its type."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, cast

from textual.app import ComposeResult
from textual.screen import Screen
from textual.widget import Widget

from spivae_tui.widgets.key_bar import KeyBar
from spivae_tui.widgets.title_bar import TitleBar

if TYPE_CHECKING:
    from spivae_tui.app import SpivaeApp
    from spivae_tui.commands import Command

STYLES = Path(__file__).parent.parent / "styles"


class SpivaeScreen(Screen[None]):
    """A full screen. A subclass sets SCOPE and BINDINGS = bindings(SCOPE), and yields its body."""

    SCOPE = ""
    PLACE = ""
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (120, "-wide"), (160, "-very-wide")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-short"), (32, "-tall")]  # noqa: RUF012

    @property
    def spivae(self) -> SpivaeApp:
        """The app, with its own type."""
        return cast("SpivaeApp", self.app)

    @property
    def title_bar(self) -> TitleBar:
        return self.query_one(TitleBar)

    def compose(self) -> ComposeResult:
        yield TitleBar(self.PLACE)
        yield from self.compose_body()
        yield KeyBar()

    def compose_body(self) -> Iterable[Widget]:
        """The widgets between the title bar and the key bar."""
        return ()

    def more_commands(self) -> Iterable[Command]:
        """What the palette offers on this screen besides its actions."""
        return ()

    @property
    def is_here(self) -> bool:
        """Whether this screen was not left; its widgets go away one by one after that."""
        return self in self.app.screen_stack

    def from_thread(self, show: Callable[..., None], *arguments: object) -> None:
        """Call `show` in the app's loop, from a thread; not at all if this screen was left meanwhile."""
        self.app.call_from_thread(self._if_still_here, show, *arguments)

    def _if_still_here(self, show: Callable[..., None], *arguments: object) -> None:
        if self.is_here:
            show(*arguments)

    def copy(self, path: str) -> None:
        """Copy a path with OSC 52, which works over SSH too."""
        self.app.copy_to_clipboard(path)
        self.notify(path, title="Copied", timeout=3, markup=False)
