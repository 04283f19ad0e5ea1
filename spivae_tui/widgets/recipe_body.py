"""All fields of a recipe in columns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.widgets import Select, Static

from spivae.training.recipe import Recipe
from spivae_tui.plan_figure import plan
from spivae_tui.plot import PlotView
from spivae_tui.recipe_form import ARCHITECTURE, DATA, PROCESS, TRAINING, FormField, RecipeForm
from spivae_tui.where_form import WhereForm
from spivae_tui.widgets.form_line import Choice, FormLine, Typed, field_line
from spivae_tui.widgets.recipe_tables import GridTable, PhaseTable
from spivae_tui.widgets.where_pane import WherePane


class RecipeBody(Horizontal):
    """On the left the process, the phases and how to train; on the right the data and the network."""

    def __init__(
        self,
        form: RecipeForm,
        processes: Sequence[tuple[str, str]],
        architectures: Sequence[tuple[str, str]],
        sources: Sequence[tuple[str, str]],
        source: str,
        where: WhereForm,
    ) -> None:
        super().__init__(id="recipe-body")
        self.form, self.processes, self.architectures = form, processes, architectures
        self.sources, self.source, self.where = sources, source, where

    def compose(self) -> ComposeResult:
        form = self.form
        with VerticalScroll(id="recipe-left", can_focus=False):
            with Horizontal(classes="line-cells"):
                yield Static("Recipe", classes="line-label section")
                yield Select(
                    self.sources,
                    value=self.source,
                    allow_blank=False,
                    compact=True,
                    id="source",
                    classes="control",
                )
            with Horizontal(classes="line-cells"):
                yield Static("Process", classes="line-label section")
                yield Select(
                    self.processes,
                    value=form.texts[PROCESS.path],
                    allow_blank=False,
                    compact=True,
                    id="process",
                    classes="control",
                )
            yield GridTable(form, id="grid")
            yield PhaseTable(form, id="phases")
            with Vertical(classes="section-box"):
                yield Static("Training", classes="section")
                yield from self._lines(TRAINING)
            yield WherePane(self.where)
        with VerticalScroll(id="recipe-right", can_focus=False):
            with Vertical(id="recipe-columns"):
                with Vertical(classes="section-box", id="recipe-data"):
                    yield Static("Data", classes="section")
                    yield from self._lines(DATA)
                with Vertical(classes="section-box", id="recipe-model"):
                    with Horizontal(classes="line-cells"):
                        yield Static("Model", classes="line-label section")
                        yield Select(
                            self.architectures,
                            value=form.texts[ARCHITECTURE.path],
                            allow_blank=False,
                            compact=True,
                            id="architecture",
                            classes="control",
                        )
                    with Vertical(id="model-fields"):
                        yield from self._lines(form.model_fields)
            yield PlotView(look=getattr(self.app, "look", None), placeholder="", id="plan")

    def _lines(self, specs: Iterable[FormField]) -> Iterable[FormLine]:
        return (field_line(spec, self.form.texts[spec.path]) for spec in specs)

    @property
    def pane(self) -> WherePane:
        return self.query_one(WherePane)

    async def show_model(self) -> None:
        """Show the fields of the architecture that the form has now."""
        box = self.query_one("#model-fields", Vertical)
        async with self.batch():
            await box.remove_children()
            await box.mount_all(self._lines(self.form.model_fields))

    def show_errors(self, errors: dict[str, str]) -> None:
        """Say at each field what is wrong with it."""
        for line in self.query(FormLine):
            line.show_errors(errors)

    def show_plan(self, recipe: Recipe) -> None:
        """Draw what the phases are going to do, where there is room for it."""
        plot = self.query_one(PlotView)
        if plot.display:
            plot.set_figure(plan(recipe))

    def control(self, path: str) -> Typed | Choice | None:
        """The control of a field."""
        for line in self.query(FormLine):
            for control in line.controls:
                if control.path == path:
                    return control
        return None
