"""One analysis of one checkpoint: its options, its progress, its plot, what came out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.timer import Timer

from spivae.errors import SpivaeError
from spivae_tui.describe import short
from spivae_tui.messages import WorkerSaid
from spivae_tui.plot import PlotView
from spivae_tui.widgets.fields import Field, FieldGrid
from spivae_tui.widgets.notice import Notice, percent
from spivae_tui.widgets.status_line import StatusLine

if TYPE_CHECKING:
    from spivae.analysis import Analysis
    from spivae.figure.look import Look
    from spivae.figure.spec import Figure
    from spivae_tui.services import WorkerLike

PROGRESS_SECONDS = 0.25  # progress is drawn at most this often


class AnalysisPane(Vertical):
    """Computes when it is first shown, and again when options change; keeps what it has.

    `data` are the options that say which trajectories are looked at. All panes of a screen share them: a
    pane whose result is for other data computes again the next time it is shown.
    """

    class DataChanged(Message):
        """An option of the data was changed here."""

        def __init__(self, name: str, value: Any) -> None:
            super().__init__()
            self.name = name
            self.value = value

    class StateChanged(Message):
        """The pane has begun or ended to compute, or shows other panels."""

    def __init__(
        self,
        path: str,
        analysis: Analysis,
        data: dict[str, Any],
        worker: WorkerLike,
        look: Look | None = None,
        *,
        id: str | None = None,
    ) -> None:
        from spivae.analysis import data_options, declared_options

        super().__init__(id=id)
        self.path = path
        self.analysis = analysis
        self.data = data
        self.worker = worker
        self.look = look
        self.declared = declared_options(analysis.options)
        self.options = {option.name: option.default for option in self.declared}
        self.shared = data_options(analysis.needs)  # of the data's options, those that it has a use for
        self.figure: Figure | None = None
        self.first = 0
        self.error = ""
        self._scalars: Mapping[str, Any] = {}
        self._done_for: tuple[Any, ...] | None = None
        self._job: Any = None
        self._serial = 0
        self._progress: tuple[str, float | None] = ("", None)
        self._timer: Timer | None = None

    def compose(self) -> ComposeResult:
        own = [Field(option, self.options[option.name], group="own") for option in self.declared]
        shared = [Field(option, self.data[option.name], group="data") for option in self.shared]
        yield FieldGrid([*own, *shared], classes="options")
        yield Notice()
        yield PlotView(look=self.look, placeholder="")
        yield StatusLine()

    @property
    def plot(self) -> PlotView:
        return self.query_one(PlotView)

    @property
    def running(self) -> bool:
        return self._job is not None

    @property
    def options_open(self) -> bool:
        return self.has_class("-options")

    @property
    def has_options(self) -> bool:
        return bool(self.declared or self.shared)

    def _wanted(self) -> tuple[Any, ...]:
        return (tuple(self.options.items()), tuple(self.data[option.name] for option in self.shared))

    def asked(self) -> dict[str, Any]:
        """What the worker is asked for the chosen options."""
        data = {option.name: self.data[option.name] for option in self.shared}
        # a value of None means "not given", which is every optional option's default
        return {
            "checkpoint": self.path,
            "analysis": self.analysis.name,
            "options": {name: value for name, value in self.options.items() if value is not None},
            "data": {name: value for name, value in data.items() if value is not None},
        }

    # Computing

    def come_up(self) -> None:
        """The pane is shown: compute unless there is a result for these options."""
        for field in self.query(Field):
            if field.group == "data" and field.value != self.data[field.option.name]:
                field.set_value(self.data[field.option.name])
        if self._done_for != self._wanted():
            self.compute()

    def compute(self, fresh: bool = False) -> None:
        """Ask the worker; what ran before for this pane is cancelled. `fresh`: past what is remembered."""
        self.cancel()
        self._serial += 1
        serial = self._serial
        self._done_for = self._wanted()
        self.error = ""
        self._progress = ("starting", None)
        payload = self.asked()
        if fresh:
            payload["fresh"] = True
        try:
            self._job = self.worker.submit("analyze", payload, lambda event: self._said(serial, event))
        except SpivaeError as error:
            self.error = str(error)
        self._show_state()
        self.post_message(self.StateChanged())

    def cancel(self) -> None:
        """Stop what runs; its last result stays."""
        if self._job is not None:
            self.worker.cancel(self._job)
            self._job, self._done_for = None, None
            self._serial += 1
            self.error = "" if self.figure is not None else "cancelled"
            self._show_state()
            self.post_message(self.StateChanged())

    def on_unmount(self) -> None:
        if self._job is not None:
            self.worker.cancel(self._job)

    def _said(self, serial: int, event: Any) -> None:
        # called from the worker's reader thread; posting is all that is allowed here
        self.post_message(WorkerSaid(serial, event))

    def on_worker_said(self, message: WorkerSaid) -> None:
        message.stop()
        if message.job != self._serial:
            return
        event, kind = message.event, type(message.event).__name__
        if kind == "Progress":
            self._progress = (event.what, percent(event.done, event.total) if event.total > 0 else None)
            if self._timer is None:
                self._timer = self.set_timer(PROGRESS_SECONDS, self._progressed)
            return
        self._job = None
        if kind == "Done":
            self.figure, self._scalars, self.error = event.figure, event.scalars, ""
            self.first = 0
        else:
            self._done_for = None
            self.error = event.message if kind == "Failed" else "cancelled"
        self._show_state()
        self.post_message(self.StateChanged())

    def _progressed(self) -> None:
        self._timer = None
        if self.running:
            self._show_state()

    # Showing

    def _show_state(self) -> None:
        status, notice = self.query_one(StatusLine), self.query_one(Notice)
        if self.figure is not None and not self.has_class("-drawn"):
            self.add_class("-drawn")
        if self.figure is not None and self.plot.figure is not self.figure:
            self.plot.set_figure(self.figure, self.first)
        what, share = self._progress
        if share:
            what = f"{what}  {share:.0%}"
        if self.figure is None:
            if self.running:
                notice.show(self.analysis.title, what, progress=share or 0.0, keys=(("esc", "cancels"),))
            elif self.error == "cancelled":
                notice.show(
                    self.analysis.title, "cancelled", keys=(("r", "computes it"), ("o", "shows options"))
                )
            elif self.error:
                notice.show(
                    f"{self.analysis.title} could not be computed",
                    self.error,
                    keys=(("r", "tries again"), ("o", "shows options")),
                    bad=True,
                )
            status.show("")
        elif self.running:
            status.show(what, "esc cancels", progress=share or 0.0)
        elif self.error:
            status.show(self.error, "r tries again", role="warn" if self.error == "cancelled" else "bad")
        else:
            status.show(self._scalar_words(), self._page_words())

    def _scalar_words(self) -> str:
        return "   ".join(f"{name.replace('_', ' ')} {short(item)}" for name, item in self._scalars.items())

    def _page_words(self) -> str:
        if self.figure is None:
            return ""
        count, page = len(self.figure.panels), self.plot.panels_per_page
        if page >= count:
            return ""
        return f"page {self.first // page + 1} of {-(-count // page)}"

    def on_plot_view_resized(self, event: PlotView.Resized) -> None:
        event.stop()
        if self.figure is None:
            return
        page = self.plot.panels_per_page
        if self.first % page:
            self.first -= self.first % page
            self.plot.set_figure(self.figure, self.first)
        self._show_state()

    def turn_page(self, by: int) -> None:
        """Show the next or the previous panels."""
        if self.figure is None:
            return
        page = self.plot.panels_per_page
        first = self.first + by * page
        if 0 <= first < len(self.figure.panels):
            self.first = first
            self.plot.set_figure(self.figure, first)
            self._show_state()

    # Options

    def toggle_options(self) -> None:
        """Show the options and go to the first, or hide them."""
        self.toggle_class("-options")
        if self.options_open:
            field = self.query(Field).first()
            field.children[-1].focus()
        else:
            self.screen.set_focus(None)

    def on_field_changed(self, event: Field.Changed) -> None:
        event.stop()
        self.query_one(FieldGrid).explain(event.field.help)
        name = event.field.option.name
        if event.field.group == "data":
            self.post_message(self.DataChanged(name, event.value))
        else:
            self.options[name] = event.value
            self.post_message(self.DataChanged("", None))
