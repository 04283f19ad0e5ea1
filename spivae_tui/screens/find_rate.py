"""The learning-rate finder over the training form: a sweep in the worker, its plot, and its suggestion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen

from spivae.errors import SpivaeError
from spivae_tui.actions import bindings
from spivae_tui.messages import WorkerSaid
from spivae_tui.plot import PlotView
from spivae_tui.screens.base import STYLES
from spivae_tui.widgets.key_bar import KeyBar
from spivae_tui.widgets.notice import Notice, percent

if TYPE_CHECKING:
    from spivae_tui.app import SpivaeApp

STARTING = "the worker is starting: torch takes a few seconds"


class FindRateScreen(ModalScreen["float | None"]):
    """Sweeps for one phase, counted from 0, of a recipe given as tables; gives the chosen rate, or None."""

    SCOPE = "rate"
    BINDINGS = bindings("rate")
    CSS_PATH = [str(STYLES / "notice.tcss"), str(STYLES / "find_rate.tcss")]  # noqa: RUF012

    def __init__(self, recipe: dict[str, Any], phase: int) -> None:
        super().__init__()
        self.recipe = recipe
        self.phase = phase
        self.valley: float | None = None
        self.steepest: float | None = None
        self._job: Any = None

    def compose(self) -> ComposeResult:
        with Vertical(id="rate-box"):
            yield Notice(id="rate-notice")
            yield PlotView(look=cast("SpivaeApp", self.app).look, placeholder="", id="rate-plot")
            yield KeyBar()

    @property
    def notice(self) -> Notice:
        return self.query_one(Notice)

    def on_mount(self) -> None:
        beta = self.recipe["training"]["phase"][self.phase]["beta"]
        words = f"{beta:.3g}" if isinstance(beta, int | float) else f"{beta[0]:.3g}, as it begins"
        self.query_one("#rate-box").border_title = f"Learning rate of phase {self.phase + 1}, beta {words}"
        self.notice.show("A short training at growing rates", STARTING, progress=0.0)
        payload = {"recipe": self.recipe, "phase": self.phase}
        try:
            worker = cast("SpivaeApp", self.app).worker
            self._job = worker.submit("find_rate", payload, self._said)
        except SpivaeError as error:
            self._fail(str(error))

    def on_unmount(self) -> None:
        if self._job is not None:
            cast("SpivaeApp", self.app).worker.cancel(self._job)

    def _said(self, event: Any) -> None:
        # called from the worker's reader thread; posting is all that is allowed here
        self.post_message(WorkerSaid(0, event))

    def on_worker_said(self, message: WorkerSaid) -> None:
        message.stop()
        event = message.event
        match type(event).__name__:
            case "Progress":
                words = f"step {event.done} of {event.total}" if event.total > 1 else event.what
                self.notice.show(
                    "A short training at growing rates", words, progress=percent(event.done, event.total)
                )
                return
            case "Done":
                self.valley, self.steepest = event.scalars["valley"], event.scalars["steepest"]
                self.add_class("-done")
                self.query_one(PlotView).set_figure(event.figure)
            case "Failed":
                self._fail(event.message)
        self._job = None
        self.refresh_bindings()

    def _fail(self, reason: str) -> None:
        self.notice.show("No learning rate was found", reason, keys=(("esc", "goes back"),), bad=True)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "use_valley":
            return self.valley is not None
        if action == "use_steepest":
            return self.steepest is not None
        return True

    def action_use_valley(self) -> None:
        self.dismiss(self.valley)

    def action_use_steepest(self) -> None:
        self.dismiss(self.steepest)

    def action_close(self) -> None:
        self.dismiss(None)
