"""The bound of a model on fresh trajectories, and how well it is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from spivae.checkpoint.load import load_checkpoint
from spivae.dataset import Grid
from spivae.evaluation.bound import Bound, controlled, measure
from spivae.evaluation.exact import Exact
from spivae.model.vae import WaveNetVAE
from spivae_plugins.sbm import ScaledBrownianMotion

DATA = Path(__file__).parents[1] / "data"
SBM = ScaledBrownianMotion()
GRID = Grid({"alpha": [0.5, 1.5], "D": [1e-4, 1e-3]})


EXACT = Exact(SBM, GRID, 399, given=32, window=32)


@pytest.fixture(scope="module")
def model() -> WaveNetVAE:
    return load_checkpoint(DATA / "original_sbm_trained.tar")[1]


def bound(model: WaveNetVAE, seed: int, per_cell: int = 10, exact: Exact | None = None) -> Bound:
    return measure(
        model, SBM, GRID, per_cell, np.random.default_rng(seed), torch.Generator().manual_seed(seed), exact
    )


@pytest.mark.parametrize("exact", [None, EXACT], ids=["plain", "control variate"])
def test_the_standard_error_is_the_spread_of_repetitions(model: WaveNetVAE, exact: Exact | None) -> None:
    found = [bound(model, seed, exact=exact) for seed in range(8)]
    spread = np.std([one.neg_elbo.value for one in found], ddof=1)
    claimed = np.mean([one.neg_elbo.error for one in found])
    # a spread of 8 values is known to a factor of about 1.7 either way at 95 %
    assert claimed / 3 < spread < claimed * 3


def test_the_control_variate_sharpens_and_does_not_shift(model: WaveNetVAE) -> None:
    plain, controlled_ = bound(model, 0, 40), bound(model, 0, 40, EXACT)
    assert controlled_.neg_elbo.error < 0.6 * plain.neg_elbo.error
    difference = controlled_.neg_elbo.value - plain.neg_elbo.value
    assert 0 < abs(difference) < 4 * plain.neg_elbo.error
    np.testing.assert_array_equal(plain.mu, controlled_.mu)


def test_the_parts_add_up(model: WaveNetVAE) -> None:
    found = bound(model, 0)
    assert found.n == 40
    assert found.steps == 367
    assert found.neg_elbo.value == pytest.approx(found.nll.value + found.kl_latents.sum() / 367, abs=1e-6)
    assert found.nll_cells.mean() == pytest.approx(found.nll.value)
    assert found.excess is None
    same = bound(model, 0)
    assert (same.nll, same.neg_elbo) == (found.nll, found.neg_elbo)


def test_below_the_entropy_no_model_can_get(model: WaveNetVAE) -> None:
    found = bound(model, 0, 40, EXACT)
    assert found.neg_elbo.value > EXACT.entropy.mean()
    assert found.excess is not None
    np.testing.assert_allclose(found.nll_cells - EXACT.entropy, found.excess)


def test_one_trajectory_a_cell_has_no_known_error(model: WaveNetVAE) -> None:
    assert np.isnan(bound(model, 0, 1).neg_elbo.error)
    assert np.isnan(bound(model, 0, 1, EXACT).neg_elbo.error)


def test_large_sets_are_judged_in_parts_that_cover_each_cell_alike(model: WaveNetVAE, monkeypatch) -> None:
    monkeypatch.setattr("spivae.evaluation.bound._CHUNK", 8)
    found = bound(model, 0, 5)
    assert [tuple(row) for row in found.theta[::5]] == [tuple(cell) for cell in GRID.cells]
    assert len(np.unique(found.mu[:, 0])) == 20


def test_a_perfect_control_leaves_no_error() -> None:
    rng = np.random.default_rng(0)
    control = rng.normal([[1.0], [5.0]], 1.0, (2, 50))
    found = controlled(2 * control + 3, control, np.array([1.0, 5.0]))
    assert found.value == pytest.approx(9.0)
    assert found.error == pytest.approx(0.0, abs=1e-12)
