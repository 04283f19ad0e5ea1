"""Analyses from Python: by a path, by a name, and of a model in memory."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

import spivae
from spivae import notebook
from spivae.errors import SpivaeError
from spivae.worker import session as sessions

FEW = {"per_cell": 2, "seed": 3}


@pytest.fixture(autouse=True)
def _new_session(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing is remembered from other tests, nor kept for them."""
    monkeypatch.setenv("SPIVAE_CACHE", "off")
    notebook._session.cache_clear()
    yield
    notebook._session.cache_clear()


@pytest.fixture
def predictions(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One entry for each time a model predicts."""
    made: list[int] = []
    real = sessions._predict

    def counted(model: object, dataset: object, step: object) -> object:
        made.append(1)
        return real(model, dataset, step)  # type: ignore[arg-type]

    monkeypatch.setattr(sessions, "_predict", counted)
    return made


def test_a_path_is_analyzed_in_one_call(tiny_checkpoint: Path) -> None:
    answer = spivae.analyze(tiny_checkpoint, "surface", {"latent": 1}, FEW)
    assert answer.process == "sbm"
    assert answer.trajectories == 12
    assert answer.result.arrays["mu"].shape == (2, 3, 2)
    assert answer.figure.panels[0].title.startswith("Latent 1")


def test_a_model_in_memory_says_the_same_as_its_file(tiny_checkpoint: Path) -> None:
    in_memory = spivae.load_checkpoint(tiny_checkpoint)
    for name in ("data", "output", "loss"):
        by_path = spivae.analyze(tiny_checkpoint, name, data=FEW)
        by_model = spivae.analyze(in_memory, name, data=FEW)
        assert str(by_model) == str(by_path)
        for key, array in by_path.result.arrays.items():
            np.testing.assert_array_equal(by_model.result.arrays[key], array)


def test_predictions_serve_all_analyses_until_the_weights_change(
    tiny_checkpoint: Path, predictions: list[int]
) -> None:
    checkpoint, model = spivae.load_checkpoint(tiny_checkpoint)
    first = spivae.analyze((checkpoint, model), "loss", data=FEW).result.scalars
    spivae.analyze((checkpoint, model), "output", data=FEW)
    assert len(predictions) == 1
    with torch.no_grad():
        next(iter(model.parameters())).mul_(1.5)
    assert spivae.analyze((checkpoint, model), "loss", data=FEW).result.scalars != first
    assert len(predictions) == 2
    spivae.analyze((checkpoint, model), "loss", data={**FEW, "seed": 4})
    assert len(predictions) == 3


def test_a_changed_header_counts_although_the_weights_are_the_same(
    tiny_checkpoint: Path, predictions: list[int]
) -> None:
    checkpoint, model = spivae.load_checkpoint(tiny_checkpoint)
    spivae.analyze((checkpoint, model), "data", data=FEW)
    checkpoint.metrics["beta"] = 0.25
    assert spivae.analyze((checkpoint, model), "data", data=FEW).result.scalars["beta"] == 0.25
    assert len(predictions) == 1
    checkpoint.ds_args["alpha"] = [0.5]
    assert spivae.analyze((checkpoint, model), "data", data=FEW).trajectories == 4
    assert len(predictions) == 2


def test_printing_an_answer_draws_it_and_its_repr_is_short(
    tiny_checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = spivae.analyze(tiny_checkpoint, "loss", data=FEW)
    assert repr(answer) == "<Answer 'Loss map': 3 panels of sbm, 12 trajectories; print it to draw it>"
    print(answer)
    text = capsys.readouterr().out
    assert text.startswith("Loss map")
    assert "NLL in time" in text
    assert "\x1b" not in text
    answer.show(width=60, height=20)
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= 60
    assert "NLL in time" in shown  # on a page of its own


def test_a_shown_answer_has_colours_on_a_terminal(
    tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = spivae.analyze(tiny_checkpoint, "loss", data=FEW)
    for name, value in (("TERM", "xterm-256color"), ("COLORTERM", "truecolor"), ("FORCE_COLOR", "1")):
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    answer.show(width=80)
    assert "\x1b[38" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nowhere", "loss"), "nowhere"),
        (("sbm", "lost"), "did you mean 'loss'"),
        (("sbm", "loss", {"tims": 1}), "option tims: unknown; this analysis has times"),
        (("sbm", "loss", {}, {"per_cell": 0}), "option per_cell: 0 is outside"),
    ],
)
def test_what_does_not_exist_is_refused_in_words(arguments: tuple[object, ...], message: str) -> None:
    with pytest.raises(SpivaeError, match=message):
        spivae.analyze(*arguments)  # type: ignore[arg-type]


def test_the_name_costs_nothing_until_it_is_used() -> None:
    code = "import sys, spivae; spivae.analyze; print('torch' in sys.modules, 'textual' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
