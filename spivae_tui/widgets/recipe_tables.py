"""The small tables of the training form: the grid of the process, and the phases."""

from __future__ import annotations

from collections.abc import Iterable

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Button, Static

from spivae_tui.recipe_form import HELP, PHASE, RecipeForm, read
from spivae_tui.widgets.form_line import Choice, FormLine, Typed


def heading(*words: tuple[str, str]) -> Horizontal:
    """A line of column names; each with the class that gives the column its width."""
    return Horizontal(
        *(Static(word, classes=f"column-name {classes}", markup=False) for word, classes in words),
        classes="columns",
    )


class GridTable(Vertical):
    """A line for each parameter of the process: low, high, n, scale."""

    def __init__(self, form: RecipeForm, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.form = form

    def compose(self) -> ComposeResult:
        yield heading(
            ("Grid", "line-label section"),
            ("low", "number"),
            ("high", "number"),
            ("n", "count"),
            ("scale", "word"),
        )
        for name in self.form.parameters:
            path = f"process.grid.{name}"
            texts = {key: self.form.texts[f"{path}.{key}"] for key in ("low", "high", "n", "scale")}
            yield FormLine(
                name,
                (
                    Typed(f"{path}.low", texts["low"], f"{name}: {HELP['low']}", classes="number"),
                    Typed(f"{path}.high", texts["high"], f"{name}: {HELP['high']}", classes="number"),
                    Typed(f"{path}.n", texts["n"], f"{name}: {HELP['n']}", classes="count"),
                    Choice(f"{path}.scale", texts["scale"], HELP["scale"], ("linear", "log"), classes="word"),
                ),
            )


class RemoveButton(Static, can_focus=False):
    """A cross at the end of a phase."""

    def __init__(self, index: int) -> None:
        super().__init__("✕", classes="remove", markup=False)
        self.index = index

    def on_mount(self) -> None:
        self.tooltip = "Remove this phase (F7)"

    def on_click(self) -> None:
        self.post_message(PhaseTable.RemoveWanted(self.index))


class PhaseTable(Vertical):
    """A line for each phase: epochs, beta in both units, the highest learning rate."""

    class RemoveWanted(Message):
        """The cross of a phase was clicked."""

        def __init__(self, index: int) -> None:
            super().__init__()
            self.index = index

    def __init__(self, form: RecipeForm, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.form = form
        self.units: int | None = None

    def compose(self) -> ComposeResult:
        yield heading(
            ("Phases", "line-label section"),
            ("epochs", "count"),
            ("beta", "number beta"),
            ("×1/n", "units"),
            ("lr max", "number"),
        )
        yield from (self._line(index) for index in range(self.form.phases))
        yield Button("+ add a phase", id="add-phase", compact=True)

    def _line(self, index: int) -> FormLine:
        path = f"training.phase.{index}"
        cells: list[Widget] = []
        for key in PHASE:
            kind = {"epochs": "count", "beta": "number beta"}.get(key, "number")
            cells.append(Typed(f"{path}.{key}", self.form.texts[f"{path}.{key}"], HELP[key], classes=kind))
            if key == "beta":
                cells.append(Static(classes="units true-beta", markup=False))
        if self.form.phases > 1:
            cells.append(RemoveButton(index))
        return FormLine(f"phase {index + 1}", cells, classes="phase")

    @property
    def lines(self) -> Iterable[FormLine]:
        return self.query(".phase").results(FormLine)

    def show_units(self, predicted: int | None) -> None:
        """Write each beta in units of the true weight, 1 / `predicted`; one that grows needs their room."""
        self.units = predicted
        betas = [self.form.texts[f"training.phase.{index}.beta"] for index in range(self.form.phases)]
        self.set_class(any("," in beta for beta in betas), "-growing")
        for name in self.query(".column-name.units").results(Static):
            _say(name, f"×1/{predicted}" if predicted else "×1/n")
        for line, beta in zip(self.lines, betas, strict=False):
            words = ""
            if predicted:
                try:
                    given = read("floats", beta)
                    last = given[-1] if isinstance(given, list) else given
                    words = f"{last * predicted:.3g}"
                except ValueError:
                    words = ""
            _say(line.query_one(".true-beta", Static), words)


def _say(line: Static, words: str) -> None:
    if str(line.content) != words:
        line.update(words)
