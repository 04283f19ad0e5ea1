"""Train: a recipe as a form, checked while it is typed; the trainer is a process of its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from textual import events, on, work
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Button, Input, Select, Static
from textual.worker import Worker, WorkerState

from spivae.errors import SpivaeError
from spivae_tui.actions import bindings
from spivae_tui.screens.base import STYLES, SpivaeScreen
from spivae_tui.widgets.form_line import Edited, Go

if TYPE_CHECKING:
    from spivae.process import Process
    from spivae.training.recipe import Recipe
    from spivae_tui.recipe_form import Checked, RecipeForm
    from spivae_tui.recipe_sources import Source
    from spivae_tui.where_form import Where, WhereForm
    from spivae_tui.widgets.recipe_body import RecipeBody
    from spivae_tui.widgets.recipe_tables import PhaseTable

DEFAULTS = "(defaults)"


class Found(Message):
    """What there is to choose from: processes of the plugins, and recipes."""

    def __init__(self, processes: Mapping[str, Process], sources: list[Source], where: WhereForm) -> None:
        super().__init__()
        self.processes, self.sources, self.where = processes, sources, where


class TrainScreen(SpivaeScreen):
    """The form for a new training. The first of `recipe_paths` is what it shows at first."""

    SCOPE = "train"
    PLACE = "new training"
    BINDINGS = bindings("train")
    CSS_PATH = str(STYLES / "train.tcss")
    AUTO_FOCUS = ""

    def __init__(self, recipe_paths: Sequence[Path]) -> None:
        super().__init__()
        self.recipe_paths = list(recipe_paths)
        self.sources: list[Source] = []
        self.processes: Mapping[str, Process] = {}
        self.form: RecipeForm | None = None
        self.checked: Checked | None = None
        self.where: WhereForm | None = None
        self.place: Where | None = None
        self._source = DEFAULTS
        self._starting = False
        self._wrong: dict[str, str] = {}
        self._as_loaded: dict[str, str] = {}
        self._leaving = False
        self._replacing = ""

    def compose_body(self) -> Iterable[Widget]:
        yield Static("looking for recipes…", id="train-wait", markup=False)
        with Horizontal(id="write-bar"):
            yield Static("Save recipe as", id="write-label", markup=False)
            name = Input(compact=True, id="write-name", select_on_focus=False)
            name.cursor_blink = False
            yield name
        with Vertical(id="train-foot"):
            yield Static(id="train-summary", markup=False)
            with Horizontal(id="train-last"):
                yield Static(id="train-help", markup=False)
                yield Button("Start training", id="start", compact=True)

    def on_mount(self) -> None:
        self.call_after_refresh(self._load)

    # Recipes and processes

    @work(thread=True, exclusive=True, group="recipes", exit_on_error=False)
    def _load(self) -> None:
        from spivae_tui import recipe_sources
        from spivae_tui.where_form import WhereForm, run_folder

        services = self.spivae.services
        processes = services.plugins().processes
        sources = recipe_sources.find(self.recipe_paths, self.spivae.folders, Path.cwd())
        try:
            slurm = services.slurm_options()
        except SpivaeError as error:  # config.toml is wrong; a training here does not need it
            slurm = None
            self.app.call_from_thread(self.notify, str(error), severity="error", markup=False)
        where = WhereForm(run_folder(self.spivae.folders), slurm)
        self.post_message(Found(processes, sources, where))

    async def on_found(self, message: Found) -> None:
        self.processes, self.sources, self.where = message.processes, message.sources, message.where
        await self._choose(str(self.sources[0].path) if self.sources else DEFAULTS)

    async def _choose(self, source: str) -> None:
        """Show the recipe of a file, or the defaults where it cannot be read."""
        from spivae.training import recipe as recipes
        from spivae_tui.recipe_form import RecipeForm

        try:
            recipe = recipes.Recipe() if source == DEFAULTS else recipes.load(source)
        except SpivaeError as error:
            self.notify(str(error), severity="error", title="This recipe has a mistake", markup=False)
            recipe = recipes.Recipe()
        name = recipe.process.name
        if name not in self.processes:
            self.notify(f"No plugin knows the process {name}.", severity="error", markup=False)
        self._source = source
        self.form = RecipeForm.from_recipe(recipe, self.processes.get(name))
        self._as_loaded = dict(self.form.texts)
        await self._show_form()

    async def _show_form(self) -> None:
        from spivae.model.architectures import known
        from spivae_tui.widgets.recipe_body import RecipeBody

        assert self.form is not None
        assert self.where is not None
        for old in self.query("#recipe-body, #train-wait"):
            await old.remove()
        choices = [(source.label, str(source.path)) for source in self.sources] + [(DEFAULTS, DEFAULTS)]
        names = dict.fromkeys([*self.processes, self.form.texts["process.name"]])
        titles = [(self._title(name), name) for name in names]
        kinds = [(kind.title, kind.name) for kind in known().values()]
        body = RecipeBody(self.form, titles, kinds, choices, self._source, self.where)
        await self.mount(body, before="#write-bar")
        self.check()
        self.query_one("#source", Select).focus()

    def _title(self, name: str) -> str:
        process = self.processes.get(name)
        return f"{name}: {process.title}" if process is not None and process.title else name

    @property
    def body(self) -> RecipeBody:
        from spivae_tui.widgets.recipe_body import RecipeBody

        return self.query_one(RecipeBody)

    @property
    def phases(self) -> PhaseTable:
        from spivae_tui.widgets.recipe_tables import PhaseTable

        return self.query_one(PhaseTable)

    @on(Select.Changed, "#source")
    async def _source_chosen(self, event: Select.Changed) -> None:
        if event.value != self._source:
            await self._choose(str(event.value))

    @on(Select.Changed, "#process")
    async def _process_chosen(self, event: Select.Changed) -> None:
        from spivae_tui.widgets.recipe_tables import GridTable

        process = self.processes.get(str(event.value))
        if self.form is not None and process is not None and event.value != self.form.texts["process.name"]:
            self.form.choose_process(process)
            await self.query_one(GridTable).recompose()
            self.check()

    @on(Select.Changed, "#architecture")
    async def _architecture_chosen(self, event: Select.Changed) -> None:
        if self.form is not None and event.value != self.form.texts["model.architecture"]:
            self.form.choose_architecture(str(event.value))
            await self.body.show_model()
            self.check()

    # Checking

    def on_edited(self, event: Edited) -> None:
        if self.form is not None and self.form.texts.get(event.path) not in (None, event.text):
            self.form.texts[event.path] = event.text
            self.check()
        elif self.where is not None and self.where.texts.get(event.path) not in (None, event.text):
            self.where.texts[event.path] = event.text
            self.body.pane.show_words()
            self.check()

    def check(self) -> None:
        """Check the form and say what it amounts to, or what is wrong where."""
        from spivae_tui.recipe_form import summarize

        assert self.form is not None
        assert self.where is not None
        self._leaving = False
        before, self.checked = self.checked, self.form.check()
        self.place, misplaced = self.where.check(self.checked.recipe)
        self._wrong = {**self.checked.errors, **misplaced}
        self.body.show_errors(self._wrong)
        summary = self.query_one("#train-summary", Static)
        if self.checked.recipe is not None:
            amounts = summarize(self.checked.recipe)
            self.phases.show_units(amounts.predicted)
            self._say(summary, " · ".join(amounts.words()), bad=False)
            self.body.show_plan(self.checked.recipe)
        else:
            self.phases.show_units(self.phases.units)
        for path, reason in list(self._wrong.items())[:1]:
            self._say(summary, f"{path}: {reason}" if path else reason, bad=True)
        self.query_one("#start", Button).disabled = bool(self._wrong) or self._starting
        if before is None or (before.recipe is None) != (self.checked.recipe is None):
            self.refresh_bindings()

    def on_resize(self) -> None:
        # there may be room for the plan only now
        if self.checked is not None and self.checked.recipe is not None:
            self.call_after_refresh(self.body.show_plan, self.checked.recipe)

    def _say(self, line: Static, words: str, bad: bool = False) -> None:
        line.set_class(bad, "-bad")
        if str(line.content) != words:
            line.update(words)

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        helps = {
            "source": "a recipe to start from; choosing one fills in the whole form",
            "process": "whose trajectories the model learns; each process comes with its own grid",
            "architecture": "the kind of model; each comes with arguments of its own",
            "add-phase": "a phase more, as the last one; its cycle starts from the weights of the one before",
            "start": "the trainer is a process of its own: it goes on when spivae is left",
        }
        words = getattr(event.widget, "help", "") or helps.get(event.widget.id or "", "")
        self._say(self.query_one("#train-help", Static), words)
        self.refresh_bindings()
        self.call_after_refresh(self._clear_of_toasts, event.widget)

    def _clear_of_toasts(self, field: Widget) -> None:
        """Have what the app tells lie in the half of the screen in which nothing is typed."""
        self.set_class(field.region.y > self.size.height // 2, "-typing-low")

    # Moving

    def on_go(self, event: Go) -> None:
        """To the nearest control above or below, in the same column of the form."""
        here = event.sender_widget.region
        best: tuple[int, int, Widget] | None = None
        for widget in self.query(".control, #add-phase, #start").results(Widget):
            region = widget.region
            rows = (region.y - here.y) * event.by
            if not widget.focusable or rows <= 0 or not region.area:
                continue
            overlap = min(here.right, region.right) - max(here.x, region.x)
            if overlap > 0 or isinstance(widget, Button):
                candidate = (rows, abs(region.x - here.x), widget)
                if best is None or candidate[:2] < best[:2]:
                    best = candidate
        if best is not None:
            best[2].focus()

    @property
    def _typing(self) -> bool:
        return isinstance(self.focused, Input)

    def _phase_here(self) -> int:
        """The phase that the cursor is in, or the last one."""
        path = getattr(self.focused, "path", "")
        if path.startswith("training.phase."):
            return int(path.split(".")[2])
        return self.form.phases - 1 if self.form is not None else 0

    # Actions

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "leave_field":
            return self._typing
        if action == "back":
            return not self._typing
        if self.form is None:
            return None
        if action == "start":
            return True if not self._starting else None
        if action in ("write", "find_rate"):
            return True if self.checked is not None and self.checked.recipe is not None else None
        if action == "remove_phase":
            return True if self.form.phases > 1 else None
        return True

    async def action_add_phase(self) -> None:
        if self.form is not None:
            at = self.form.add_phase(self._phase_here())
            await self._phases_changed(at)

    async def action_remove_phase(self) -> None:
        await self._remove_phase(self._phase_here())

    async def _remove_phase(self, index: int) -> None:
        if self.form is not None and self.form.phases > 1:
            await self._phases_changed(self.form.remove_phase(index))

    async def _phases_changed(self, focus: int) -> None:
        await self.phases.recompose()
        self.check()
        control = self.body.control(f"training.phase.{focus}.epochs")
        if control is not None:
            control.focus()
        self.refresh_bindings()

    @on(Button.Pressed, "#add-phase")
    async def _add_pressed(self) -> None:
        if self.form is not None:
            await self._phases_changed(self.form.add_phase(self.form.phases - 1))

    async def on_phase_table_remove_wanted(self, event: PhaseTable.RemoveWanted) -> None:
        await self._remove_phase(event.index)

    @on(Button.Pressed, "#start")
    def action_start(self) -> None:
        if self.checked is None or self._starting:
            return
        if self.checked.recipe is None or self.place is None:
            self._go_to_error()
            return
        self._starting = True
        button = self.query_one("#start", Button)
        button.label, button.disabled = "Starting…", True
        self._launch(self.checked.recipe, self.place)

    def _go_to_error(self) -> None:
        path, reason = next(iter(self._wrong.items()), ("", ""))
        control = self.body.control(path)
        if control is not None:
            control.focus()
        self.notify(f"{path}: {reason}" if path else reason, severity="error", title="Not yet", markup=False)

    @work(thread=True, exclusive=True, group="launch", exit_on_error=False)
    def _launch(self, recipe: Recipe, place: Where) -> str:
        return str(self.spivae.services.launch(recipe, place).path)

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        group, state = event.worker.group, event.state
        if state is WorkerState.ERROR:
            error = event.worker.error
            words = str(error) if isinstance(error, SpivaeError) else f"{type(error).__name__}: {error}"
            self.notify(words, severity="error", title=f"The {group} failed", markup=False)
        if group == "launch" and state in (WorkerState.ERROR, WorkerState.SUCCESS):
            self._starting = False
            if state is WorkerState.SUCCESS and event.worker.result is not None:
                from spivae_tui.screens.live import LiveRunScreen

                self.spivae.has_started(Path(event.worker.result))
                self.app.switch_screen(LiveRunScreen(str(event.worker.result)))
                return
            button = self.query_one("#start", Button)
            button.label, button.disabled = "Start training", False
            self.refresh_bindings()

    def action_where(self) -> None:
        self.body.pane.toggle()

    # Finding a learning rate

    def action_find_rate(self) -> None:
        from spivae.training.recipe import to_table
        from spivae_tui.recipe_form import written
        from spivae_tui.screens.find_rate import FindRateScreen

        if self.checked is None or self.checked.recipe is None:
            self._go_to_error()
            return
        in_phase = getattr(self.focused, "path", "").startswith("training.phase.")
        phase = self._phase_here() if in_phase else 0

        def use(rate: float | None) -> None:
            control = self.body.control(f"training.phase.{phase}.lr_max")
            if rate is not None and isinstance(control, Input):
                control.value = written(float(f"{rate:.1e}"))
                control.focus()

        self.app.push_screen(FindRateScreen(to_table(self.checked.recipe), phase), use)

    # Saving the recipe

    def action_write(self) -> None:
        if self.checked is None or self.checked.recipe is None:
            self._go_to_error()
            return
        name = self.query_one("#write-name", Input)
        if not name.value:
            name.value = f"{self.checked.recipe.process.name}.toml"
        self._replacing = ""
        self.query_one("#write-bar").add_class("-open")
        name.focus()
        self._say(self.query_one("#train-help", Static), "⏎ writes the file, esc goes back to the form")

    @on(Input.Submitted, "#write-name")
    def _write_to(self, event: Input.Submitted) -> None:
        from spivae.training.recipe import to_toml

        if self.checked is None or self.checked.recipe is None or not event.value.strip():
            return
        path = Path(event.value.strip()).expanduser()
        if path.suffix != ".toml":
            path = path.with_name(f"{path.name}.toml")
        if path.exists() and self._replacing != str(path):
            self._replacing = str(path)
            self._say(
                self.query_one("#train-help", Static),
                f"{path} is there already; ⏎ again replaces it",
                bad=True,
            )
            return
        try:
            self.spivae.services.write_text(path, to_toml(self.checked.recipe))
        except SpivaeError as error:
            self.notify(str(error), severity="error", title="Not saved", markup=False)
            return
        self._as_loaded = dict(self.form.texts) if self.form is not None else {}
        self._close_write_bar()
        self.notify(f"{path}\nspivae train {path} trains it too.", title="Recipe saved", markup=False)

    def _close_write_bar(self) -> None:
        self.query_one("#write-bar").remove_class("-open")
        self._say(self.query_one("#train-help", Static), "")
        self.query_one("#source", Select).focus()

    def action_leave_field(self) -> None:
        if self.query_one("#write-bar").has_class("-open"):
            self._close_write_bar()
        else:
            self.set_focus(None)
            self._say(self.query_one("#train-help", Static), "Tab goes back to the fields.")
            self.refresh_bindings()

    def action_back(self) -> None:
        edited = self.form is not None and self.form.texts != self._as_loaded
        if edited and not self._leaving:
            self._leaving = True
            self.notify(
                "esc again leaves and forgets the changes; F3 saves them.", severity="warning", timeout=3
            )
            return
        self.app.pop_screen()
