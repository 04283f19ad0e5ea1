"""Runs side by side: a table of what differs and how they stand, and their curves on shared axes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from textual import events, on, work
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Static
from textual.worker import Worker, WorkerState

from spivae import wording
from spivae_tui.actions import bindings
from spivae_tui.screens.base import STYLES
from spivae_tui.screens.run_control import GOING, Chosen, RunControlScreen
from spivae_tui.screens.viewing import ViewingScreen
from spivae_tui.widgets.compared_table import ComparedTable, setting
from spivae_tui.widgets.difference_table import DifferenceTable
from spivae_tui.widgets.row_list import Cell, RowList

if TYPE_CHECKING:
    from spivae.figure.spec import Figure
    from spivae.following.comparison import Compared, Comparison
    from spivae.following.overlay import Along
    from spivae_tui.plot import PlotView

POLL_SECONDS = 1.0
SETTLE_SECONDS = 0.1  # the curves follow the cursor once it rests this long
ALONG: tuple[Along, ...] = ("epoch", "step", "time")
BESIDE = ("no_differences", "next_runs", "previous_runs")  # what is possible beside the differences


class CompareScreen(ViewingScreen, RunControlScreen):
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
        self._chosen = self.paths[0] if self.paths else ""  # of the run that the cursor is on
        self._polling = False
        self._again = False
        self._settle: Timer | None = None
        self._figure: Figure | None = None
        self._curved: list[str] = []  # paths of the runs, in the order of the figure's curves
        self._said = ""

    def compose_body(self) -> Iterable[Widget]:
        from spivae_tui.plot import PlotView

        yield ComparedTable(id="compared")
        yield Static(id="compared-problem", markup=False)
        yield DifferenceTable(id="differences")
        yield PlotView(look=self.spivae.look, placeholder="reading the runs…", id="compared-curves")
        yield from self.compose_line()

    @property
    def table(self) -> ComparedTable:
        return self.query_one("#compared", ComparedTable)

    @property
    def differences(self) -> DifferenceTable:
        return self.query_one("#differences", DifferenceTable)

    @property
    def shows_differences(self) -> bool:
        """Whether the fields in which the runs differ stand in the place of everything else."""
        return self.has_class("-differences")

    @property
    def curves(self) -> PlotView:
        from spivae_tui.plot import PlotView

        return self.query_one("#compared-curves", PlotView)

    def on_mount(self) -> None:
        self.title_bar.show(remark=wording.plural(len(self.paths), "run"))
        self._tick()
        self.set_interval(POLL_SECONDS, self._tick)

    def on_screen_resume(self) -> None:
        self._tick()

    # Looking at the files

    def _tick(self) -> None:
        if self.is_active and not self._polling:
            self._polling = True
            self._look()

    def look_again(self) -> None:
        """Make the curves anew, whether or not there is anything new in the files."""
        self._again = True
        self._tick()

    @work(thread=True, group="follow", exit_on_error=False)
    def _look(self) -> None:
        """Look at the runs, and make their figure, which takes a moment for many of them."""
        try:
            if self.comparison is None:
                from spivae.following.comparison import Comparison

                self.comparison = Comparison(self.paths, self.spivae.services.open_run)
            again, self._again = self._again, False
            if self.comparison.poll() or again:
                figure = self.comparison.figure(self.along, self._chosen)
                curved = [str(run.view.path) for run in self.comparison.curved]
                self.from_thread(self._looked, figure, curved, again)
        finally:
            self._polling = False

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        if event.state is WorkerState.ERROR:
            words = f"{type(event.worker.error).__name__}: {event.worker.error}"
            if words != self._said:  # it would come again with every look
                self._said = words
                self.notify(words, severity="error", title="Something went wrong", markup=False)

    def _looked(self, figure: Figure, curved: list[str], asked: bool) -> None:
        self._figure, self._curved = figure, curved
        self._show(at_once=asked)

    # Showing

    def whole_figure(self) -> Figure | None:
        return self._figure if self._curved else None

    def show_view(self) -> None:
        self._show(at_once=True)

    def _show(self, at_once: bool = False) -> None:
        """Show the runs anew; the cursor stays on its run."""
        comparison = self.comparison
        if comparison is None or self._figure is None:
            return
        self.table.mark_sorted(self.sorted_by, self.descending)
        self.table.show_runs(comparison, self._read_off())
        rows = self.table.rows
        self._show_problem(rows)
        if self.shows_differences:
            self._show_differences(comparison)
        self._show_remark()
        if not self._curved:
            self.curves.set_placeholder("no run has taken a step to show" if rows else "these runs are gone")
            self.curves.set_figure(None)
        else:
            self.curves.set_figure(self.part.of(self._figure), self.first_panel, at_once=at_once)
        self.refresh_bindings()

    def _show_remark(self) -> None:
        rows = self.table.rows
        running = sum(run.view.state in GOING for run in rows)
        remark = [wording.plural(len(rows), "run"), f"{running} going on"]
        if self.shows_differences:
            shown = self.differences.shown
            remark.append("what differs" if len(shown) >= len(rows) else f"{shown[0] + 1} to {shown[-1] + 1}")
        else:
            remark += self.view_words() or [self._by()]
        self.title_bar.show(remark=" · ".join(remark))
        self.refresh_bindings()

    def _show_differences(self, comparison: Comparison) -> None:
        rows: Sequence[Compared] = self.table.rows
        names = comparison.names()
        fields = {path: [_cell(run, path) for run in rows] for path in comparison.fields}
        self.differences.show_runs([names[str(run.view.path)] for run in rows], fields)

    def _show_problem(self, rows: Sequence[Compared]) -> None:
        """Say what is wrong with the run under the cursor, or with the first that cannot be read."""
        broken = [run for run in rows if run.error]
        here: Compared | None = self.table.row
        words = ""
        if broken:
            told = here if here is not None and here.error else broken[0]
            more = f"  ({wording.plural(len(broken), 'run')} cannot be read)" if len(broken) > 1 else ""
            words = f"✗ {told.error}{more}"
        line = self.query_one("#compared-problem", Static)
        if str(line.content) != words:
            line.update(words)
            line.set_class(bool(words), "-said")

    def _by(self) -> str:
        return f"by {self.along}"

    def _read_off(self) -> dict[str, dict[str, float | None]]:
        """What the runs' curves are at the cursor, by the panel's label and by their paths."""
        if self._figure is None or not self.is_reading:
            return {}
        found = {}
        for panel in self._figure.panels:
            readings = self.part.readings(self._figure, panel)
            pairs = zip(self._curved, readings, strict=True)
            found[panel.y.label] = {path: reading.value for path, reading in pairs}
        return found

    # Actions

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "differences":
            return self.comparison is not None and bool(self.comparison.fields) and not self._asked
        if action in BESIDE:
            beyond = len(self.differences.shown) < len(self.table.rows)
            return self.shows_differences and (beyond or action == "no_differences")
        if self.shows_differences:
            return False
        may = self.may_view(action)
        if may is None:
            may = self.may_control(action)
        elif self._asked:
            return False
        if may is not None:
            return may
        if action in ("open", "back") and self._asked:
            return False
        if action == "back" and self.is_reading:
            return False
        if action in ("next_page", "previous_page"):
            figure = self.curves.figure
            return figure is not None and self.curves.panels_per_page < len(figure.panels)
        if action in ("open", "copy_path", "sort", "reverse"):
            return self.comparison is not None and bool(self.comparison.runs)
        return True

    def chosen_runs(self) -> list[Chosen]:
        """The run under the cursor."""
        row = self.table.row if self.is_mounted else None
        if row is None:
            return []
        view = row.view
        return [Chosen(str(view.path), view.info.id, view.state, view.diverged_at is not None)]

    def runs_changed(self) -> None:
        self.look_again()

    @on(RowList.Highlighted, "#compared")
    def _moved(self) -> None:
        self._show_problem(self.table.rows)
        row = self.table.row
        if row is not None and str(row.view.path) != self._chosen:
            self._chosen = str(row.view.path)
            if self._settle is not None:
                self._settle.stop()
            self._settle = self.set_timer(SETTLE_SECONDS, self.look_again)
        self.refresh_bindings()

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

    def action_differences(self) -> None:
        self.toggle_class("-differences")
        if self.comparison is not None:
            self._show_differences(self.comparison)
        (self.differences if self.shows_differences else self.table).focus()
        self._show_remark()

    @on(DifferenceTable.Arranged)
    def _arranged(self) -> None:
        self._show_remark()

    def action_no_differences(self) -> None:
        self.action_differences()

    def action_next_runs(self) -> None:
        self._turn_runs(1)

    def action_previous_runs(self) -> None:
        self._turn_runs(-1)

    def _turn_runs(self, by: int) -> None:
        self.differences.turn(by)
        self._show_remark()

    def action_along(self) -> None:
        self.along = ALONG[(ALONG.index(self.along) + 1) % len(ALONG)]
        self.forget_part()
        self.look_again()

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


def _cell(run: Compared, path: str) -> Cell:
    """The value of a field; a default that the run's recipe does not spell out is muted."""
    return Cell(setting(run, path), "accent" if run.says(path) else "muted")
