"""The form says what the recipe says, and gives it back; every error is shown at its field."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spivae.process import Parameter, Process
from spivae.training import recipe as recipes
from spivae.training.recipe import Recipe, parse
from spivae_tui.recipe_form import RecipeForm, locate, read, summarize, written

RECIPE = Path(__file__).parents[1] / "data" / "three_phases.toml"


class Walk(Process):
    name = "walk"
    parameters = (Parameter("D", 1e-4, 1e-1, scale="log", points=4), Parameter("v", -1.0, 1.0, points=3))


class Sbm(Process):
    name = "sbm"
    parameters = (Parameter("alpha", 0.2, 1.8, points=21), Parameter("D", 1e-5, 1e-2, scale="log", points=10))


def shipped_form() -> RecipeForm:
    return RecipeForm.from_recipe(recipes.load(RECIPE), Sbm())


def test_the_shipped_recipe_comes_back_from_the_form_as_it_was() -> None:
    assert shipped_form().check().recipe == recipes.load(RECIPE)


def test_a_recipe_of_defaults_gets_the_grid_of_its_process() -> None:
    recipe = RecipeForm.from_recipe(Recipe(), Sbm()).check().recipe
    assert recipe is not None
    assert recipe.process.grid["alpha"].n == 21
    assert recipe.process.grid["D"].scale == "log"
    assert recipe.model == {}


def test_arguments_of_the_model_that_were_typed_are_in_the_recipe() -> None:
    form = shipped_form()
    form.texts["model.nf"] = "4, 4"
    form.texts["model.use_pad"] = "yes"
    recipe = form.check().recipe
    assert recipe is not None
    assert recipe.model_args.nf == (4, 4)
    assert recipe.model_args.use_pad


def test_a_beta_that_grows_is_typed_as_two_numbers() -> None:
    form = shipped_form()
    form.texts["training.phase.0.beta"] = "1e-4, 1/400"
    recipe = form.check().recipe
    assert recipe is not None
    assert recipe.training.phase[0].betas == (1e-4, 0.0025)
    again = RecipeForm.from_recipe(recipe, None)
    assert again.texts["training.phase.0.beta"] == "1e-4, 0.0025"
    assert again.check().recipe == recipe


def test_another_architecture_comes_with_its_own_arguments() -> None:
    form = shipped_form()
    form.texts["model.z_dim"] = "3"
    form.choose_architecture("scaled-wavenet-vae")
    assert "model.nf" not in form.texts
    assert form.texts["model.knots"] == "40"
    form.texts["model.typical"] = "0.1"
    recipe = form.check().recipe
    assert recipe is not None
    assert recipe.model == {"architecture": "scaled-wavenet-vae", "typical": 0.1}
    form.choose_architecture("wavenet-vae")
    recipe = form.check().recipe
    assert recipe is not None
    assert recipe.model == {"architecture": "wavenet-vae"}


@pytest.mark.parametrize(
    ("path", "typed", "reason"),
    [
        ("training.phase.1.epochs", "-3", "needs at least 1"),
        ("training.phase.2.beta", "strong", "needs a number"),
        ("training.phase.0.lr_max", "2", "between 0 and 1"),
        ("dataset.validation", "1.5", "fraction between 0 and 1"),
        ("dataset.steps", "", "needs a value"),
        ("dataset.steps", "20", "receptive field"),
        ("process.grid.D.low", "0", "log scale"),
        ("process.grid.alpha.low", "1.9", "above high"),
        ("process.grid.alpha.n", "0", "at least 1"),
        ("model.c_channels", "3", "must be 0 or nc_out"),
        ("model.nf", "4; 4", "whole numbers"),
        ("model.layer_size", "12", "receptive field"),
        ("training.batch", "2.5", "whole number"),
        ("training.batch", "90000", "more than the 80010 training trajectories"),
        ("training.phase.0.beta", "1e-4, 1e-3, 1e-2", "array"),
    ],
)
def test_an_error_is_shown_at_its_field(path: str, typed: str, reason: str) -> None:
    form = shipped_form()
    form.texts[path] = typed
    checked = form.check()
    assert checked.recipe is None
    assert checked.first is not None
    field, words = checked.first
    assert field == path or (path == "model.layer_size" and field == "dataset.steps")
    assert reason in words


def test_beta_may_be_typed_as_a_fraction() -> None:
    form = shipped_form()
    form.texts["training.phase.0.beta"] = "1/367"
    recipe = form.check().recipe
    assert recipe is not None
    assert recipe.training.phase[0].beta == pytest.approx(recipe.model_args.true_beta)


def test_another_process_brings_its_own_grid() -> None:
    form = shipped_form()
    form.choose_process(Walk())
    recipe = form.check().recipe
    assert recipe is not None
    assert recipe.process.name == "walk"
    assert list(recipe.process.grid) == ["D", "v"]


def test_a_new_phase_is_a_copy_of_the_one_before_and_half_typed_texts_stay() -> None:
    form = shipped_form()
    form.texts["training.phase.1.beta"] = "1e"
    assert form.add_phase(1) == 2
    assert form.phases == 4
    assert form.texts["training.phase.2.beta"] == "1e"
    assert form.texts["training.phase.3.beta"] == "4e-3"


def test_the_last_phase_cannot_be_removed() -> None:
    form = shipped_form()
    for _ in range(5):
        form.remove_phase(0)
    assert form.phases == 1
    assert form.texts["training.phase.0.beta"] == "4e-3"


def test_keys_without_a_field_are_kept() -> None:
    recipe = parse({"model": {"out_distribution": "Normal", "architecture": "wavenet-vae"}})
    assert RecipeForm.from_recipe(recipe, Sbm()).check().recipe.model == recipe.model  # type: ignore[union-attr]


def test_an_error_of_no_field_is_not_put_at_one() -> None:
    assert locate("recipe: model.architecture: 'x' is unknown", ["dataset.steps"])[0] == ""


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_is_written_so_that_it_reads_back(value: float) -> None:
    assert read("float", written(value)) == value


@given(st.lists(st.integers(-5, 10**6), min_size=1, max_size=6))
def test_a_list_is_written_so_that_it_reads_back(values: list[int]) -> None:
    assert read("ints", written(values)) == values


@given(st.text(max_size=20))
def test_whatever_is_typed_is_read_or_refused_with_a_reason(typed: str) -> None:
    for kind in ("int", "float", "ints"):
        reason = None
        try:
            read(kind, typed)  # type: ignore[arg-type]
        except ValueError as error:
            reason = str(error)
        assert reason != ""


def test_small_numbers_are_written_short() -> None:
    assert [written(value) for value in (1e-3, 4e-3, 0.2, 1.0, 1e-5, 0.05)] == [
        "1e-3",
        "4e-3",
        "0.2",
        "1",
        "1e-5",
        "0.05",
    ]


def test_the_summary_counts_as_training_does() -> None:
    from spivae.training.data import TrainingData
    from spivae_plugins.sbm import ScaledBrownianMotion

    recipe = parse({
        "process": {"grid": {
            "alpha": {"low": 0.5, "high": 1.5, "n": 3},
            "D": {"low": 1e-3, "high": 1e-2, "n": 2},
        }},
        "dataset": {"steps": 40, "trajectories": 1000},
        "training": {"batch": 32, "phase": [{"epochs": 2}, {"epochs": 1}]},
    })  # fmt: skip
    data, summary = TrainingData.prepare(recipe, ScaledBrownianMotion()), summarize(recipe)
    assert summary.steps == 3 * data.steps_per_epoch
    assert summary.train == data.size
    assert summary.validation == len(data.validation)


def test_the_summary_knows_the_size_of_the_default_network() -> None:
    summary = summarize(recipes.load(RECIPE))
    assert summary.parameters == 262_885
    assert summary.receptive_field == 32
    assert summary.predicted == 367
