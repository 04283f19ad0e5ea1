"""Plugins: what was found, what it provides, and where a broken one is wrong."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from rich.text import Text
from textual import on, work
from textual.containers import Container, VerticalScroll
from textual.widget import Widget
from textual.widgets import Static

from spivae import wording
from spivae.errors import SpivaeError
from spivae_tui.actions import bindings
from spivae_tui.screens.base import STYLES, SpivaeScreen
from spivae_tui.widgets.row_list import Cell, Column, Role, RowList

if TYPE_CHECKING:
    from spivae.plugins import PluginInfo

COLUMNS = (
    Column("name", "name", 18, grows=True),
    Column("status", "status", 8),
    Column("version", "version", 8, drop=2),
    Column("source", "source", 12, drop=1, keep_end=True),
    Column("provides", "provides", 22),
)
ROLES: dict[str, Role] = {"ok": "good", "error": "bad", "disabled": "muted"}
STATUS_ORDER = ("error", "ok", "disabled")


class PluginsScreen(SpivaeScreen):
    """A list of all plugins, the broken ones first, and everything about the one under the cursor."""

    SCOPE = "plugins"
    PLACE = "Plugins"
    BINDINGS = bindings("plugins")
    CSS_PATH = str(STYLES / "plugins.tcss")
    AUTO_FOCUS = "#plugins"

    def compose_body(self) -> Iterable[Widget]:
        with Container(id="plugins-body"):
            yield RowList(COLUMNS, _cell, id="plugins")
            with VerticalScroll(id="plugin", can_focus=False):
                yield Static(id="plugin-text")

    @property
    def plugins(self) -> RowList:
        return self.query_one("#plugins", RowList)

    @property
    def selected(self) -> PluginInfo | None:
        """The plugin under the cursor."""
        info: PluginInfo | None = self.plugins.row
        return info

    def on_mount(self) -> None:
        self.title_bar.show(remark="loading…")
        self._load()

    @work(thread=True, exclusive=True, group="load", exit_on_error=False)
    def _load(self) -> None:
        try:
            infos = self.spivae.plugins.infos
        except (SpivaeError, OSError) as error:
            self.from_thread(self._show_error, str(error))
            return
        self.from_thread(self._show, infos)

    def _show_error(self, message: str) -> None:
        self.title_bar.show(remark="")
        self.query_one("#plugin-text", Static).update(Text(message))

    def _show(self, infos: list[PluginInfo]) -> None:
        counts = [(sum(info.status == status for info in infos), status) for status in STATUS_ORDER]
        words = [f"{count} {status}" for count, status in counts if count and status != "ok"]
        self.title_bar.show(remark=" · ".join([wording.plural(len(infos), "plugin"), *words]))
        self.plugins.show(sorted(infos, key=lambda info: STATUS_ORDER.index(info.status)), 0)
        self.refresh_bindings()

    @on(RowList.Highlighted, "#plugins")
    def _follow_cursor(self) -> None:
        info = self.selected
        self.query_one("#plugin-text", Static).update(Text("") if info is None else self._about(info))
        self.query_one("#plugin").scroll_home(animate=False)
        self.refresh_bindings()

    def _about(self, info: PluginInfo) -> Text:
        colours = self.app.theme_variables
        muted, bad = colours["muted"], colours["bad"]
        about = Text.assemble((info.name, "bold"), (f"  {info.version}  {info.source}", muted))
        if info.error:
            about.append(f"\n{' '.join(info.error.split())}", bad)
        for title, words in (("provides", info.provides), ("hooks", info.hooks)):
            if words:
                about.append(f"\n{title}  ", muted).append(", ".join(words))
        if info.status == "disabled":
            about.append("\nIt is switched off, and was not imported.")
        if info.traceback:
            about.append(f"\n\n{info.traceback.rstrip()}", muted)
        return about

    # Actions

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in ("switch", "copy_traceback", "read_on", "read_back") and self.is_mounted:
            info = self.selected
            return info is not None and (action != "copy_traceback" or bool(info.traceback))
        return True

    def action_switch(self) -> None:
        """Switch the plugin off, or on again; what is loaded stays so until the next start."""
        info = self.selected
        if info is None:
            return
        try:
            on = self.spivae.services.switch_plugin(info.name)
        except (SpivaeError, OSError) as error:
            self.notify(str(error), severity="error", title="Not switched", markup=False)
            return
        self.notify(
            f"{info.name} is {'on' if on else 'off'} from the next start of spivae on.",
            title="Plugin",
            markup=False,
        )

    def action_copy_traceback(self) -> None:
        if self.selected is not None:
            self.app.copy_to_clipboard(self.selected.traceback)
            self.notify(self.selected.name, title="Traceback copied", timeout=3, markup=False)

    def action_read_on(self) -> None:
        self.query_one("#plugin").scroll_page_down(animate=False)

    def action_read_back(self) -> None:
        self.query_one("#plugin").scroll_page_up(animate=False)

    def action_back(self) -> None:
        self.app.pop_screen()


def _cell(info: PluginInfo, key: str) -> Cell:
    if key == "status":
        return Cell(info.status, ROLES[info.status])
    if key == "provides":
        return Cell(", ".join(info.provides) or wording.NOTHING, "" if info.provides else "muted")
    if key == "name":
        return Cell(info.name, "bad" if info.status == "error" else "")
    return Cell(str(getattr(info, key)), "muted")
