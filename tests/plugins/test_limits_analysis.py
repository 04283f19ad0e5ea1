"""Limits: the figures of an evaluation, the theory around them, and what is said where there is none."""

import json

import numpy as np
import pytest
from perfect_generator import OneParameter

from spivae.api import Context, Line, Parameter, Points, Process, Result
from spivae.checkpoint.load import load_checkpoint
from spivae.evaluation import evaluate
from spivae.figure.spec import decode, encode
from spivae.grids import training_grid
from spivae.plugins import load_plugins
from spivae.worker.session import Session
from spivae_plugins.fbm import FractionalBrownianMotion
from spivae_plugins.limits import LimitsAnalysis, over_ends
from spivae_plugins.sbm import ScaledBrownianMotion

LIMITS = LimitsAnalysis()
SBM = ScaledBrownianMotion()
SEED = 12345  # of the data, where nothing else is said


@pytest.fixture(scope="module")
def answer(tiny_checkpoint):
    return Session(load_plugins(), threads=1).analyze(tiny_checkpoint, "limits", {"n": 120})


def of_model(path, process, **options):
    checkpoint, model = load_checkpoint(path)
    return LIMITS.compute(Context(checkpoint, process, options=LIMITS.options(**options), model=model))


def marks_of(panel, kind):
    return {mark.label: mark for mark in panel.marks if isinstance(mark, kind)}


def test_the_figures_are_those_of_an_evaluation_of_the_same_seed(tiny_checkpoint, answer):
    checkpoint, model = load_checkpoint(tiny_checkpoint)
    grid = training_grid(SBM, checkpoint.ds_args)
    page = evaluate(model, SBM, grid, 120, SEED, beta=checkpoint.beta).to_json()
    found = answer.result.scalars
    assert found["n"] == 120
    for key in (
        "beta",
        "beta_true_units",
        "nll",
        "kl",
        "neg_elbo",
        "neg_elbo_se",
        "limits",
        "gap",
        "surviving",
    ):
        assert found[key] == page[key], key


def test_the_excess_of_the_cells_is_the_decoders_part_of_the_gap(answer):
    excess, gap = answer.result.arrays["excess"], answer.result.scalars["gap"]
    assert excess.shape == (3, 2)
    assert excess.mean() == pytest.approx(gap["decoder"], abs=3 * gap["error"])
    lines = marks_of(answer.figure.panels[0], Line)
    np.testing.assert_array_equal(lines["0.01"].y, excess[:, 1])
    assert [line.shade for line in lines.values()] == [1, 0]


def test_the_cramer_rao_bounds_are_the_known_ones_and_the_posterior_is_better_near_the_ends(reference):
    found = of_model(reference / "original_sbm_trained.tar", SBM, n=210, posteriors=60).arrays
    at = {round(alpha, 6): k for k, alpha in enumerate(found["first"])}
    known = {0.2: (0.0658, 0.660), 0.6: (0.0701, 0.472), 1.0: (0.0709, 0.431), 1.8: (0.0714, 0.402)}
    for alpha, (sd_alpha, sd_ln_d) in known.items():
        np.testing.assert_allclose(found["cramer_rao"][:, at[alpha]], (sd_alpha, sd_ln_d), rtol=2e-3)
    assert found["names"].tolist() == ["α", "ln D"]
    assert len(found["points"]) == 9
    bound = np.stack([np.interp(found["points"], found["first"], row) for row in found["cramer_rao"]])
    surprise = (found["bayes"] - bound) / found["bayes_se"]
    assert (surprise < 4).all()  # never worse than what is best
    assert surprise[:, 1:-1].min() > -6  # and hardly better, away from the ends


def test_the_theory_leads_from_the_ideal_to_the_best_at_the_beta_of_the_training(reference):
    result = of_model(reference / "original_sbm_trained.tar", SBM, n=420, posteriors=0)
    arrays, found = result.arrays, result.scalars
    known, gap = found["limits"], found["gap"]
    assert found["beta_true_units"] == pytest.approx(5e-3 * 367)
    assert arrays["best_kl"][0] == pytest.approx(known["information"])
    assert arrays["best_excess"][0] == pytest.approx(0, abs=1e-9)
    assert arrays["best_kl"][-1] == pytest.approx(known["information"] + gap["encoder_optimal"])
    assert arrays["best_excess"][-1] == pytest.approx(gap["decoder_optimal"])
    figure = LIMITS.figure(result)
    digits = 1 if gap["error"] >= 0.1 else 2
    assert figure.caption.startswith(
        f"Gap {gap['nats']:.{digits}f} ± {gap['error']:.{digits}f} nats: decoder "
    )
    assert f"; best at β 1.8/367: {gap['decoder_optimal']:+.{digits}f}, " in figure.caption
    assert f"H {known['entropy']:.5f}" in figure.caption


