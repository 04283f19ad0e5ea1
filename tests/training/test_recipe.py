"""Recipes: defaults, errors that name the field, overrides and the TOML round trip."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spivae.errors import SpivaeError
from spivae.training.recipe import (
    DatasetTable,
    GridAxis,
    Phase,
    ProcessTable,
    Recipe,
    TrainingTable,
    load,
    parse_text,
    to_toml,
    with_overrides,
)


def test_every_key_has_a_default() -> None:
    assert parse_text("", "empty.toml") == Recipe()
    assert Recipe().model_args.o_dim == 399


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("trainig = 1", "trainig: unknown key"),
        ("[training]\nbatsh = 1", "training.batsh: unknown key"),
        ("[[training.phase]]\nepochs = -1", "training.phase.0.epochs: needs at least 1, not -1"),
        (
            "[training]\nphase = [{}, {beta = 'x'}]",
            "training.phase.1.beta: Expected `float | array`, got `str`",
        ),
        ("[training]\nphase = [{beta = inf}]", "training.phase.0.beta: needs at least 0, not inf"),
        ("[training]\nphase = []", "training.phase: needs at least one phase"),
        ("[training]\nbatch = 0", "training.batch: needs at least 1, not 0"),
        ("[model]\nz_dim = 0", "model.z_dim: needs at least 1, not 0"),
        ("[model]\ndropout = 0.1", "model.dropout: unknown key"),
        ("[model]\nlayer_size = 9", "dataset.steps: 399 displacements must exceed the receptive field"),
        ("[model]\narchitecture = 'cnn'", "model.architecture: architecture 'cnn' is not known"),
        ("[model]\no_dim = 100", "model.o_dim: 100 differs from dataset.steps"),
        ("[dataset]\nvalidation = 1.0", "dataset.validation: needs a fraction"),
        ("[process.grid.D]\nlow = 0\nhigh = 1\nn = 3\nscale = 'log'", "a log scale needs more than 0"),
        ("[process.grid.D]\nlow = 0\nhigh = inf\nn = 3", "high: needs a finite number, not inf"),
        ("[training]\nseed = -1", "training.seed: needs a number from 0 to 18446744073709551615, not -1"),
        ("[dataset]\nseed = 18446744073709551616", "dataset.seed: needs a number from 0 to 1844"),
        ("[process]\nname = ", "not valid TOML"),
    ],
)
def test_what_is_wrong_is_named_with_its_path(text: str, message: str) -> None:
    with pytest.raises(SpivaeError) as caught:
        parse_text(text, "mine.toml")
    assert str(caught.value).startswith("mine.toml: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(SpivaeError, match="no such recipe"):
        load(tmp_path / "missing.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(SpivaeError, match=r"binary\.toml: not a readable recipe"):
        load(tmp_path / "binary.toml")


def test_overrides_replace_by_path_and_append() -> None:
    recipe = with_overrides(
        Recipe(),
        {
            "training.phase.1.beta": "1e-3",
            "process.name": "fbm",
            "model.nf": "[8, 8]",
            "process.grid.D": "{low = 1e-4, high = 1e-2, n = 3, scale = 'log'}",
        },
    )
    assert [phase.beta for phase in recipe.training.phase] == [0.0, 1e-3]
    assert recipe.process.name == "fbm"
    assert recipe.model_args.nf == (8, 8)
    assert recipe.process.grid["D"].n == 3


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("training.phase.3.beta", "needs an index from 0 to 1"),
        ("training.batch.x", "batch is a value, not a table"),
        ("training.foo", "training.foo: unknown key"),
    ],
)
def test_overrides_that_lead_nowhere_are_refused(path: str, message: str) -> None:
    with pytest.raises(SpivaeError, match=message):
        with_overrides(Recipe(), {path: "1"})


positive = st.floats(1e-6, 0.9)
axes = st.builds(
    GridAxis,
    low=st.floats(1e-6, 1),
    high=st.floats(1, 10),
    n=st.integers(1, 30),
    scale=st.sampled_from(["linear", "log"]),
)
recipes = st.builds(
    Recipe,
    process=st.builds(
        ProcessTable, name=st.text(max_size=8), grid=st.dictionaries(st.text(max_size=5), axes, max_size=2)
    ),
    dataset=st.builds(
        DatasetTable,
        steps=st.integers(50, 500),
        trajectories=st.integers(1, 10**6),
        validation=positive,
        fresh=st.booleans(),
        file=st.none() | st.text(min_size=1, max_size=9),
        seed=st.integers(0, 2**31),
    ),
    model=st.fixed_dictionaries({}, optional={"z_dim": st.integers(1, 9), "num_mixtures": st.integers(1, 3)}),
    training=st.builds(
        TrainingTable,
        batch=st.integers(1, 999),
        clip=positive,
        phase=st.lists(st.builds(Phase, st.integers(1, 99), positive, positive), min_size=1, max_size=4).map(
            tuple
        ),
    ),
)


@settings(max_examples=60, deadline=None)
@given(recipes)
def test_a_recipe_survives_toml(recipe: Recipe) -> None:
    assert parse_text(to_toml(recipe), "round.toml") == recipe
