"""Runs side by side: a table of what differs and how they stand, and their curves on shared axes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from textual import events, on, work
from textual.widget import Widget
from textual.widgets import Static
from textual.worker import Worker, WorkerState

from spivae_tui import text
from spivae_tui.actions import bindings
from spivae_tui.run_words import short
from spivae_tui.screens.base import STYLES
from spivae_tui.screens.run_control import GOING, Chosen, RunControlScreen
from spivae_tui.screens.viewing import ViewingScreen
from spivae_tui.widgets.entry_list import left_words, state_cell
from spivae_tui.widgets.row_list import Cell, Column, RowList, place

if TYPE_CHECKING:
    from spivae.figure.spec import Figure
    from spivae.following.comparison import Compared, Comparison
    from spivae.following.overlay import Along
    from spivae_tui.plot import PlotView

POLL_SECONDS = 1.0
ALONG: tuple[Along, ...] = ("epoch", "step", "time")
AT = "at "  # begins the key of a column with values at the cursor
METRICS = (
    Column("neg_elbo", "-ELBO", 8, right=True),
    Column("nll", "NLL", 8, right=True, drop=3),
    Column("kl", "KL", 6, right=True, drop=2),
    Column("surviving", "latents", 7, right=True, drop=4),
)


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
        self._best: Compared | None = None
        self._polling = False
        self._again = False
        self._figure: Figure | None = None
        self._curved: list[str] = []  # paths of the runs, in the order of the figure's curves
        self._said = ""
        self._values: dict[str, dict[str, float | None]] = {}  # of the runs at the cursor

    def compose_body(self) -> Iterable[Widget]:
        from spivae_tui.plot import PlotView

        yield RowList((Column("run", "run", 20, grows=True, keep_end=True),), self._cell, id="compared")
        yield Static(id="compared-problem", markup=False)
        yield PlotView(look=self.spivae.look, placeholder="reading the runs…", id="compared-curves")
        yield from self.compose_line()

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
                figure = self.comparison.figure(self.along)
                curved = [str(run.view.path) for run in self.comparison.curved]
                self.from_thread(self._looked, figure, curved)
        finally:
            self._polling = False

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        if event.state is WorkerState.ERROR:
            words = f"{type(event.worker.error).__name__}: {event.worker.error}"
            if words != self._said:  # it would come again with every look
                self._said = words
                self.notify(words, severity="error", title="Something went wrong", markup=False)

    def _looked(self, figure: Figure, curved: list[str]) -> None:
        self._figure, self._curved = figure, curved
        self._show()

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
        self._values = self._read_off()
        before, self._best = self.table.row, comparison.best
        self.table.columns = self._columns(comparison)
        self.table.placed = place(self.table.columns, self.table.size.width)
        self.table.mark_sorted(self.sorted_by, self.descending)
        rows = self._ordered(comparison)
        at = [run.view.path for run in rows].index(before.view.path) if _is_among(before, rows) else 0
        self.table.show(rows, at)
        self._show_problem(rows)
        running = sum(run.view.state in GOING for run in rows)
        remark = [text.plural(len(rows), "run"), f"{running} going on", *(self.view_words() or [self._by()])]
        self.title_bar.show(remark=" · ".join(remark))
        if not self._curved:
            self.curves.set_placeholder("no run has taken a step to show" if rows else "these runs are gone")
            self.curves.set_figure(None)
        else:
            self.curves.set_figure(self.part.of(self._figure), self.first_panel, at_once=at_once)
        self.refresh_bindings()

    def _show_problem(self, rows: Sequence[Compared]) -> None:
        """Say what is wrong with the run under the cursor, or with the first that cannot be read."""
        broken = [run for run in rows if run.error]
        here: Compared | None = self.table.row
        words = ""
        if broken:
            told = here if here is not None and here.error else broken[0]
            more = f"  ({text.plural(len(broken), 'run')} cannot be read)" if len(broken) > 1 else ""
            words = f"✗ {told.error}{more}"
        line = self.query_one("#compared-problem", Static)
        if str(line.content) != words:
            line.update(words)
            line.set_class(bool(words), "-said")

    def _by(self) -> str:
        return f"by {self.along}"

    def _read_off(self) -> dict[str, dict[str, float | None]]:
        """What each run's curves are at the cursor, by path and by the panel's label."""
        if self._figure is None or not self.is_reading:
            return {}
        found: dict[str, dict[str, float | None]] = {path: {} for path in self._curved}
        for panel in self._figure.panels:
            for path, reading in zip(self._curved, self.part.readings(self._figure, panel), strict=True):
                found[path][panel.y.label] = reading.value
        return found

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
            Column("state", "state", 10),
            *self._standing(comparison),
        )

    def _standing(self, comparison: Comparison) -> Iterable[Column]:
        """How the runs stand, or with a cursor what each of them is there."""
        if self._figure is not None and self.is_reading:
            labels = [panel.y.label for panel in self._figure.panels]
            return [Column(f"{AT}{label}", label, 9, right=True, drop=n) for n, label in enumerate(labels)]
        going = any(run.view.state == "running" for run in comparison.runs)
        tagged = max((len(_tags(run)) for run in comparison.runs), default=0)
        return (
            *([Column("left", "left", 11, right=True, drop=1)] if going else []),
            Column("epoch", "epoch", 9, right=True, drop=5),
            *METRICS,
            *([Column("tags", "tags", max(4, min(20, tagged)), drop=6)] if tagged else []),
        )

    def _cell(self, run: Compared, key: str) -> Cell:
        best = run is self._best
        view, metrics = run.view, run.metrics
        if key == "best":
            return Cell("*" if best else "", "accent")
        if key == "run":
            return Cell(view.info.id, "bad" if run.error else "strong" if best else "")
        if key.startswith(AT):
            return Cell(short(self._values.get(str(view.path), {}).get(key.removeprefix(AT))))
        if key == "state":
            return state_cell(view.state, view.step / view.info.steps if view.info.steps else None)
        if key == "left":
            left = view.left if view.state == "running" else None
            return Cell("" if left is None else left_words(left), "strong")
        if key == "tags":
            return Cell(_tags(run), "accent")
        if key == "epoch" and not run.view.epoch and run.error:
            return Cell(text.NOTHING, "muted")
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
        if self.sorted_by.startswith(AT):
            return self._values.get(str(view.path), {}).get(self.sorted_by.removeprefix(AT))
        own: dict[str, Any] = {
            "run": view.info.id,
            "state": view.state,
            "epoch": view.epoch,
            "left": view.left if view.state == "running" else None,
            "tags": _tags(run) or None,
        }
        value = own.get(self.sorted_by, run.metrics.get(self.sorted_by, run.settings.get(self.sorted_by)))
        return len(value) if self.sorted_by == "surviving" and value is not None else value

    # Actions

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
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


def _words(run: Compared, path: str) -> str:
    from spivae.following.comparison import text as words

    return words(run.settings.get(path))


def _tags(run: Compared) -> str:
    return " ".join(run.view.tags)


def _is_among(row: Compared | None, rows: Sequence[Compared]) -> bool:
    return row is not None and any(run.view.path == row.view.path for run in rows)


def _rank(value: Any) -> tuple[int, Any]:
    """Numbers before words, so that both can be sorted."""
    return (0, value) if isinstance(value, int | float) else (1, str(value))