def test_the_gap_is_the_way_from_the_model_down_to_the_bound(answer):
    panel, found = answer.figure.panels[1], answer.result.scalars
    known, n = found["limits"], 63 - found["limits"]["receptive_field"]
    model = marks_of(panel, Points)["model"]
    assert (model.x.item(), model.y.item()) == (found["kl"], n * (found["nll"] - known["entropy"]))
    way = marks_of(panel, Line)[""]
    assert way.y[1] - way.y[0] == pytest.approx(found["gap"]["nats"])
    for name, label in (("floor", "floor"), ("bound", f"H + I/{n}")):
        line = marks_of(panel, Line)[label]
        # -ELBO = H + (KL + what the NLL is above H) / n
        np.testing.assert_allclose(known["entropy"] + (line.x + line.y) / n, known[name])


def test_one_bad_cell_bends_the_axis_and_even_ones_do_not(answer):
    def scale(excess):
        result = Result(answer.result.arrays | {"excess": excess}, answer.result.scalars)
        return LIMITS.figure(result).panels[0].y.scale

    assert scale(np.array([[1.0, 2.0], [1.0, 3.0], [2.0, 2.0]])) == "linear"
    assert scale(np.array([[1.0, 2.0], [1.0, 300.0], [2.0, 2.0]])) == "symlog"


def test_a_part_of_the_grid_is_judged_alone(tiny_checkpoint):
    session = Session(load_plugins(), threads=1)
    part = session.analyze(tiny_checkpoint, "limits", {"n": 40}, {"subset": "alpha=0.9..2"}).result
    np.testing.assert_allclose(part.arrays["first"], [1.0, 1.6])
    assert part.scalars["limits"]["cells"] == 4


def test_a_process_with_memory_has_limits_too(tiny_checkpoint):
    found = of_model(tiny_checkpoint, FractionalBrownianMotion(), n=12, posteriors=20)
    known = found.scalars["limits"]
    assert known["entropy"] > known["entropy_all_past"]
    assert np.isfinite(found.arrays["bayes"]).all()
    assert encode(LIMITS.figure(found))


class Unlimited(OneParameter):
    def covariance(self, theta, steps):
        return None


def test_a_process_without_a_limit_is_an_answer(tiny_checkpoint):
    result = of_model(tiny_checkpoint, Unlimited())
    figure = LIMITS.figure(result)
    assert figure.caption == "No exact limit is known for one."
    assert figure.panels == ()
    assert decode(encode(figure)).title == "Limits"


class OneScale(OneParameter):
    def covariance(self, theta, steps):
        return np.repeat(2 * theta, steps, axis=1)


class HiddenOne(Process):
    """Its first parameter changes nothing."""

    name = "three"
    parameters = (
        Parameter("k", low=0.1, high=0.5, points=3),
        Parameter("u", low=-1.0, high=1.0, points=2),
        Parameter("D", low=1e-3, high=1e-2, scale="log", points=3),
    )

    def displacements(self, rng, theta, steps):
        return self.mean(theta, steps) + np.sqrt(2 * theta[:, 2:]) * rng.standard_normal((len(theta), steps))

    def covariance(self, theta, steps):
        return np.repeat(2 * theta[:, 2:], steps, axis=1)

    def mean(self, theta, steps):
        return np.repeat(theta[:, 1:2] * np.sqrt(2 * theta[:, 2:]), steps, axis=1)


@pytest.mark.parametrize("process", [OneScale(), HiddenOne()], ids=lambda process: process.name)
def test_any_number_of_parameters_can_be_drawn(tiny_checkpoint, process):
    result = of_model(tiny_checkpoint, process, n=40, posteriors=5)
    figure = LIMITS.figure(result)
    assert len(figure.panels) == 2 + len(process.parameters)
    assert decode(encode(figure)).panels
    json.dumps(result.to_json(), allow_nan=False)
    # 63 squares of variance 2 tell the logarithm of a scale
    np.testing.assert_allclose(result.arrays["cramer_rao"][-1], np.sqrt(2 / 63), rtol=1e-6)


def test_what_trajectories_do_not_tell_has_no_bound_and_the_error_of_the_prior(tiny_checkpoint):
    arrays = of_model(tiny_checkpoint, HiddenOne(), n=40, posteriors=5).arrays
    assert np.isinf(arrays["cramer_rao"][0]).all()
    np.testing.assert_allclose(arrays["bayes"][0], np.abs(arrays["points"] - 0.3), atol=1e-9)


def test_parameters_between_the_ends_are_averaged_over():
    values = np.arange(24.0).reshape(2, 3, 4)
    np.testing.assert_array_equal(over_ends(values), values.mean(axis=1))
    np.testing.assert_array_equal(over_ends(values[0]), values[0])
    np.testing.assert_array_equal(over_ends(values[0, 0]), values[0, 0][:, None])


def test_a_model_without_latents_has_a_decoder_alone(reference):
    result = of_model(reference / "original_wavenet_only.tar", SBM, n=210, posteriors=0)
    figure = LIMITS.figure(result)
    assert result.scalars["kl"] == 0
    assert result.scalars["gap"]["encoder"] == -result.scalars["limits"]["information"]
    assert "best" not in figure.caption
    assert "best at β" not in marks_of(figure.panels[1], Points)
