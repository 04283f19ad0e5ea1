"""The bound of a model on fresh trajectories, and how well it is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from spivae.cell_sums import CellSums
from spivae.checkpoint.load import load_checkpoint
from spivae.dataset import Grid
from spivae.evaluation.bound import Bound, controlled, measure
from spivae.evaluation.exact import Exact
from spivae.model.vae import WaveNetVAE
from spivae.training.memory import peak
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


def test_what_is_told_of_all_is_that_of_the_trajectories_themselves(model: WaveNetVAE, monkeypatch) -> None:
    monkeypatch.setattr("spivae.evaluation.bound._CHUNK", 8)
    found = bound(model, 0, 5)
    assert found.var_mu == pytest.approx(found.mu.var(axis=0), rel=1e-5)
    assert found.mean_logvar == pytest.approx(found.logvar.mean(axis=0), rel=1e-5)
    kl = (found.mu**2 + np.exp(found.logvar) - 1 - found.logvar) / 2
    assert found.kl_latents == pytest.approx(kl.mean(axis=0), rel=1e-4)


def test_latents_are_kept_of_as_many_trajectories_as_memory_allows(model: WaveNetVAE, monkeypatch) -> None:
    monkeypatch.setattr("spivae.evaluation.bound._CHUNK", 8)
    whole = bound(model, 0, 7)
    monkeypatch.setattr("spivae.evaluation.bound.KEPT", 3 * 4)
    part = bound(model, 0, 7)
    assert (part.n, part.neg_elbo) == (whole.n, whole.neg_elbo) == (28, whole.neg_elbo)
    for name in ("theta", "mu", "logvar"):
        first = getattr(whole, name).reshape(4, 7, -1)[:, :3]
        np.testing.assert_array_equal(getattr(part, name), first.reshape(12, -1))


@pytest.mark.parametrize("exact", [None, EXACT], ids=["plain", "control variate"])
def test_the_memory_does_not_grow_with_the_number_of_trajectories(
    model: WaveNetVAE, monkeypatch, exact: Exact | None
) -> None:
    monkeypatch.setattr("spivae.evaluation.bound._CHUNK", 64)
    monkeypatch.setattr("spivae.evaluation.bound.KEPT", 64)
    _, few, many = (peak(lambda n=n: bound(model, 0, n, exact)) for n in (16, 64, 256))
    of_the_others = 4 * (256 - 64) * 3 * 6 * 4  # bytes of their mu, logvar and kl
    assert many - few < of_the_others / 2  # Python's own garbage is a fifth of them


def test_a_perfect_control_leaves_no_error() -> None:
    rng = np.random.default_rng(0)
    control = rng.normal([[1.0], [5.0]], 1.0, (2, 50))
    sums = CellSums(2, 2)
    sums.add(np.stack([2 * control + 3, control], axis=-1))
    found = controlled(sums, 0, 1, np.array([1.0, 5.0]))
    assert found.value == pytest.approx(9.0)
    assert found.error == pytest.approx(0.0, abs=1e-7)
