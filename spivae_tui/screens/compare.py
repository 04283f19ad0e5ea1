"""Runs side by side: a table of what differs and how they stand, and their curves on shared axes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from textual import events, on, work
from textual.widget import Widget

from spivae_tui import text
from spivae_tui.actions import bindings
from spivae_tui.screens.base import STYLES, SpivaeScreen
from spivae_tui.widgets.entry_list import STATE_ROLES
from spivae_tui.widgets.row_list import Cell, Column, RowList, place

if TYPE_CHECKING:
    from spivae.following.comparison import Compared, Comparison
    from spivae.following.overlay import Along
    from spivae_tui.plot import PlotView

POLL_SECONDS = 1.0
ALONG: tuple[Along, ...] = ("epoch", "step", "time")
METRICS = (
    Column("neg_elbo", "-ELBO", 8, right=True),
    Column("nll", "NLL", 8, right=True, drop=3),
    Column("kl", "KL", 6, right=True, drop=2),
    Column("surviving", "latents", 7, right=True, drop=4),
)


class CompareScreen(SpivaeScreen):
    """Follows any number of runs, given by their directories."""

    SCOPE = "compare"
    PLACE = "runs side by side"
    BINDINGS = bindings("compare")
    CSS_PATH = str(STYLES / "compare.tcss")
    AUTO_FOCUS = "#compared"

    def __init__(self, paths: Sequence[str]) -> None:
        super().__init__()
        self.paths = list(paths)
        self.along: Along = "epoch"
        self.sorted_by = ""
        self.descending = False
        self.comparison: Comparison | None = None
        self.first_panel = 0
        self._best: Compared | None = None
        self._polling = False

    def compose_body(self) -> Iterable[Widget]:
        from spivae_tui.plot import PlotView

        yield RowList((Column("run", "run", 20, grows=True, keep_end=True),), self._cell, id="compared")
        yield PlotView(look=self.spivae.look, placeholder="reading the runs…", id="compared-curves")

    @property
    def table(self) -> RowList:
        return self.query_one("#compared", RowList)

    @property
    def curves(self) -> PlotView:
        from spivae_tui.plot import PlotView

        return self.query_one("#compared-curves", PlotView)

    def on_mount(self) -> None:
        self.title_bar.show(remark=text.plural(len(self.paths), "run"))
        self._tick()
        self.set_interval(POLL_SECONDS, self._tick)

    def on_screen_resume(self) -> None:
        self._tick()

    # Looking at the files

    def _tick(self) -> None:
        if self.is_active and not self._polling:
            self._polling = True
            self._look()

    @work(thread=True, group="follow", exit_on_error=False)
    def _look(self) -> None:
        try:
            if self.comparison is None:
                from spivae.following.comparison import Comparison

                self.comparison = Comparison(self.paths, self.spivae.services.open_run)
            if self.comparison.poll():
                self.from_thread(self._show)
        finally:
            self._polling = False

    # Showing

    def _show(self) -> None:
        """Show the runs anew; the cursor stays on its run."""
        comparison = self.comparison
        if comparison is None:
            return
        before, self._best = self.table.row, comparison.best
        self.table.columns = self._columns(comparison)
        self.table.placed = place(self.table.columns, self.table.size.width)
        self.table.mark_sorted(self.sorted_by, self.descending)
        rows = self._ordered(comparison)
        at = [run.view.path for run in rows].index(before.view.path) if _is_among(before, rows) else 0
        self.table.show(rows, at)
        self.table.refresh()
        states = [run.view.state for run in rows]
        running = sum(state in ("running", "queued") for state in states)
        self.title_bar.show(remark=f"{text.plural(len(rows), 'run')} · {running} going on · by {self.along}")
        if not any(run.view.step for run in rows):
            self.curves.set_placeholder("no run has taken a step yet")
        else:
            self.curves.set_figure(comparison.figure(self.along), self.first_panel)
        self.refresh_bindings()

    def _columns(self, comparison: Comparison) -> tuple[Column, ...]:
        fields = [
            Column(
                path, name, max(len(name), *(len(_words(run, path)) for run in comparison.runs)), right=True
            )
            for path, name in comparison.fields.items()
        ]
        return (
            Column("best", "", 1),
            Column("run", "run", 8, grows=True, keep_end=True),
            *fields,
            Column("state", "state", 8),
            Column("epoch", "epoch", 9, right=True, drop=1),
            *METRICS,
        )

    def _cell(self, run: Compared, key: str) -> Cell:
        best = run is self._best
        view, metrics = run.view, run.metrics
        if key == "best":
            return Cell("*" if best else "", "accent")
        if key == "run":
            return Cell(view.info.id, "strong" if best else "")
        if key == "state":
            return Cell(view.state, STATE_ROLES.get(view.state, "muted"))
        if key == "epoch":
            return Cell(f"{view.epoch:.4g}/{view.info.epochs}", "muted")
        if key == "kl":
            return Cell(text.nats(metrics.get("kl")))
        if key == "surviving":
            return Cell(text.surviving(metrics))
        if key in ("neg_elbo", "nll"):
            return Cell(text.number(metrics.get(key)), "strong" if best and key == "neg_elbo" else "")
        return Cell(_words(run, key), "accent")

    def _ordered(self, comparison: Comparison) -> list[Compared]:
        """The runs by the chosen column, those without a value last in either order."""
        if not self.sorted_by:
            return list(comparison.runs)
        known = [run for run in comparison.runs if self._value(run) is not None]
        unknown = [run for run in comparison.runs if self._value(run) is None]
        known.sort(key=lambda run: _rank(self._value(run)), reverse=self.descending)
        return known + unknown

    def _value(self, run: Compared) -> Any:
        view = run.view
        own: dict[str, Any] = {"run": view.info.id, "state": view.state, "epoch": view.epoch}
        value = own.get(self.sorted_by, run.metrics.get(self.sorted_by, run.settings.get(self.sorted_by)))
        return len(value) if self.sorted_by == "surviving" and value is not None else value

    # Actions

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in ("next_page", "previous_page"):
            figure = self.curves.figure
            return figure is not None and self.curves.panels_per_page < len(figure.panels)
        if action in ("open", "copy_path", "sort", "reverse"):
            return self.comparison is not None and bool(self.comparison.runs)
        return True

    @on(RowList.Selected, "#compared")
    def action_open(self) -> None:
        if self.table.row is not None:
            self.spivae.open_run(str(self.table.row.view.path))

    def action_sort(self) -> None:
        keys = [placed.column.key for placed in self.table.placed if placed.column.key != "best"]
        at = keys.index(self.sorted_by) if self.sorted_by in keys else -1
        self._sort_by(keys[(at + 1) % len(keys)])

    @on(RowList.HeadingClicked, "#compared")
    def _heading_clicked(self, event: RowList.HeadingClicked) -> None:
        if event.key != "best":
            self._sort_by(event.key)

    def _sort_by(self, key: str) -> None:
        self.descending = not self.descending if key == self.sorted_by else False
        self.sorted_by = key
        self._show()

    def action_reverse(self) -> None:
        self._sort_by(self.sorted_by or "neg_elbo")

    def action_along(self) -> None:
        self.along = ALONG[(ALONG.index(self.along) + 1) % len(ALONG)]
        self._show()

    def action_next_page(self) -> None:
        self._turn(self.curves.panels_per_page)

    def action_previous_page(self) -> None:
        self._turn(-self.curves.panels_per_page)

    def _turn(self, by: int) -> None:
        count = len(self.curves.figure.panels) if self.curves.figure is not None else 0
        self.first_panel = self.first_panel + by if 0 <= self.first_panel + by < count else 0
        self._show()

    def action_copy_path(self) -> None:
        self.copy(str(self.table.row.view.path))

    def action_back(self) -> None:
        self.app.pop_screen()

    def on_resize(self, event: events.Resize) -> None:
        self.call_after_refresh(self._show)


def _words(run: Compared, path: str) -> str:
    from spivae.following.comparison import text as words

    return words(run.settings.get(path))


def _is_among(row: Compared | None, rows: Sequence[Compared]) -> bool:
    return row is not None and any(run.view.path == row.view.path for run in rows)


def _rank(value: Any) -> tuple[int, Any]:
    """Numbers before words, so that both can be sorted."""
    return (0, value) if isinstance(value, int | float) else (1, str(value))
