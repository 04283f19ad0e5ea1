"""The command palette: every action that works on this screen, and the themes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, cast

from textual.command import DiscoveryHit, Hit, Hits, Provider

from spivae_tui import themes
from spivae_tui.actions import ACTIONS
from spivae_tui.screens.base import SpivaeScreen

if TYPE_CHECKING:
    from spivae_tui.app import SpivaeApp


class Command(NamedTuple):
    """A line of the palette."""

    title: str
    run: Callable[[], object]
    help: str


class Commands(Provider):
    """What the screen beneath the palette offers, then what works everywhere, then themes and glyphs."""

    def _commands(self) -> Iterator[Command]:
        from spivae_tui.app import GLYPHS

        app = cast("SpivaeApp", self.app)
        scope = getattr(self.screen, "SCOPE", "")
        for wanted, target in ((scope, self.screen), ("app", app)):
            for action in ACTIONS:
                if action.scope == wanted and action.palette:
                    yield Command(
                        f"{action.title}  ({action.shown})",
                        partial(app.run_action, action.name, default_namespace=target),
                        action.help,
                    )
            if wanted == scope and isinstance(self.screen, SpivaeScreen):
                yield from self.screen.more_commands()
        yield Command(
            "Clear the results cache", app.clear_results, "Compute each analysis again when it is next shown."
        )
        for name, title in themes.TITLES.items():
            yield Command(f"Theme: {title}", partial(setattr, app, "theme", name), f"Use the theme {name}.")
        for glyphs in GLYPHS:
            yield Command(
                f"Plots in {glyphs}", partial(app.set_glyphs, glyphs), f"Draw plots with {glyphs} glyphs."
            )

    async def discover(self) -> Hits:
        for command in self._commands():
            yield DiscoveryHit(command.title, command.run, help=command.help)

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for command in self._commands():
            score = matcher.match(command.title)
            if score > 0:
                yield Hit(score, matcher.highlight(command.title), command.run, help=command.help)
