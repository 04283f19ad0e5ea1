"""The shipped models are what their cards and recipes say."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import pytest

from spivae.checkpoint import read_header, resolve
from spivae.checkpoint.load import load_checkpoint
from spivae.evaluation import compare
from spivae.plugins import load_plugins
from spivae.training.data import recipe_grid
from spivae.training.recipe import load, parse

MODELS = Path(__file__).parents[1] / "models"
SHIPPED = sorted(MODELS.glob("*.safetensors"))
sys.path.insert(0, str(MODELS))
import cards  # noqa: E402

every_model = pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)


def said(path: Path) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    return answer


def test_there_are_models_to_open() -> None:
    assert [path.stem for path in SHIPPED] == ["bm", "fbm", "sbm-seed", "sbm"]
    assert resolve("sbm").samefile(MODELS / "sbm.safetensors")
    assert resolve("models/sbm").samefile(MODELS / "sbm.safetensors")


@every_model
def test_a_shipped_model_was_made_by_the_recipe_beside_it(path: Path) -> None:
    header = read_header(path)
    assert parse(header.recipe) == load(path.with_suffix(".toml"))
    assert path.stat().st_size < 2 * 2**20
    assert header.history[-1]["nll"] == header.metrics["nll"]
    assert len(header.history) == parse(header.recipe).epochs


@every_model
def test_a_card_is_of_this_model_and_stands_in_the_readme(path: Path) -> None:
    found = said(path)
    assert found["sha256"] == cards.digest(path.stem)
    text = cards.README.read_text(encoding="utf-8")
    assert cards.written(text, path.stem, found) == text


@pytest.mark.parametrize("path", sorted(MODELS.glob("*.toml")), ids=lambda path: path.stem)
def test_every_recipe_is_valid(path: Path) -> None:
    recipe = load(path)
    process = load_plugins().process(recipe.process.name)
    assert len(recipe_grid(recipe, process).cells) > 1


@every_model
@pytest.mark.parametrize(
    "n", [630, pytest.param(20_000, marks=pytest.mark.full)], ids=["toy size", "full size"]
)
def test_a_model_is_as_good_as_its_card_says(path: Path, n: int) -> None:
    checkpoint, model = load_checkpoint(path)
    process = load_plugins().process(checkpoint.process)
    # another seed than the card's: the trajectories are others too
    bound = compare(model, process, recipe_grid(parse(checkpoint.recipe), process), n, seed=5).bound
    card = said(path)
    error = math.hypot(bound.neg_elbo.error, card["neg_elbo_se"])
    assert abs(bound.neg_elbo.value - card["neg_elbo"]) < 4 * error
    assert bound.surviving == card["surviving"] == checkpoint.metrics["surviving"]
    assert len(card["surviving"]) == (1 if path.stem == "bm" else 2)
