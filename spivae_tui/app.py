"""The application: themes, screens, and the few things that work everywhere."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import signal
import sys
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, ClassVar

from textual import work
from textual.app import App
from textual.binding import Binding
from textual.filter import LineFilter
from textual.screen import Screen

from spivae import wording
from spivae.errors import SpivaeError
from spivae_tui import themes
from spivae_tui.actions import bindings, readable
from spivae_tui.messages import ExportSaid
from spivae_tui.screens.browse import BrowseScreen
from spivae_tui.services import Services, WorkerLike

if TYPE_CHECKING:
    from textual.command import Provider

    from spivae.figure.look import Glyphs, Look
    from spivae.plugins import Plugins


def _commands() -> type[Provider]:
    """The palette's commands, imported when it is first opened."""
    from spivae_tui.commands import Commands

    return Commands


STYLES = Path(__file__).parent / "styles"
GLYPHS: tuple[Glyphs, ...] = ("braille", "block", "ascii")


class SpivaeApp(App[int]):
    """spivae in the terminal. `services` stands for the library; tests give fakes."""

    TITLE = "spivae"
    CSS_PATH: ClassVar[list[str | PurePath]] = [
        STYLES / "app.tcss",
        STYLES / "browse.tcss",
        STYLES / "fields.tcss",
    ]
    BINDINGS = bindings("app")
    COMMANDS = {_commands}  # noqa: RUF012
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
        self.look = look
        self._worker: WorkerLike | None = None
        self._told_of_plugins = False
        self.started: Path | None = None  # a run that the list has not shown yet
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

    @cached_property
    def ascii_only(self) -> bool:
        """Whether the terminal's encoding has nothing but ASCII for us. Textual writes to stderr."""
        encoding = (sys.__stderr__.encoding or "") if sys.__stderr__ is not None else "utf-8"
        return "utf" not in encoding.lower()

    def get_line_filters(self) -> Sequence[LineFilter]:
        filters = super().get_line_filters()
        if not self.ascii_only:
            return filters
        from spivae_tui.plain import AsciiFilter

        return [*filters, AsciiFilter()]

    def get_key_display(self, binding: Binding) -> str:
        return binding.key_display or readable(binding.key)

    # How plots look

    def set_glyphs(self, glyphs: Glyphs) -> None:
        """Draw plots with braille, block or ascii glyphs from now on."""
        from spivae.figure.look import Look

        if self.look is None:
            encoding = sys.__stdout__.encoding if sys.__stdout__ is not None else "utf-8"
            self.look = Look.detect(os.environ, encoding)
        self.look = dataclasses.replace(self.look, glyphs=glyphs)
        for screen in self.screen_stack:
            for plot in screen.query("PlotView"):
                plot.look = self.look  # type: ignore[attr-defined]
        self.notify(f"Plots are drawn in {glyphs}.", timeout=2)

    def action_next_glyphs(self) -> None:
        shown = self.look.glyphs if self.look is not None else "ascii" if self.ascii_only else "braille"
        self.set_glyphs(GLYPHS[(GLYPHS.index(shown) + 1) % len(GLYPHS)])

    # What is kept of analyses

    @work(thread=True, group="results", exit_on_error=False)
    def clear_results(self) -> None:
        """Remove what is kept on disk of all analyses, and say how much that was."""
        try:
            removed = self.services.clear_results()
        except (SpivaeError, OSError) as error:
            self.notify(str(error), severity="error", title="Results cannot be cleared", markup=False)
            return
        words = f"{wording.plural(removed.entries, 'result')} removed, {wording.size(removed.size)}."
        self.notify(words, title="Results cache", timeout=3)

    # Exports

    def export(self, asked: dict[str, Any], path: Path, shown: str) -> None:
        """Let the worker write an analysis to a file; a notification tells how it went, on any screen."""
        payload = {**asked, "path": str(path)}
        try:
            self.worker.submit("export", payload, lambda event: self._export_said(shown, event))
        except SpivaeError as error:
            self.notify(str(error), severity="error", title="Not exported", markup=False)
            return
        self.notify(shown, title="Writing", timeout=2, markup=False)

    def _export_said(self, shown: str, event: Any) -> None:
        # called from the worker's reader thread; posting is all that is allowed here
        self.post_message(ExportSaid(shown, event))

    def on_export_said(self, message: ExportSaid) -> None:
        event, kind = message.event, type(message.event).__name__
        if kind == "Done":
            self.notify(message.shown, title="Exported", timeout=6, markup=False)
        elif kind == "Failed":
            self.notify(event.message, severity="error", title="Not exported", timeout=10, markup=False)

    # Life

    def on_mount(self) -> None:
        loop = asyncio.get_running_loop()
        for hangup in (signal.SIGHUP, signal.SIGTERM):
            try:
                loop.add_signal_handler(hangup, self.exit)
            except (RuntimeError, ValueError):  # not the main thread, as in some tests
                return

    @cached_property
    def plugins(self) -> Plugins:
        """Processes and analyses. The first look imports numpy: take it in a thread."""
        return self.services.plugins()

    def tell_of_broken_plugins(self) -> None:
        """Name the plugins that could not be loaded, once."""
        broken = [info.name for info in self.plugins.infos if info.status == "error"]
        if broken and not self._told_of_plugins:
            self.notify(
                f"{', '.join(broken)}: p in the list of checkpoints tells more.",
                title="Broken plugins" if len(broken) > 1 else "A broken plugin",
                severity="warning",
                timeout=6,
                markup=False,
            )
        self._told_of_plugins = True

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

    def has_started(self, run: Path) -> None:
        """Have the list show a run that was started here, and its cursor stand on it."""
        self.started, folder = run, run.parent
        known = [path.resolve() for path in self.folders]
        if not any(folder.resolve().is_relative_to(path) for path in known):
            self.folders = (*self.folders, folder)

    def open_checkpoint(self, path: str) -> None:
        """Show a checkpoint."""
        from spivae_tui.screens.checkpoint import CheckpointScreen

        self.push_screen(CheckpointScreen(path))

    def open_train(self) -> None:
        """Show the form for a new training."""
        from spivae_tui.screens.train import TrainScreen

        self.push_screen(TrainScreen(self.recipe_paths()))

    def open_plugins(self) -> None:
        """Show the plugins."""
        from spivae_tui.screens.plugins import PluginsScreen

        self.push_screen(PluginsScreen())

    def open_run(self, path: str) -> None:
        """Follow a run."""
        from spivae_tui.screens.live import LiveRunScreen

        self.push_screen(LiveRunScreen(path))

    def open_comparison(self, paths: Sequence[str]) -> None:
        """Show runs side by side."""
        from spivae_tui.screens.compare import CompareScreen

        self.push_screen(CompareScreen(paths))

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
