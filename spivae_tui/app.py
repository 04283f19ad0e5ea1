"""The application: themes, screens, and the few things that work everywhere."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from textual.app import App
from textual.screen import Screen

from spivae_tui import themes
from spivae_tui.actions import bindings
from spivae_tui.commands import Commands
from spivae_tui.screens.browse import BrowseScreen
from spivae_tui.services import Services, WorkerLike

if TYPE_CHECKING:
    from spivae.figure.terminal import Look

STYLES = Path(__file__).parent / "styles"


class SpivaeApp(App[int]):
    """spivae in the terminal. `services` stands for the library; tests give fakes."""

    TITLE = "spivae"
    CSS_PATH: ClassVar[list[str | Path]] = [STYLES / "app.tcss", STYLES / "browse.tcss"]
    BINDINGS = bindings("app")
    COMMANDS = {Commands}  # noqa: RUF012
    NOTIFICATION_TIMEOUT = 4

    def __init__(
        self,
        folders: Sequence[Path] = (),
        *,
        theme: str = "spivae-dark",
        look: Look | None = None,
        services: Services | None = None,
    ) -> None:
        self.folders = tuple(folders)
        self.services = services or Services()
        self._look = look
        self._worker: WorkerLike | None = None
        native = themes.THEMES[theme].ansi if theme in themes.THEMES else False
        super().__init__(ansi_color=True if native else None)
        for own in themes.THEMES.values():
            self.register_theme(own)
        self.theme = theme
        self.ansi_color = None
        # Textual's other themes do not define the tokens that the style sheets use
        for name in [name for name in self.available_themes if name not in themes.THEMES]:
            self.unregister_theme(name)

    def get_default_screen(self) -> Screen[Any]:
        return BrowseScreen()

    @property
    def ascii_only(self) -> bool:
        """Whether the terminal's encoding has nothing but ASCII for us."""
        import sys

        encoding = (sys.__stdout__.encoding or "") if sys.__stdout__ is not None else "utf-8"
        return "utf" not in encoding.lower()

    # How plots look

    @property
    def look(self) -> Look:
        """Glyphs and colours for plots, following the theme. The first call imports numpy."""
        if self._look is None:
            import os
            import sys

            from spivae.figure.terminal import Look

            encoding = sys.__stdout__.encoding if sys.__stdout__ is not None else "utf-8"
            self._look = Look.detect(os.environ, encoding)
        return self._look

    def set_glyphs(self, glyphs: str) -> None:
        """Draw plots with braille, block or ascii glyphs from now on."""
        self._change_look(glyphs=glyphs)
        self.notify(f"Plots are drawn in {glyphs}.", timeout=2)

    def action_next_glyphs(self) -> None:
        order = ("braille", "block", "ascii")
        self.set_glyphs(order[(order.index(self.look.glyphs) + 1) % len(order)])

    def _change_look(self, **changes: Any) -> None:
        from dataclasses import replace

        self._look = replace(self.look, **changes)
        for screen in self.screen_stack:
            for widget in screen.query("PlotView"):
                widget.refresh()

    # Life

    def on_mount(self) -> None:
        loop = asyncio.get_running_loop()
        for hangup in (signal.SIGHUP, signal.SIGTERM):
            try:
                loop.add_signal_handler(hangup, self.exit)
            except (RuntimeError, ValueError):  # not the main thread, as in some tests
                return

    @property
    def worker(self) -> WorkerLike:
        """The process that computes; made on first use, closed with the app."""
        if self._worker is None:
            self._worker = self.services.worker()
        return self._worker

    async def on_unmount(self) -> None:
        if self._worker is not None:
            await asyncio.to_thread(self._worker.close)

    # Going places

    def open_checkpoint(self, path: str) -> None:
        """Show a checkpoint."""
        from spivae_tui.screens.checkpoint import CheckpointScreen

        self.push_screen(CheckpointScreen(path))

    def open_train(self) -> None:
        """Show the form for a new training."""
        from spivae_tui.screens.train import TrainScreen

        self.push_screen(TrainScreen(self.recipe_paths()))

    def open_run(self, path: str) -> None:
        """Follow a run."""
        from spivae_tui.screens.live import LiveRunScreen

        self.push_screen(LiveRunScreen(path))

    def recipe_paths(self) -> list[Path]:
        """Recipes to start from: the .toml files next to the listed checkpoints."""
        found = {path for folder in self.folders if folder.is_dir() for path in folder.glob("*.toml")}
        return sorted(found)

    def action_help(self) -> None:
        from spivae_tui.screens.help import HelpScreen

        if not isinstance(self.screen, HelpScreen):
            self.push_screen(HelpScreen(getattr(self.screen, "SCOPE", "")))

    def action_next_theme(self) -> None:
        names = list(themes.THEMES)
        self.theme = names[(names.index(self.theme) + 1) % len(names)]

    def action_leave(self) -> None:
        self.exit()
