"""Prediction over a dataset, and generation."""

from __future__ import annotations

import copy
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from spivae.checkpoint.load import load_checkpoint
from spivae.dataset import Dataset, Grid, simulate_grid
from spivae.errors import SpivaeError
from spivae.generation import encode_parameters, generate
from spivae.model.arguments import ModelArgs
from spivae.model.latents import surviving
from spivae.model.losses import nll
from spivae.model.vae import WaveNetVAE, build
from spivae.prediction import predict
from spivae_plugins.sbm import ScaledBrownianMotion

DATA = Path(__file__).parent / "data"
SBM = ScaledBrownianMotion()
GRID = Grid({"alpha": [0.5, 1.5], "D": [1e-4, 1e-3]})


@pytest.fixture(scope="module")
def model() -> WaveNetVAE:
    return load_checkpoint(DATA / "original_sbm_trained.tar")[1]


@pytest.fixture(scope="module")
def reference() -> dict[str, np.ndarray]:
    with np.load(DATA / "original_sbm_trained.reference.npz") as file:
        return dict(file)


def as_dataset(reference: dict[str, np.ndarray]) -> Dataset:
    return Dataset(reference["x"], reference["labels"].astype(float), ("alpha", "D"), "sbm")


def test_predictions_equal_the_originals_whatever_the_batch(
    model: WaveNetVAE, reference: dict[str, np.ndarray]
) -> None:
    dataset = as_dataset(reference)
    double = copy.deepcopy(model).double()
    x = torch.from_numpy(dataset.displacements).double()
    with torch.no_grad():
        exact = nll(double(x).pred, x)[..., 0].numpy()
    for batch in (256, 7):
        found = predict(model, dataset, batch=batch, keep_raw=True)
        for key in ("mu", "logvar", "kl", "c", "pred"):
            assert_allclose(getattr(found, key), reference[key], rtol=1e-5, atol=1e-5, err_msg=key)
        # where the scale is small, its exponential turns 1e-6 into 1e-3: ours is as near to the exact values
        # as the original's, but for what the order of sums, which processors choose, makes of single steps
        ours, theirs = (np.abs(told - exact) for told in (found.nll, reference["nll"][..., 0]))
        assert np.sqrt((ours**2).mean()) <= 1.2 * np.sqrt((theirs**2).mean())
        assert np.quantile(ours, 0.999) <= 1.2 * np.quantile(theirs, 0.999)
        assert ours.max() <= 1.5 * theirs.max()
        assert found.nll.mean(dtype=float) == pytest.approx(reference["nll"].mean(dtype=float), abs=1e-6)
    assert_allclose(found.out_mean, reference["pred"][:, 1], rtol=2e-3, atol=2e-3)
    assert_allclose(found.out_std, np.exp(reference["pred"][:, 2]), rtol=2e-3)
    assert found.steps == 367


def test_the_mean_and_spread_of_a_mixture_are_those_of_its_samples() -> None:
    args = ModelArgs(num_mixtures=3)
    mixture = build(args, torch.Generator().manual_seed(0))
    dataset = simulate_grid(SBM, GRID, 1, 399, np.random.default_rng(0))
    found = predict(mixture, dataset, keep_raw=True)
    assert found.pred is not None
    logits, means, log_std = np.split(found.pred[0, :, 0].astype(float), 3)
    weights = np.exp(logits) / np.exp(logits).sum()
    assert found.out_mean[0, 0] == pytest.approx(weights @ means, rel=1e-4)
    second = weights @ (np.exp(2 * log_std) + means**2)
    assert found.out_std[0, 0] == pytest.approx(math.sqrt(second - (weights @ means) ** 2), rel=1e-4)


def test_drawing_latents_costs_likelihood_and_repeats_with_the_seed(
    model: WaveNetVAE, reference: dict[str, np.ndarray]
) -> None:
    dataset = as_dataset(reference)
    drawn = [predict(model, dataset, sample=torch.Generator().manual_seed(1)).nll for _ in range(2)]
    assert_array_equal(*drawn)
    assert drawn[0].mean() > predict(model, dataset).nll.mean()


def test_a_model_that_the_fast_path_does_not_know_is_predicted_too() -> None:
    args = ModelArgs(use_pad=True)
    padded = build(args, torch.Generator().manual_seed(0))
    dataset = simulate_grid(SBM, GRID, 2, 399, np.random.default_rng(0))
    found = predict(padded, dataset, batch=3, keep_raw=True)
    with torch.no_grad():
        wanted = padded(torch.from_numpy(dataset.displacements))
    assert found.steps == 399
    assert found.pred is not None
    assert_allclose(found.pred, wanted.pred, atol=1e-5)


def test_trajectories_of_another_length_do_not_fit(model: WaveNetVAE) -> None:
    dataset = simulate_grid(SBM, GRID, 1, 200, np.random.default_rng(0))
    with pytest.raises(SpivaeError, match="200 displacements do not fit this model: it was built for 399"):
        predict(model, dataset)


def test_progress_may_stop_a_prediction(model: WaveNetVAE) -> None:
    class StopIt(Exception):
        pass

    def stop(done: int, total: int) -> None:
        assert (done, total) == (1, 4)
        raise StopIt

    with pytest.raises(StopIt):
        predict(model, simulate_grid(SBM, GRID, 1, 399, np.random.default_rng(0)), batch=1, progress=stop)


def test_latents_survive_above_the_stated_threshold() -> None:
    assert surviving([0.003, 4.8, 0.19, 0.21]) == [1, 3]


def test_generation_follows_the_latents_it_is_given(model: WaveNetVAE) -> None:
    rng = np.random.default_rng(0)
    theta = np.repeat([[1.0, 1e-4], [1.0, 1e-2]], 20, axis=0)
    z = encode_parameters(model, SBM, theta, rng)
    assert z.shape == (40, 6)
    made = generate(model, z, 450, torch.Generator().manual_seed(0))
    assert made.shape == (40, 450)
    small, large = made[:20].std(), made[20:].std()
    assert large > 5 * small  # the exact ratio is 10


def test_latents_of_the_wrong_number_are_refused(model: WaveNetVAE) -> None:
    with pytest.raises(SpivaeError, match=r"latents: need shape \(n, 6\)"):
        generate(model, np.zeros((1, 2)), 10, torch.Generator())
    with pytest.raises(SpivaeError, match="length: needs at least 1"):
        generate(model, np.zeros((1, 6)), 0, torch.Generator())
