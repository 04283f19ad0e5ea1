"""Live run: the curves of a training while it runs, and afterwards."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from textual import events, on, work
from textual.containers import Horizontal
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Static
from textual.worker import Worker, WorkerState, get_current_worker

from spivae import wording
from spivae.errors import SpivaeError
from spivae.following.follower import RunFollower, RunView
from spivae.liveness import this_host
from spivae_tui import run_words
from spivae_tui.actions import bindings
from spivae_tui.run_words import Piece
from spivae_tui.screens.base import STYLES
from spivae_tui.screens.run_control import Chosen, RunControlScreen
from spivae_tui.screens.viewing import ViewingScreen
from spivae_tui.widgets.epoch_table import EpochTable
from spivae_tui.widgets.row_list import Cell, Column, RowList
from spivae_tui.widgets.run_state import RunStateView
from spivae_tui.widgets.tab_strip import TabStrip

if TYPE_CHECKING:
    from spivae.figure.spec import Axis, Figure
    from spivae.following.usage import Usage, UsageMeter
    from spivae.training.run import RunInfo
    from spivae_tui.plot import PlotView

POLL_SECONDS = 0.5
USAGE_SECONDS = 1.0
AT_LEAST_EVERY = 2.0  # seconds between two drawings of curves that grow by less than a dot
IN_BACKGROUND = 4  # beneath another screen, only every fourth time
TABS = ("Curves", "Epochs", "Log")
PANELS = 4  # at most so many on a page, however large the terminal is
ALL_AT_ONCE = (120, 34)  # cells; below, the tabs show one thing at a time
WINDOWS = (1.0, 0.5, 0.1)
WINDOW_NAMES = {1.0: "all epochs", 0.5: "the last half", 0.1: "the last tenth"}


class Seen(Message):
    """The run has been looked at, and something is new."""

    def __init__(self, view: RunView) -> None:
        super().__init__()
        self.view = view


class NotSeen(Message):
    """The run could not be read."""

    def __init__(self, reason: str) -> None:
        super().__init__()
        self.reason = reason


class LiveRunScreen(ViewingScreen, RunControlScreen):
    """Follows a run's directory; the trainer itself knows nothing of it."""

    SCOPE = "run"
    BINDINGS = bindings("run")
    CSS_PATH = [str(STYLES / "tab_strip.tcss"), str(STYLES / "live.tcss")]  # noqa: RUF012

    def __init__(self, run_path: str) -> None:
        super().__init__()
        self.run_path = run_path
        self.view: RunView | None = None
        self.tab = 0
        self.first_panel = 0
        self._polling = False
        self._again = False
        self._missed = 0
        self._drawn: tuple[float, float, Axis | None] = (0.0, 0.0, None)  # epoch, moment, x axis
        self._advised: tuple[str, str] = ("", "")
        self.usage: Usage | None = None
        self._meter: UsageMeter | None = None

    def compose_body(self) -> Iterable[Widget]:
        from spivae_tui.plot import PlotView

        yield RunStateView(id="run-state")
        yield Static(id="run-advice", markup=False)
        yield TabStrip(TABS, id="run-tabs")
        yield Static(id="run-reading", markup=False)
        yield PlotView(look=self.spivae.look, placeholder="reading the run…", id="run-curves")
        with Horizontal(id="run-tables"):
            yield EpochTable(id="run-epochs")
            yield RowList(
                (Column("line", "log", 20, grows=True),),
                lambda line, key: Cell(line, "muted"),
                selectable=False,
                id="run-log",
            )
        yield from self.compose_line()

    @property
    def curves(self) -> PlotView:
        from spivae_tui.plot import PlotView

        return self.query_one("#run-curves", PlotView)

    @property
    def log_lines(self) -> RowList:
        return self.query_one("#run-log", RowList)

    def on_mount(self) -> None:
        self.follower = RunFollower(self.run_path, self.spivae.services.open_run)
        self.title_bar.show(place=f"runs › {self.run_path.rstrip('/').rpartition('/')[2]}")
        self._show_tab()
        self.look_again()
        self.set_interval(POLL_SECONDS, self._tick)
        self.set_interval(USAGE_SECONDS, self._measure_soon)

    # Looking at the files

    def _tick(self) -> None:
        self._missed += 1
        if self.is_active or self._missed >= IN_BACKGROUND:
            self._missed = 0
            self.look_again(only_if_new=True)

    def look_again(self, only_if_new: bool = False) -> None:
        """Look at the run's files in a thread; without `only_if_new` the curves are made anew in any case."""
        self._again |= not only_if_new
        if not self._polling:
            self._polling, again = True, self._again
            self._again = False
            self._look(again)

    @work(thread=True, group="follow", exit_on_error=False)
    def _look(self, again: bool) -> None:
        worker = get_current_worker()
        try:
            for view in self.follower.poll(again):
                if worker.is_cancelled:
                    return
                self.post_message(Seen(view))
        except SpivaeError as error:
            self.post_message(NotSeen(str(error)))

    def _measure_soon(self) -> None:
        view = self.view
        if self.is_active and view is not None and view.state == "running":
            self._measure(view.info)

    @work(thread=True, exclusive=True, group="usage", exit_on_error=False)
    def _measure(self, info: RunInfo) -> None:
        if self._meter is None:
            from spivae.following.usage import UsageMeter

            self._meter = UsageMeter()
        self.from_thread(self._measured, self._meter.read(info))

    def _measured(self, usage: Usage | None) -> None:
        self.usage = usage
        if self.view is not None:
            self._show_title(self.view)

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        if event.worker.group != "follow" or event.state in (WorkerState.PENDING, WorkerState.RUNNING):
            return
        self._polling = False
        if event.state is WorkerState.ERROR:
            self.on_not_seen(NotSeen(f"{type(event.worker.error).__name__}: {event.worker.error}"))
        elif self._again:
            self.look_again()

    def on_not_seen(self, message: NotSeen) -> None:
        self._advise(message.reason, "bad")
        if self.view is None:
            self.curves.set_placeholder("this run cannot be read")

    def on_seen(self, message: Seen) -> None:
        before, view = self.view, message.view
        self.view = view
        if before is not None and not before.over and view.over:
            if self._asked:
                self._close_line()
            self._tell_the_end(view)
        self._show_state(view)
        if view.figure is not None:
            if self._shows_more(before, view):
                self._drawn = (view.epoch, time.monotonic(), view.figure.panels[0].x)
                self._show_curves(view.figure)
        else:
            self.curves.set_placeholder(_waiting(view))
        if before is None or view.epochs != before.epochs:
            self.query_one("#run-epochs", EpochTable).show_epochs(view.epochs)
        if before is None or view.log != before.log:
            self._show_log(view)
        self.refresh_bindings()

    def _shows_more(self, before: RunView | None, view: RunView) -> bool:
        """Whether the curves would look different: they have grown by a dot, or two seconds have passed."""
        assert view.figure is not None
        axis = view.figure.panels[0].x
        if before is None or before.figure is None or self.curves.figure is None or view.read < 1:
            return True
        if (view.state, view.epochs) != (before.state, before.epochs) or view.step < before.step:
            return True
        epoch, drawn_at, shown = self._drawn
        if shown is None or (axis.label, axis.low, axis.high) != (shown.label, shown.low, shown.high):
            return True
        dot = ((axis.high or 0.0) - (axis.low or 0.0)) / max(1, self.curves.size.width)
        if self.follower.unit == "step":
            dot *= view.epoch / view.step
        return view.epoch - epoch >= dot or time.monotonic() - drawn_at >= AT_LEAST_EVERY

    # Showing

    def _show_state(self, view: RunView) -> None:
        mark, role = run_words.STATES.get(view.state, (" ", ""))
        mark = (
            {"✓": "+", "✗": "x", "▶": ">", "‖": "=", "…": "."}.get(mark, mark)
            if self.spivae.ascii_only
            else mark
        )
        ends, total = [], 0
        if view.recipe is not None:
            for phase in view.recipe.training.phase:
                total += phase.epochs
                ends.append(total / view.recipe.epochs)
        self.query_one(RunStateView).show(
            Piece(mark, role),
            run_words.state_line(view, self.spivae.services.now()),
            run_words.detail_line(view),
            min(1.0, view.epoch / view.info.epochs) if view.info.epochs else 0.0,
            ends,
        )
        self._show_title(view)
        self._advise(*run_words.advice(view))

    def _show_title(self, view: RunView) -> None:
        """The process and what it takes of this machine, or how it stands; and what part is shown."""
        words = []
        if view.state == "running" and view.info.host != this_host():
            words = [f"on {view.info.host}"]
        elif view.state == "running":
            words = run_words.usage(self.usage)
        remark = [view.info.process, *(words or [view.state])]
        if view.read < 1:
            remark.append(f"reading {view.read:.0%}")
        elif self.part.span is None and self.follower.window < 1:
            remark.append(WINDOW_NAMES[self.follower.window])
        remark += self.view_words()
        remark += [f"#{tag}" for tag in view.tags]
        self.title_bar.show(place=f"runs › {view.info.id}", remark=" · ".join(remark))

    def _advise(self, words: str, role: str) -> None:
        line = self.query_one("#run-advice", Static)
        if (words, role) != self._advised:
            self._advised = (words, role)
            line.set_classes(f"-{role} -said" if words else "")
            line.update(words)

    def _show_log(self, view: RunView) -> None:
        log = self.log_lines
        at_end = log.scroll_y >= log.max_scroll_y
        log.show(view.log)
        if at_end:
            log.scroll_end(animate=False)

    def _tell_the_end(self, view: RunView) -> None:
        if view.state == "finished":
            newest = view.epochs[-1] if view.epochs else {}
            loss = wording.fixed(newest.get("neg_elbo"))
            words = f"-ELBO {loss}. ⏎ opens its checkpoint." if newest else ""
            self.notify(words, title=f"{view.info.id} has finished", markup=False)
        elif view.state == "stopped":
            self.notify("⏎ opens what it had learned.", title=f"{view.info.id} has stopped", markup=False)
        else:
            reason = view.info.error or "its log (l) may tell why"
            what = "is lost" if view.state == "lost" else f"has {view.state}"
            self.notify(reason, title=f"{view.info.id} {what}", severity="error", markup=False)

    @property
    def all_at_once(self) -> bool:
        """Whether curves, epochs and log are all on the screen."""
        width, height = self.size
        return width >= ALL_AT_ONCE[0] and height >= ALL_AT_ONCE[1]

    def on_resize(self, event: events.Resize) -> None:
        self._show_tab()

    def on_plot_view_resized(self, event: PlotView.Resized) -> None:
        event.stop()
        if self.view is not None and self.view.figure is not None:
            self._show_curves(self.view.figure)

    def _show_tab(self) -> None:
        whole = self.all_at_once
        self.set_class(whole, "-all")
        for index, name in enumerate(TABS):
            self.set_class(not whole and index == self.tab, f"-{name.lower()}")
        self.query_one(TabStrip).show(active=self.tab)
        self.refresh_bindings()

    def whole_figure(self) -> Figure | None:
        return self.view.figure if self.view is not None else None

    def show_view(self) -> None:
        figure = self.whole_figure()
        if self.view is not None and figure is not None:
            self._show_title(self.view)
            self._show_curves(figure, at_once=True)

    def _show_curves(self, whole: Figure, at_once: bool = False) -> None:
        """Show a page of panels, and what is read off them; whole pages, and the last one full."""
        from msgspec.structs import replace

        figure = self.part.of(whole)
        count = len(figure.panels)
        self.first_panel = max(0, min(self.first_panel, count - self.curves.panels_per_page))
        begin = max(0, min(self.first_panel, count - PANELS))
        page = replace(figure, panels=figure.panels[begin : begin + PANELS])
        self.curves.set_figure(page, self.first_panel - begin, at_once=at_once)
        self._show_reading(whole)

    def _show_reading(self, whole: Figure) -> None:
        """What the curves of this page are at the cursor."""
        reading = self.query_one("#run-reading", Static)
        reading.set_class(self.is_reading, "-said")
        if not self.is_reading:
            return
        shown = whole.panels[self.first_panel : self.first_panel + self.curves.panels_per_page]
        parts = [run_words.readings(self.part.readings(whole, panel)) for panel in shown]
        reading.update("  │  ".join(filter(None, parts)))

    # Actions

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        view = self.view
        may = self.may_view(action)
        if may is None:
            may = self.may_control(action)
        elif self._asked:
            return False
        if may is not None:
            return may
        if action in ("back", "next_tab", "previous_tab") and self.is_reading:
            return False
        if action in ("open", "back") and self._asked:
            return False
        if action == "open":
            return True if view is not None and view.checkpoint is not None else None
        if action == "train":
            return view is None or view.over
        if action in ("next_page", "previous_page"):
            return view is not None and self._pages() > 1
        if action in ("show_tab", "next_tab", "previous_tab", "show_log"):
            return not self.all_at_once
        return True

    def _pages(self) -> int:
        figure = self.view.figure if self.view is not None else None
        return -(-len(figure.panels) // self.curves.panels_per_page) if figure is not None else 1

    def chosen_runs(self) -> list[Chosen]:
        if self.view is None:
            return []
        view = self.view
        state = "stopping" if view.stopping and not view.over else view.state
        return [Chosen(self.run_path, view.info.id, state, view.diverged_at is not None)]

    def runs_changed(self) -> None:
        self.look_again()

    def action_open(self) -> None:
        if self.view is not None and self.view.checkpoint is not None:
            self.spivae.open_checkpoint(str(self.view.checkpoint))

    def action_back(self) -> None:
        self.app.pop_screen()

    def action_train(self) -> None:
        from pathlib import Path

        from spivae_tui.screens.train import TrainScreen

        recipe = Path(self.run_path) / "recipe.toml"
        others = [path for path in self.spivae.recipe_paths() if path != recipe]
        self.app.push_screen(TrainScreen([recipe, *others]))

    def action_latest(self) -> None:
        self.forget_part()
        follower = self.follower
        follower.window = WINDOWS[(WINDOWS.index(follower.window) + 1) % len(WINDOWS)]
        self.look_again()

    def action_units(self) -> None:
        self.forget_part()
        self.follower.unit = "epoch" if self.follower.unit == "step" else "step"
        self.look_again()

    def action_next_page(self) -> None:
        self._turn(self.curves.panels_per_page)

    def action_previous_page(self) -> None:
        self._turn(-self.curves.panels_per_page)

    def _turn(self, by: int) -> None:
        if self.view is None or self.view.figure is None:
            return
        count, page = len(self.view.figure.panels), self.curves.panels_per_page
        forward = self.first_panel + by
        # from the last page on to the first, and back
        self.first_panel = 0 if self.first_panel + page >= count and by > 0 else forward % max(1, count)
        self._show_curves(self.view.figure)

    def action_show_tab(self, key: str) -> None:
        self.tab = int(key) - 1
        self._show_tab()

    def action_next_tab(self) -> None:
        self.tab = (self.tab + 1) % len(TABS)
        self._show_tab()

    def action_previous_tab(self) -> None:
        self.tab = (self.tab - 1) % len(TABS)
        self._show_tab()

    def action_show_log(self) -> None:
        self.tab = 0 if self.tab == 2 else 2
        self._show_tab()

    def action_copy_path(self) -> None:
        self.copy(self.run_path)

    @on(TabStrip.Clicked)
    def _tab_clicked(self, event: TabStrip.Clicked) -> None:
        self.tab = event.index
        self._show_tab()


def _waiting(view: RunView) -> str:
    """What stands where the curves will be."""
    if view.state == "queued":
        return "the trainer is starting: torch takes a few seconds"
    if view.state == "running":
        return "making the data: the first step is about to come"
    return "no step was recorded"
