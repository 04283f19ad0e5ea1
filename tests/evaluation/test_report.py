"""All figures of a model on one page."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from spivae.api import Parameter, Process
from spivae.checkpoint.load import load_checkpoint
from spivae.cli.evaluation_page import show
from spivae.dataset import Grid
from spivae.evaluation import Evaluation, compare, evaluate
from spivae.evaluation.knowledge import BAYES, LATENTS
from spivae.identification import Identified
from spivae.model.vae import WaveNetVAE
from spivae_plugins.sbm import ScaledBrownianMotion

DATA = Path(__file__).parents[1] / "data"
SBM = ScaledBrownianMotion()
GRID = Grid({"alpha": [0.5, 1.0, 1.5], "D": [1e-4, 1e-3]})
BETA = 5e-3  # of the original's trained file


@pytest.fixture(scope="module")
def model() -> WaveNetVAE:
    return load_checkpoint(DATA / "original_sbm_trained.tar")[1]


@pytest.fixture(scope="module")
def found(model: WaveNetVAE) -> Evaluation:
    return evaluate(model, SBM, GRID, 301, 3, beta=BETA, generated=4)


def printed(found: Evaluation, process: Process, capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    show(found, "model", process)
    return capsys.readouterr().out


def test_n_is_rounded_up_to_whole_cells(found: Evaluation) -> None:
    assert found.bound.n == 306


def test_the_gap_is_what_lies_above_the_bound_and_falls_into_two_halves(found: Evaluation) -> None:
    answer, gap = found.to_json(), found.gap
    assert gap is not None
    assert answer["gap_nats"] == pytest.approx(
        367 * (answer["neg_elbo"] - answer["entropy"]) - answer["information"], rel=1e-9
    )
    assert gap.decoder + gap.encoder == pytest.approx(gap.nats)
    assert gap.decoder == pytest.approx(367 * (answer["nll"] - answer["entropy"]), abs=1e-6)
    assert gap.error >= found.bound.steps * found.bound.neg_elbo.error  # and the information's own
    # one survivor at 1.835 times the true weight: half a nat times .835, and half its logarithm less
    assert len(found.surviving) == 1
    assert gap.decoder_optimal == pytest.approx(0.5 * (367 * BETA - 1))
    assert gap.encoder_optimal == pytest.approx(-0.5 * np.log(367 * BETA))


def test_the_worst_cell_is_the_one_that_the_losses_say(found: Evaluation) -> None:
    assert found.worst_cell is not None
    cell, excess = found.worst_cell
    rows = (found.bound.theta == list(cell.values())).all(1)
    assert rows.sum() == found.bound.per_cell
    index = int(np.flatnonzero(rows)[0]) // found.bound.per_cell
    assert found.bound.excess is not None
    assert excess == found.bound.excess[index] == found.bound.excess.max() > 0


def test_no_estimator_beats_the_posterior(found: Evaluation) -> None:
    assert {LATENTS, BAYES, "maximum likelihood", "log dx² regression"} <= set(found.accuracy)
    for by_parameter in found.accuracy.values():
        assert set(by_parameter) == {"alpha", "lnD"}
        for item in by_parameter.values():
            assert item.efficiency is not None
            assert item.efficiency < 1.1
    assert found.accuracy[LATENTS]["alpha"].mae > found.accuracy[BAYES]["alpha"].mae


def test_parts_do_not_disturb_each_other(model: WaveNetVAE, found: Evaluation) -> None:
    again = evaluate(model, SBM, GRID, 301, 3)
    assert again.generation is None
    assert again.bound.neg_elbo == found.bound.neg_elbo
    assert again.accuracy == found.accuracy


def test_a_comparison_alone_has_the_same_figures(model: WaveNetVAE, found: Evaluation) -> None:
    alone = compare(model, SBM, GRID, 301, 3, beta=BETA)
    assert alone.bound.neg_elbo == found.bound.neg_elbo
    assert (alone.limits, alone.gap) == (found.limits, found.gap)


def test_the_order_of_a_grid_does_not_matter(model: WaveNetVAE, found: Evaluation) -> None:
    turned = Grid({"D": GRID.values["D"], "alpha": GRID.values["alpha"]})
    assert evaluate(model, SBM, turned, 301, 3).bound.neg_elbo == found.bound.neg_elbo


def test_the_page_tells_the_gap_and_what_is_encoded(
    found: Evaluation, capsys: pytest.CaptureFixture[str]
) -> None:
    page = printed(found, SBM, capsys)
    assert "306 fresh trajectories of Scaled Brownian motion, seed 3" in page
    assert "beta   5e-3, 1.83 times its true value 1/367" in page
    assert "nats per trajectory above H + I/367" in page
    assert found.identified[0].expression in page
    assert "4 of 200 steps in each of 6 cells" in page


class NoFormula(Process):
    """A process whose likelihood nobody knows."""

    name = "unknown"
    title = "A process without a formula"
    parameters = (Parameter("s", low=1e-2, high=1e-1, scale="log", points=3),)

    def displacements(self, rng, theta, steps):  # type: ignore[no-untyped-def]
        return theta * rng.laplace(size=(len(theta), steps))


def test_without_a_limit_the_rest_is_told_and_the_limit_is_null(
    model: WaveNetVAE, capsys: pytest.CaptureFixture[str]
) -> None:
    found = evaluate(model, NoFormula(), Grid.of(NoFormula()), 30, 0, generated=3)
    answer = found.to_json()
    for key in ("entropy", "information", "floor", "gap_nats", "worst_cell_nats", "limits", "gap"):
        assert answer[key] is None
    assert answer["generation"]["alpha_mae"] is None
    assert answer["estimators"][LATENTS]["lns"]["efficiency"] is None
    assert "no exact limit is known for unknown" in printed(found, NoFormula(), capsys)


def test_a_wavenet_alone_is_judged_by_its_loss(capsys: pytest.CaptureFixture[str]) -> None:
    alone = load_checkpoint(DATA / "original_wavenet_only.tar")[1]
    found = evaluate(alone, SBM, GRID, 12, 0, beta=BETA, generated=3)
    assert found.to_json()["latents"] == []
    assert not found.accuracy
    assert found.generation is None
    page = printed(found, SBM, capsys)
    assert "Latents" not in page
    assert "beta" not in page


def test_a_folded_latent_is_called_so(found: Evaluation, capsys: pytest.CaptureFixture[str]) -> None:
    folded = dataclasses.replace(
        found, identified=[dataclasses.replace(found.identified[0], curve=(0.0, 1.0, 2.0, 0.0, 1.0))]
    )
    assert ", folded" in printed(folded, SBM, capsys)
    assert ", folded" not in printed(found, SBM, capsys)


def test_the_time_that_a_latent_refers_to_is_told_once_with_its_error(
    found: Evaluation, capsys: pytest.CaptureFixture[str]
) -> None:
    item = Identified(0, "ln(α D t*^(α-1)), t* = 158", r2=0.9, t_star=160.2, t_star_sd=13.6)
    page = printed(dataclasses.replace(found, identified=[item]), SBM, capsys)
    assert "ln(α D t*^(α-1)), t* = 160 ± 14" in page
    assert page.count("t* =") == 1
