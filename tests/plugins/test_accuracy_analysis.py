"""Accuracy: what latents know beside the best, on real models, and what is said where no limit is known."""

import json

import numpy as np
import pytest
from analysis_contexts import ThreeParameters

from spivae.api import Context, Line, Points, Text
from spivae.checkpoint.load import load_checkpoint
from spivae.figure.spec import decode, encode
from spivae.plugins import load_plugins
from spivae.worker.session import Session
from spivae_plugins.accuracy import AccuracyAnalysis, panel_of

ACCURACY = AccuracyAnalysis()


@pytest.fixture(scope="module")
def answer():
    return Session(load_plugins(), threads=1).analyze("sbm", "accuracy", {"n": 600})


@pytest.fixture(scope="module")
def estimators(answer):
    """The accuracy of each estimator by its name."""
    return answer.result.scalars["accuracy"]


def of_model(path, process=None, **options):
    checkpoint, model = load_checkpoint(path)
    process = process or load_plugins().process(checkpoint.process)
    context = Context(checkpoint, process, options=ACCURACY.options(**options), model=model)
    return ACCURACY.compute(context)


def test_the_bayes_mean_is_the_best_and_the_latents_are_judged_by_it(estimators):
    best = estimators["Bayes posterior mean"]
    assert best["alpha"]["efficiency"] == best["lnD"]["efficiency"] == 1
    assert best["alpha"]["mae"] == pytest.approx(0.0505, abs=0.006)  # of 600: a standard error of 0.0015
    assert best["lnD"]["r2"] == pytest.approx(0.958, abs=0.01)
    for name, found in estimators.items():
        for one in found.values():
            assert one["efficiency"] < 1.02, name
    assert estimators["maximum likelihood"]["alpha"]["efficiency"] > 0.8
    assert estimators["surviving latents"]["alpha"]["efficiency"] > 0.8


def test_each_estimator_is_drawn_against_the_truth_with_its_figures(answer, estimators):
    panels = {panel.title: panel for panel in answer.figure.panels}
    assert "α: surviving latents" in panels
    assert "ln D: maximum likelihood" in panels
    panel = panels["α: surviving latents"]
    points = next(mark for mark in panel.marks if isinstance(mark, Points))
    np.testing.assert_array_equal(points.x, answer.result.arrays["truth"][:, 0])
    error = np.mean(np.abs(points.x - points.y))
    found = estimators["surviving latents"]["alpha"]
    assert error == pytest.approx(found["mae"])
    words = [mark.text for mark in panel.marks if isinstance(mark, Text)]
    assert f"MAE {error:.3g}" in words
    assert f"eff. {found['efficiency']:.1%}" in words
    line = next(mark for mark in panel.marks if isinstance(mark, Line))
    np.testing.assert_array_equal(line.x, line.y)


def test_the_caption_tells_the_efficiency_of_the_latents(answer, estimators):
    found = estimators["surviving latents"]
    assert answer.figure.caption == (
        f"Efficiency of the latents: α {found['alpha']['efficiency']:.1%}, "
        f"ln D {found['lnD']['efficiency']:.1%}. 600 uniform draws."
    )
    assert answer.trajectories is None  # it makes its own
    assert decode(encode(answer.figure)).title == "Accuracy"
    json.dumps(answer.result.to_json(), allow_nan=False)


def test_it_is_deterministic(answer):
    again = Session(load_plugins(), threads=1).analyze("sbm", "accuracy", {"n": 600})
    for name, array in answer.result.arrays.items():
        np.testing.assert_array_equal(again.result.arrays[name], array)


def test_parameters_are_drawn_from_the_range_that_the_model_was_trained_on(tiny_checkpoint):
    truth = of_model(tiny_checkpoint, n=200).arrays["truth"]
    assert 0.4 <= truth[:, 0].min() < 0.45
    assert 1.55 < truth[:, 0].max() <= 1.6
    assert np.log(1e-4) <= truth[:, 1].min() < truth[:, 1].max() <= np.log(1e-2)


class Unlimited(ThreeParameters):
    title = "Three things at once"

    def displacements(self, rng, theta, steps):
        return theta[:, 1:2] * rng.standard_normal((len(theta), steps)) * np.sqrt(theta[:, 2:])


def test_a_process_without_a_limit_is_an_answer(reference):
    result = of_model(reference / "original_sbm_trained.tar", Unlimited(), n=100)
    assert list(result.scalars["accuracy"]) == ["surviving latents"]
    assert all(one["efficiency"] is None for one in result.scalars["accuracy"]["surviving latents"].values())
    figure = ACCURACY.figure(result)
    assert figure.caption.startswith("No exact limit is known for Three things at once.")
    assert [panel.title for panel in figure.panels] == [
        "k: surviving latents",
        "v: surviving latents",
        "ln D: surviving latents",
    ]


def test_a_model_without_latents_leaves_the_others_to_be_judged(reference):
    result = of_model(reference / "original_wavenet_only.tar", load_plugins().process("sbm"), n=60)
    assert "surviving latents" not in result.scalars["accuracy"]
    assert ACCURACY.figure(result).caption.startswith("This model has no latents")


def test_estimates_far_off_do_not_hide_the_others(answer):
    result = answer.result
    k = list(result.scalars["accuracy"]).index("maximum likelihood")
    wild = dict(result.arrays)
    wild[f"estimates_{k}"] = wild[f"estimates_{k}"].copy()
    wild[f"estimates_{k}"][:3, 0] = (1e6, -1e6, np.nan)
    panel = panel_of(type(result)(wild, result.scalars), k, 0)
    assert -0.5 < panel.y.low < panel.y.high < 2.5
