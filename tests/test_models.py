"""The shipped models are what their cards and recipes say."""

from __future__ import annotations

from pathlib import Path

import pytest

from spivae.checkpoint import read_header, resolve
from spivae.checkpoint.load import load_checkpoint
from spivae.evaluation import evaluate
from spivae.plugins import load_plugins
from spivae.training.data import recipe_grid
from spivae.training.recipe import load, parse

MODELS = Path(__file__).parents[1] / "models"
SHIPPED = sorted(MODELS.glob("*.safetensors"))


def test_there_is_a_model_to_open() -> None:
    assert [path.stem for path in SHIPPED] == ["sbm"]
    assert resolve("sbm").samefile(MODELS / "sbm.safetensors")
    assert resolve("models/sbm").samefile(MODELS / "sbm.safetensors")


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_model_was_made_by_the_recipe_beside_it(path: Path) -> None:
    header = read_header(path)
    assert parse(header.recipe) == load(path.with_suffix(".toml"))
    assert path.stat().st_size < 2 * 2**20
    assert header.history[-1]["nll"] == header.metrics["nll"]
    assert len(header.history) == parse(header.recipe).epochs


@pytest.mark.parametrize("path", sorted(MODELS.glob("*.toml")), ids=lambda path: path.stem)
def test_every_recipe_is_valid(path: Path) -> None:
    recipe = load(path)
    process = load_plugins().process(recipe.process.name)
    assert len(recipe_grid(recipe, process).cells) > 1


@pytest.mark.parametrize(
    "n", [630, pytest.param(20_000, marks=pytest.mark.full)], ids=["toy size", "full size"]
)
def test_the_sbm_model_is_as_good_as_its_card_says(n: int) -> None:
    checkpoint, model = load_checkpoint(MODELS / "sbm.safetensors")
    process = load_plugins().process("sbm")
    found = evaluate(model, process, recipe_grid(parse(checkpoint.recipe), process), n, seed=12345)
    neg_elbo = found.bound.neg_elbo
    assert neg_elbo.value < -2.28 + 4 * neg_elbo.error
    assert abs(neg_elbo.value - checkpoint.metrics["neg_elbo"]) < 5 * neg_elbo.error
    assert found.surviving == checkpoint.metrics["surviving"]
    assert len(found.surviving) == 2
