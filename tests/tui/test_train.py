"""Train: the form says at once what is wrong and what a recipe amounts to, and starts it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import fakes
import msgspec
import pytest
import runs
from textual.pilot import Pilot
from textual.widgets import Button, Input, Select, Static

from spivae.errors import WorkFailed
from spivae.process import Parameter, Process
from spivae.slurm.options import Options
from spivae.training import recipe as recipes
from spivae.training.processes import Processes
from spivae.training.recipe import Recipe
from spivae_tui.app import SpivaeApp
from spivae_tui.recipe_sources import find
from spivae_tui.screens.live import LiveRunScreen
from spivae_tui.screens.train import TrainScreen
from spivae_tui.services import Services
from spivae_tui.where_form import Where, WhereForm, run_folder
from spivae_tui.widgets.form_line import Choice, FormLine, Typed

RECIPE = Path(__file__).parents[1] / "data" / "three_phases.toml"


class Sbm(Process):
    name, title = "sbm", "Scaled Brownian motion"
    parameters = (Parameter("alpha", 0.2, 1.8, points=21), Parameter("D", 1e-5, 1e-2, scale="log", points=10))


class Walk(Process):
    name, title = "walk", "A biased walk"
    parameters = (Parameter("v", -1.0, 1.0, points=5),)


class TrainApp(SpivaeApp):
    """The app, opened on the form; trainings are not started but noted."""

    def __init__(self, folder: Path, outcome: Exception | None = None, **look: Any) -> None:
        self.launched: list[Recipe] = []
        self.places: list[Where] = []
        self.slurm: Options | None = None
        self.told: list[str] = []
        self.written: dict[str, str] = {}
        self.run_folder = folder / "runs"

        def launch(recipe: Recipe, where: Where) -> Any:
            if outcome is not None:
                raise outcome
            self.launched.append(recipe)
            self.places.append(where)
            return runs.make_run(self.run_folder, 5)

        services = Services(
            scan=fakes.nothing,
            plugins=lambda: SimpleNamespace(processes={"sbm": Sbm(), "walk": Walk()}),  # type: ignore[arg-type,return-value]
            launch=launch,
            slurm_options=lambda: self.slurm,
            write_text=lambda path, text: self.written.__setitem__(str(path), text),
            now=lambda: runs.NOW,
        )
        super().__init__([], services=services, **look)
        self.models = folder / "models"
        self.models.mkdir()
        shutil.copy(RECIPE, self.models / "sbm.toml")

    def notify(self, message: str, **more: Any) -> None:
        self.told.append(message)
        super().notify(message, **more)

    def on_mount(self) -> None:
        self.push_screen(TrainScreen([self.models / "sbm.toml"]))


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TrainApp:
    monkeypatch.chdir(tmp_path)
    return TrainApp(tmp_path)


async def shown(pilot: Pilot[Any]) -> TrainScreen:
    """Wait until the form is on the screen."""
    app = pilot.app
    await fakes.until(pilot, lambda: isinstance(app.screen, TrainScreen) and app.screen.checked is not None)
    assert isinstance(app.screen, TrainScreen)
    return app.screen


async def enter(pilot: Pilot[Any], path: str, text: str) -> None:
    """Type a text into a field, in place of what is there."""
    screen = pilot.app.screen
    assert isinstance(screen, TrainScreen)
    control = screen.body.control(path)
    assert isinstance(control, Typed)
    control.focus()
    await pilot.pause()
    await pilot.press("end", *["backspace"] * len(control.value), *text)
    await pilot.pause()


def summary(screen: TrainScreen) -> str:
    return str(screen.query_one("#train-summary", Static).content)


async def test_the_form_shows_the_shipped_recipe_and_what_it_amounts_to(app: TrainApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await shown(pilot)
        assert summary(screen).startswith(
            "16 epochs = 4,992 steps of 256 · 262,885 parameters · sees 32 steps back"
        )
        assert screen.checked is not None
        assert screen.checked.recipe == recipes.load(RECIPE)
        assert [str(cell.content) for cell in screen.query(".true-beta").results(Static)] == [
            "0.0367",
            "0.367",
            "1.47",
        ]


async def test_an_error_is_shown_at_its_field_while_it_is_typed_and_goes_when_it_is_mended(
    app: TrainApp,
) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await shown(pilot)
        await enter(pilot, "training.phase.1.epochs", "-4")
        control = screen.body.control("training.phase.1.epochs")
        assert control is not None
        assert control.has_class("-wrong")
        line = next(node for node in control.ancestors if isinstance(node, FormLine))
        assert "needs at least 1" in str(line.query_one(".line-error", Static).content)
        assert summary(screen).startswith("training.phase.1.epochs: needs at least 1")
        assert screen.query_one("#start", Button).disabled
        await enter(pilot, "training.phase.1.epochs", "4")
        assert not control.has_class("-wrong")
        assert not screen.query_one("#start", Button).disabled


async def test_a_smaller_network_is_counted_at_once(app: TrainApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await shown(pilot)
        await enter(pilot, "model.layer_size", "2")
        assert "sees 8 steps back" in summary(screen)
        assert str(screen.query_one(".column-name.units", Static).content) == "×1/391"


async def test_a_beta_that_grows_is_seen_whole(app: TrainApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await shown(pilot)
        await enter(pilot, "training.phase.1.beta", "1.8e-3, 2.5e-3")
        control = screen.body.control("training.phase.1.beta")
        assert control is not None
        await fakes.until(pilot, lambda: control.content_size.width > len("1.8e-3, 2.5e-3"))
        removers = list(screen.query(".remove"))
        assert removers
        assert all(screen.phases.region.contains_region(remover.region) for remover in removers)
        await enter(pilot, "training.phase.1.beta", "4e-3")
        await fakes.until(pilot, lambda: screen.query_one(".true-beta").display)


async def test_starting_trains_the_recipe_and_goes_to_its_run(app: TrainApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await shown(pilot)
        await enter(pilot, "training.phase.0.beta", "1/367")
        await pilot.press("f2")
        await started(app)
        assert app.launched[0].training.phase[0].beta == pytest.approx(1 / 367)
        assert not any(isinstance(screen, TrainScreen) for screen in app.screen_stack)


def place_of(screen: TrainScreen) -> str:
    """The line that says where it is going to run."""
    return str(screen.query_one("#where-words", Static).content)


async def started(app: TrainApp) -> None:
    await fakes.becomes(lambda: isinstance(app.screen, LiveRunScreen) and app.screen.is_mounted)


async def test_a_training_runs_here_in_runs_unless_one_says_otherwise(app: TrainApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await shown(pilot)
        assert place_of(screen) == "here, detached, in runs"
        assert not screen.query_one("#where-fields").display
        assert screen.body.control("where.slurm") is None
        await pilot.press("f2")
        await started(app)
        assert app.places == [Where(processes=Processes(1))]


async def test_folder_processes_threads_and_device_are_chosen_in_the_form(app: TrainApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await shown(pilot)
        await pilot.press("f8")
        await pilot.pause()
        assert getattr(screen.focused, "path", "") == "where.run_dir"
        for path, text in (("run_dir", "/data/runs"), ("nproc", "2"), ("threads", "3"), ("device", "cpu")):
            await enter(pilot, f"where.{path}", text)
        assert place_of(screen) == "here, detached, in /data/runs, 2 processes, 3 threads, cpu"
        await pilot.press("f8")
        await pilot.pause()
        assert not screen.query_one("#where-fields").display
        await pilot.press("f2")
        await started(app)
        assert app.places == [Where(Path("/data/runs"), Processes(2), 3, "cpu")]


@pytest.mark.parametrize(
    ("path", "text", "reason"),
    [
        ("where.nproc", "0", "needs at least 1"),
        ("where.nproc", "300", "300 processes cannot share a batch of 256"),
        ("where.threads", "0", "needs at least 1"),
        ("where.device", "gpu", "is not auto, cpu, cuda"),
        ("where.run_dir", "", "needs a folder"),
        ("where.slurm.time", "soon", "is not what it takes"),
    ],
)
async def test_a_place_that_cannot_be_had_is_an_error_at_its_field(
    app: TrainApp, path: str, text: str, reason: str
) -> None:
    app.slurm = Options(partition="gpu")
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await shown(pilot)
        await pilot.press("f8")
        await pilot.pause()
        if "slurm" in path:
            await pilot.press("space")  # by Slurm: yes
            await pilot.pause()
        await enter(pilot, path, text)
        assert summary(screen).startswith(f"{path}: ")
        assert reason in summary(screen)
        assert screen.query_one("#start", Button).disabled
        await pilot.press("f2")
        await pilot.pause()
        assert screen.focused is screen.body.control(path)
        assert app.launched == []


async def test_an_empty_field_can_be_seen_where_fields_have_no_background(app: TrainApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await shown(pilot)
        app.theme = "ansi-dark"
        await pilot.press("f8")
        await pilot.pause()
        empty = screen.body.control("where.threads")
        assert empty is not None
        assert empty.render_line(0).text.strip() == "–"


@pytest.mark.parametrize("theme", ["spivae-dark", "ansi-dark", "ansi-light"])
async def test_the_chosen_recipe_is_written_in_the_colour_of_the_cursor(theme: str, tmp_path: Path) -> None:
    async with TrainApp(tmp_path, theme=theme).run_test(size=(80, 24)) as pilot:
        screen = await shown(pilot)
        chosen = screen.query_one("#source", Select)
        assert chosen.has_focus
        label, start = chosen.query_one("#label"), screen.query_one("#start")
        assert label.styles.color == start.styles.color
        assert chosen.gutter.width == 0  # no other colour at its sides


async def test_a_job_of_slurms_has_its_defaults_from_the_settings(app: TrainApp) -> None:
    app.slurm = Options(partition="gpu", time="90", setup=("module load cuda",))
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await shown(pilot)
        await pilot.press("f8")
        await pilot.pause()
        assert not screen.query_one("#job-fields").display
        await pilot.press("space")
        await pilot.pause()
        assert screen.query_one("#job-fields").display
        assert place_of(screen) == "by Slurm, in runs"
        await enter(pilot, "where.slurm.time", "2:00:00")
        await enter(pilot, "where.nnodes", "2")
        await pilot.press("f2")
        await started(app)
        [place] = app.places
        assert place.slurm == Options(partition="gpu", time="2:00:00", setup=("module load cuda",))
        assert place.processes == Processes(1, 2, in_job=True)


@pytest.mark.parametrize(
    ("typed", "given"),
    [
        ({}, {}),
        ({"setup": "module load a; echo 'x;y' ;"}, {"setup": ("module load a", "echo 'x;y'")}),
        ({"setup": ""}, {"setup": ()}),
        ({"sbatch": "--constraint=avx512; --exclusive"}, {"sbatch": ("--constraint=avx512", "--exclusive")}),
    ],
)
def test_the_form_of_a_job_has_all_options_and_keeps_those_that_are_left_alone(
    typed: dict[str, str], given: dict[str, Any]
) -> None:
    configured = Options(time="90", cpus=4, requeue=False, setup=("a; b", "c  # d; e"))
    form = WhereForm(slurm=configured)
    assert {spec.label for spec in form.job_fields} == {"machines", *Options.__struct_fields__}
    form.texts["where.slurm"] = "yes"
    form.texts |= {f"where.slurm.{name}": text for name, text in typed.items()}
    place, errors = form.check(None)
    assert not errors
    assert place is not None
    assert place.slurm == msgspec.structs.replace(configured, **given)


def test_an_option_that_is_none_is_marked_in_its_field() -> None:
    form = WhereForm(slurm=Options())
    form.texts |= {"where.slurm": "yes", "where.slurm.sbatch": "constraint=avx512"}
    place, errors = form.check(None)
    assert place is None
    assert list(errors) == ["where.slurm.sbatch"]


def test_the_place_is_what_is_launched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    for module in ("launch", "slurm"):
        monkeypatch.setattr(
            f"spivae.training.{module}.launch", lambda *given, **how: asked.append((*given, how))
        )
    here = Where(tmp_path, Processes(2), 3, "cpu")
    how = {"threads": 3, "processes": Processes(2), "device": "cpu"}
    Services().launch(recipes.Recipe(), here)
    Services().launch(recipes.Recipe(), replace(here, slurm=Options(time="90")))
    assert asked == [
        (recipes.Recipe(), tmp_path, how),
        (recipes.Recipe(), tmp_path, Options(time="90"), how),
    ]


def test_runs_go_where_runs_are(tmp_path: Path) -> None:
    runs.make_run(tmp_path / "mine", 1)
    assert run_folder([tmp_path, tmp_path / "mine"]) == tmp_path / "mine"
    assert run_folder([tmp_path, tmp_path / "missing"]) == Path("runs")


def test_slurm_is_offered_where_it_can_be_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert Services().slurm_options() is None
    (tmp_path / "spivae").mkdir()
    (tmp_path / "spivae" / "config.toml").write_text('[slurm]\npartition = "gpu"\n')
    assert Services().slurm_options() == Options(partition="gpu")
    (tmp_path / "spivae" / "config.toml").unlink()
    (tmp_path / "sbatch").touch(0o755)
    assert Services().slurm_options() == Options()


async def test_a_wrong_recipe_is_not_started_but_its_field_gets_the_cursor(app: TrainApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await shown(pilot)
        await enter(pilot, "dataset.validation", "2")
        await pilot.press("escape", "s")
        await pilot.pause()
        assert app.launched == []
        assert screen.focused is screen.body.control("dataset.validation")


async def test_a_start_that_fails_says_why_and_can_be_tried_again(tmp_path: Path) -> None:
    app = TrainApp(tmp_path, WorkFailed("runs: cannot be made (Permission denied); choose another --run-dir"))
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await shown(pilot)
        await pilot.press("s")
        await fakes.until(pilot, lambda: any("Permission denied" in words for words in app.told))
        await fakes.until(pilot, lambda: not screen.query_one("#start", Button).disabled)


async def test_phases_are_added_and_removed_by_key(app: TrainApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await shown(pilot)
        await pilot.press("f6")
        await pilot.pause()
        assert len(list(screen.phases.lines)) == 4
        assert getattr(screen.focused, "path", "") == "training.phase.3.epochs"
        assert summary(screen).startswith("25 epochs")
        await pilot.press("f7", "f7", "f7", "f7")
        await pilot.pause()
        assert len(list(screen.phases.lines)) == 1


async def test_a_click_on_the_cross_removes_that_phase(app: TrainApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await shown(pilot)
        await pilot.click(screen.query(".remove").first())
        await pilot.pause()
        assert screen.form is not None
        assert [screen.form.texts[f"training.phase.{index}.beta"] for index in range(2)] == ["1e-3", "4e-3"]


async def test_another_process_brings_its_grid(app: TrainApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await shown(pilot)
        screen.query_one("#process", Select).value = "walk"
        await pilot.pause()
        await pilot.pause()
        assert screen.checked is not None
        assert screen.checked.recipe is not None
        assert list(screen.checked.recipe.process.grid) == ["v"]
        assert screen.body.control("process.grid.v.low") is not None
        assert screen.body.control("process.grid.alpha.low") is None


async def test_arrows_go_from_line_to_line_and_space_changes_a_choice(app: TrainApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await shown(pilot)
        first = screen.body.control("process.grid.alpha.low")
        assert first is not None
        first.focus()
        await pilot.press("down")
        assert getattr(screen.focused, "path", "") == "process.grid.D.low"
        await pilot.press("down")
        assert getattr(screen.focused, "path", "").startswith("training.phase.0.")
        fresh = screen.body.control("dataset.fresh")
        assert isinstance(fresh, Choice)
        fresh.focus()
        await pilot.press("space")
        await pilot.pause()
        assert screen.checked is not None
        assert screen.checked.recipe is not None
        assert not screen.checked.recipe.dataset.fresh


async def test_the_recipe_is_written_to_a_file_and_an_old_one_is_only_replaced_when_asked(
    app: TrainApp, tmp_path: Path
) -> None:
    (tmp_path / "sbm.toml").write_text("old")
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await shown(pilot)
        await enter(pilot, "training.batch", "128")
        await pilot.press("f3")
        assert screen.query_one("#write-name", Input).value == "sbm.toml"
        await pilot.press("enter")
        await pilot.pause()
        assert app.written == {}
        await pilot.press("enter")
        await pilot.pause()
        assert recipes.parse_text(app.written["sbm.toml"], "sbm.toml").training.batch == 128


async def test_changes_are_not_lost_to_one_escape(app: TrainApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await shown(pilot)
        await enter(pilot, "training.batch", "128")
        await pilot.press("escape", "escape")
        assert isinstance(app.screen, TrainScreen)
        await pilot.press("escape")
        assert not isinstance(app.screen, TrainScreen)


async def test_an_untouched_form_is_left_at_once(app: TrainApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await shown(pilot)
        await pilot.press("escape")
        assert not isinstance(app.screen, TrainScreen)


async def test_a_broken_recipe_is_told_and_the_defaults_stand_in(app: TrainApp) -> None:
    (app.models / "sbm.toml").write_text("[[training.phase]]\nepochs = -1\n")
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await shown(pilot)
        assert any("training.phase.0.epochs" in words for words in app.told)
        assert screen.checked is not None
        assert screen.checked.recipe is not None


def test_recipes_are_found_once_and_other_toml_files_are_not(tmp_path: Path) -> None:
    run = runs.make_run(tmp_path / "runs", 1)
    shutil.copy(RECIPE, tmp_path / "mine.toml")
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "x"\n')
    (tmp_path / "empty.toml").write_text("")
    found = find([tmp_path / "mine.toml", run.recipe_path], [tmp_path / "runs"], tmp_path)
    assert [source.label for source in found] == [f"{tmp_path.name}/mine.toml", f"run {run.id}"]


def test_recipes_in_folders_of_one_name_are_told_apart(tmp_path: Path) -> None:
    paths = [tmp_path / place / "models" / f"{name}.toml" for place in "ab" for name in ("sbm", place)]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(RECIPE, path)
    labels = [source.label for source in find(paths, [], tmp_path)]
    assert labels == [str(paths[0]), "models/a.toml", str(paths[2]), "models/b.toml"]


@pytest.mark.parametrize("size", [(80, 24), (160, 48)])
def test_the_form_looks_cared_for(
    snap_compare: Callable[..., bool], app: TrainApp, size: tuple[int, int]
) -> None:
    async def ready(pilot: Pilot[Any]) -> None:
        await shown(pilot)

    assert snap_compare(app, terminal_size=size, run_before=ready)


def test_a_mistake_in_the_form_looks_cared_for(snap_compare: Callable[..., bool], app: TrainApp) -> None:
    async def ready(pilot: Pilot[Any]) -> None:
        await shown(pilot)
        await enter(pilot, "training.phase.1.beta", "-1")

    assert snap_compare(app, terminal_size=(80, 24), run_before=ready)
