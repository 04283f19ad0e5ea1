"""Checkpoint: what a model is, and a tab for each analysis of what it learned."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual import on, work
from textual.css.query import NoMatches
from textual.widget import Widget
from textual.widgets import ContentSwitcher

from spivae.errors import SpivaeError
from spivae_tui.actions import bindings
from spivae_tui.screens.base import STYLES, SpivaeScreen
from spivae_tui.widgets.arguments_pane import ArgumentsPane
from spivae_tui.widgets.export_bar import ExportBar
from spivae_tui.widgets.facts import Facts
from spivae_tui.widgets.notice import Notice
from spivae_tui.widgets.row_list import RowList
from spivae_tui.widgets.tab_strip import TabStrip
from spivae_tui.widgets.tensors_pane import TensorsPane

if TYPE_CHECKING:
    from spivae.analysis import Analysis
    from spivae.checkpoint import Checkpoint
    from spivae_tui.commands import Command
    from spivae_tui.widgets.analysis_pane import AnalysisPane

FIXED_TABS = ("Arguments", "Tensors")


class CheckpointScreen(SpivaeScreen):
    """A checkpoint. Header, plugins and numpy come in a thread; panes are made when first shown."""

    SCOPE = "checkpoint"
    BINDINGS = bindings("checkpoint")
    CSS_PATH = [str(STYLES / "notice.tcss"), str(STYLES / "checkpoint.tcss")]  # noqa: RUF012

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path
        self.checkpoint: Checkpoint | None = None
        self.analyses: list[Analysis] = []
        self.data: dict[str, Any] = {}
        self.tab = 0
        self._loaded = False
        self._asked = 0
        self._showing = asyncio.Lock()
        self._exported = Path("a.png")  # the last file that was exported to: the next goes beside it
        self._wish: int | None = None  # a tab that was asked for before the analyses were known

    def compose_body(self) -> Iterable[Widget]:
        yield Facts(id="facts")
        yield TabStrip(FIXED_TABS, id="tabs")
        with ContentSwitcher(id="panes"):
            yield Notice(id="notice")
        yield ExportBar(id="export")

    def on_mount(self) -> None:
        self.title_bar.show(place=self.path)
        self.query_one("#panes", ContentSwitcher).current = "notice"
        self.query_one("#notice", Notice).show("Reading the checkpoint")
        self._load()

    # Loading

    @work(thread=True, exclusive=True, group="load", exit_on_error=False)
    def _load(self) -> None:
        services, app = self.spivae.services, self.spivae
        try:
            checkpoint = services.read_header(self.path)
            self.from_thread(self._show_checkpoint, checkpoint)
            import spivae_tui.widgets.analysis_pane  # noqa: F401  (brings numpy in, off the loop)

            plugins = app.plugins
            worker = app.worker
        except (SpivaeError, OSError) as error:
            self.from_thread(self._show_error, str(error))
            return
        self.from_thread(self._show_analyses, list(plugins.analyses.values()))
        worker.submit("warm", {}, lambda event: None)

    def _show_error(self, message: str) -> None:
        if self.checkpoint is not None:
            self.notify(message, severity="error", title="Analyses cannot be loaded", markup=False)
            return
        self.query_one("#notice", Notice).show(
            "This checkpoint cannot be read",
            message,
            keys=(("r", "tries again"), ("esc", "goes back")),
            bad=True,
        )

    def _show_checkpoint(self, checkpoint: Checkpoint) -> None:
        self.checkpoint = checkpoint
        self.query_one(Facts).show(checkpoint)
        self.title_bar.show(remark=f"{checkpoint.format} checkpoint")
        wish = self._wish
        self.go_to(self.tab)
        self._wish = wish

    def _show_analyses(self, analyses: list[Analysis]) -> None:
        from spivae.analysis import DataOptions, declared_options

        self.spivae.tell_of_broken_plugins()
        self.analyses = analyses
        self.data = {option.name: option.default for option in declared_options(DataOptions)}
        titles = [analysis.title or analysis.name for analysis in analyses]
        self.query_one(TabStrip).show([*FIXED_TABS, *titles])
        self._loaded = True
        if self._wish is not None:
            self.go_to(self._wish)

    # Tabs

    @property
    def pane(self) -> Widget | None:
        """What is shown under the tabs."""
        try:
            return self.query_one(f"#{self._pane_id(self.tab)}")
        except NoMatches:
            return None

    @property
    def analysis_pane(self) -> AnalysisPane | None:
        """The analysis that is shown, or None on the other tabs."""
        from spivae_tui.widgets.analysis_pane import AnalysisPane

        pane = self.pane if self.tab >= len(FIXED_TABS) else None
        return pane if isinstance(pane, AnalysisPane) else None

    @staticmethod
    def _pane_id(tab: int) -> str:
        return f"pane-{tab}"

    def _make_pane(self, tab: int) -> Widget:
        assert self.checkpoint is not None
        if tab == 0:
            return ArgumentsPane(self.checkpoint, id=self._pane_id(tab))
        if tab == 1:
            return TensorsPane(self.checkpoint, id=self._pane_id(tab))
        from spivae_tui.widgets.analysis_pane import AnalysisPane

        analysis = self.analyses[tab - len(FIXED_TABS)]
        app = self.spivae
        return AnalysisPane(self.path, analysis, self.data, app.worker, app.look, id=self._pane_id(tab))

    def go_to(self, tab: int) -> None:
        """Show a tab; one of an analysis that is not known yet as soon as it is."""
        self._wish = None if self._loaded else tab
        if self.checkpoint is not None and 0 <= tab < len(FIXED_TABS) + len(self.analyses):
            self._asked = tab
            self._show_tab(tab)

    @work(group="tab")
    async def _show_tab(self, tab: int) -> None:
        async with self._showing:
            if tab != self._asked or not self.is_here:
                return  # another one was asked for meanwhile, or the screen was left
            self.tab = tab
            switcher = self.query_one("#panes", ContentSwitcher)
            if self.pane is None:
                await switcher.add_content(self._make_pane(tab))
            if not self.is_here:
                return  # left while the pane was being made
            switcher.current = self._pane_id(tab)
            self.query_one(TabStrip).show(active=tab)
            self.export_bar.close()
            self._focus_pane()
            self.refresh_bindings()

    def _focus_pane(self) -> None:
        if (pane := self.analysis_pane) is not None:
            self.set_focus(None)
            pane.come_up()
        elif isinstance(self.pane, RowList):
            self.pane.focus()
        elif self.pane is not None:
            self.pane.query(RowList).first().focus()

    @on(TabStrip.Clicked)
    def _tab_clicked(self, event: TabStrip.Clicked) -> None:
        self.go_to(event.index)

    def action_show_tab(self, key: str) -> None:
        self.go_to(int(key) - 1)

    def _turn_tab(self, by: int) -> None:
        count = len(FIXED_TABS) + len(self.analyses)
        self.go_to((self._asked + by) % count)

    def action_next_tab(self) -> None:
        self._turn_tab(1)

    def action_previous_tab(self) -> None:
        self._turn_tab(-1)

    # Analyses

    def on_analysis_pane_data_changed(self, event: AnalysisPane.DataChanged) -> None:
        event.stop()
        if event.name:
            self.data[event.name] = event.value
        pane = self.analysis_pane
        if pane is not None:
            pane.come_up()

    def on_analysis_pane_state_changed(self) -> None:
        self.refresh_bindings()

    def action_options(self) -> None:
        if (pane := self.analysis_pane) is not None:
            pane.toggle_options()

    def more_commands(self) -> Iterator[Command]:
        """A command for each tab."""
        from spivae_tui.commands import Command

        for tab, title in enumerate(self.query_one(TabStrip).titles):
            yield Command(f"Show {title}", partial(self.go_to, tab), "Go to this tab.")

    def action_next_page(self) -> None:
        if (pane := self.analysis_pane) is not None:
            pane.turn_page(1)

    def action_previous_page(self) -> None:
        if (pane := self.analysis_pane) is not None:
            pane.turn_page(-1)

    def action_compute(self) -> None:
        if self.checkpoint is None:
            self._load()
        elif (pane := self.analysis_pane) is not None:
            pane.compute(fresh=True)

    # Exporting

    @property
    def export_bar(self) -> ExportBar:
        return self.query_one(ExportBar)

    def action_export(self) -> None:
        if (pane := self.analysis_pane) is not None and pane.figure is not None:
            path = Path(self.path)
            run = f"{path.parent.parent.name}-" if path.parent.name == "checkpoints" else ""
            name = f"{run}{path.stem}-{pane.analysis.name}{self._exported.suffix}"
            self.export_bar.open(str(self._exported.with_name(name)), self.spivae.plugins.exporters)
            self.refresh_bindings()

    def action_close_export(self) -> None:
        self.export_bar.close()
        self._focus_pane()
        self.refresh_bindings()

    def on_export_bar_wanted(self, event: ExportBar.Wanted) -> None:
        event.stop()
        if (pane := self.analysis_pane) is not None:
            self._exported = Path(event.shown)
            self.spivae.export(pane.asked(), event.path, event.shown)
        self.action_close_export()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        pane = self.analysis_pane if self.is_mounted else None
        computing = pane is not None and pane.running
        in_options = pane is not None and pane.options_open and self.focused is not None
        exporting = self.is_mounted and self.export_bar.is_open
        match action:
            case "options":
                return pane is not None and pane.has_options
            case "next_page" | "previous_page":
                return pane is not None
            case "export":
                return pane is not None and (True if pane.figure is not None else None)
            case "close_export":
                return exporting
            case "cancel" | "close_options" | "back" if exporting:
                return False
            case "compute":
                return pane is not None or self.checkpoint is None
            case "cancel":
                return computing
            case "close_options":
                return in_options and not computing
            case "back":
                return not computing and not in_options
        return True

    # Leaving

    def action_copy_path(self) -> None:
        self.copy(self.path)

    def action_cancel(self) -> None:
        if (pane := self.analysis_pane) is not None:
            pane.cancel()

    def action_close_options(self) -> None:
        if (pane := self.analysis_pane) is not None:
            pane.toggle_options()
            self.refresh_bindings()

    def action_back(self) -> None:
        self.dismiss()
