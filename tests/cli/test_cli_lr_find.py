"""`lr-find`: a plot with its suggestion, or one JSON document; what cannot be is said in one line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from spivae import blocks

SMALL = ("--steps", 12, "--threads", 1)


def test_the_loss_is_drawn_against_the_rate_with_the_suggestions_marked(spivae, tiny_recipe: Path) -> None:
    done = spivae("lr-find", tiny_recipe, "--steps", 60, "--threads", 1, "--width", 80)
    assert done.code == 0
    assert "learning rate" in done.out
    assert "valley" in done.out
    assert "steepest" in done.out
    assert done.out.splitlines()[-1].startswith("Suggested lr_max: ")
    assert max(map(len, done.out.splitlines())) <= 80


def test_data_are_made_with_the_threads_too(
    spivae, tiny_recipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "_most", None)
    spivae("lr-find", tiny_recipe, *SMALL)
    assert blocks._most == 1


def test_json_has_the_documented_keys(spivae, tiny_recipe: Path) -> None:
    found = spivae("lr-find", tiny_recipe, *SMALL, "--low", 1e-5, "--high", 1e-2, "--phase", 1, "--json").json
    assert set(found) == {
        "lrs", "losses", "smooth", "valley", "steepest", "steps", "stopped", "phase", "beta", "exported",
    }  # fmt: skip
    assert (found["steps"], found["phase"], found["beta"]) == (12, 1, 1e-3)
    assert found["lrs"][0] == pytest.approx(1e-5)
    assert len(found["losses"]) == len(found["lrs"]) == 12
    assert found["stopped"] == "finished"


def test_a_sweep_is_written_in_the_format_of_each_suffix(spivae, tiny_recipe: Path, tmp_path: Path) -> None:
    files = [tmp_path / f"sweep.{suffix}" for suffix in ("png", "svg", "pdf", "csv", "json", "npz", "txt")]
    given = [word for path in files for word in ("--export", path)]
    done = spivae("lr-find", tiny_recipe, *SMALL, "--high", 1e-2, *given)
    assert done.out.split() == [str(path) for path in files]
    assert [path.read_bytes()[:4] for path in files[:3]] == [b"\x89PNG", b"<?xm", b"%PDF"]
    written = json.loads(files[4].read_text())
    assert written["name"] == "lr-find"
    assert written["options"]["recipe"] == str(tiny_recipe)
    assert written["scalars"]["stopped"] == "finished"
    with np.load(files[5]) as arrays:
        np.testing.assert_allclose(arrays["losses"], written["arrays"]["losses"])
        assert len(arrays["lrs"]) == 12
    assert "learning rate" in files[3].read_text()
    assert "10⁻" in files[6].read_text()  # by a plugin, as of an analysis


def test_json_tells_what_was_written(spivae, tiny_recipe: Path, tmp_path: Path) -> None:
    path = tmp_path / "sweep.npz"
    done = spivae("lr-find", tiny_recipe, *SMALL, "--json", "--export", path)
    assert done.json["exported"] == [str(path)]
    assert path.exists()


def test_fields_of_the_recipe_are_set_and_the_recipe_stays(spivae, tiny_recipe: Path) -> None:
    before = tiny_recipe.read_bytes()
    arguments = ("lr-find", tiny_recipe, *SMALL, "--json")
    other = spivae(*arguments, "--set", "training.seed=3", "--set", "training.phase.0.beta=0.5").json
    assert other["beta"] == 0.5
    assert other["losses"] != spivae(*arguments).json["losses"]
    assert tiny_recipe.read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--steps", 5), "error: steps: needs at least 10, not 5"),
        (("--low", 1, "--high", 0.1), "error: low: 1 is not below high (0.1)"),
        (("--phase", 7), "error: phase: there is no phase 7; the recipe has phases 0 to 1"),
        (("--set", "training.phase=[]"), "error: recipe: training.phase: needs at least one phase"),
        (("--set", "process.name=nothing"), "error: "),
        (("--export", "sweep.doc"), "error: sweep.doc: its suffix names no format; there are .png"),
    ],
)
def test_what_cannot_be_is_refused_before_any_work(
    spivae, tiny_recipe: Path, arguments: tuple, message: str
) -> None:
    done = spivae("lr-find", tiny_recipe, *arguments)
    assert done.code == 2
    assert done.err.startswith(message)
    assert len(done.err.splitlines()) == 1


def test_a_recipe_that_is_not_there_is_named(spivae) -> None:
    done = spivae("lr-find", "no-such-recipe")
    assert done.code == 2
    assert "no-such-recipe: no such recipe" in done.err
