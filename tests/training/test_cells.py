"""What an epoch's record says of each parameter cell: right, small, and absent where there are too many."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from test_loop import SBM, TINY, trained

from spivae.checkpoint import read_header
from spivae.checkpoint.load import load_checkpoint
from spivae.dataset import simulate_grid
from spivae.layout import save_npz
from spivae.prediction import predict
from spivae.training.cells import KEPT_EPOCHS, MAX_CELLS, MAX_MEANS, cell_axes, describe_cells, for_header
from spivae.training.data import TrainingData, recipe_grid
from spivae.training.metrics import MetricsReader
from spivae.training.recipe import with_overrides
from spivae.training.run import Run


def test_the_record_holds_the_mean_of_each_cell() -> None:
    cell = np.array([2, 0, 2, 3])
    nll = np.array([1.0, -2.0, 4.0, 0.123456789])
    mu = np.array([[1.0, 0.5], [2.0, 0.25], [2.0, 0.0], [-3.0, 0.126]])
    record = describe_cells(cell, 5, nll, mu)
    assert record["nll_cells"] == [-2.0, None, 2.5, 0.12346, None]
    assert record["mu_cells"] == [[2.0, None, 1.5, -3.0, None], [0.25, None, 0.25, 0.13, None]]


def test_a_record_of_the_original_grid_is_small() -> None:
    rng = np.random.default_rng(0)
    cell = np.repeat(np.arange(210), 10)
    record = describe_cells(cell, 210, rng.normal(-2.3, 1, 2100), rng.normal(0, 2, (2100, 6)))
    assert len(msgspec.json.encode(record["nll_cells"])) < 2_000
    assert len(msgspec.json.encode(record)) < 10_000


def test_too_many_cells_are_not_recorded() -> None:
    none = np.zeros(0)
    assert describe_cells(none.astype(int), MAX_CELLS + 1, none, np.zeros((0, 6))) == {}
    assert set(describe_cells(none.astype(int), MAX_CELLS, none, np.zeros((0, 6)))) == {"nll_cells"}
    assert 6 * MAX_CELLS > MAX_MEANS
    recipe = with_overrides(TINY, {"process.grid.alpha.n": str(MAX_CELLS)})
    assert cell_axes(SBM, recipe_grid(recipe, SBM)) == ()


def test_an_epoch_of_a_training_tells_the_cells_of_its_validation(tmp_path: Path) -> None:
    run = trained(tmp_path)
    epochs = [record for record in MetricsReader(run.metrics_path).poll() if record["kind"] == "epoch"]
    assert [len(record["nll_cells"]) for record in epochs] == [6, 6, 6]
    for record in epochs:
        assert np.mean(record["nll_cells"]) == pytest.approx(record["nll"], rel=1e-4)

    _, model = load_checkpoint(run.checkpoint_folder / "final.safetensors")
    validation = TrainingData.prepare(run.recipe, SBM).validation
    noise = np.random.default_rng(0).standard_normal((len(validation), 2), dtype=np.float32)
    found = predict(model, validation)
    with torch.inference_mode():
        x = torch.from_numpy(validation.displacements)
        output = model(x, noise=torch.from_numpy(noise))
    mean, log_std = output.pred[:, 1].numpy(), output.pred[:, 2].numpy()
    z = (validation.displacements[:, 0, -mean.shape[1] :] - mean) / np.exp(log_std)
    nll = (z**2 / 2 + log_std + np.log(2 * np.pi) / 2).mean(1)
    for index, (alpha, d) in enumerate(recipe_grid(run.recipe, SBM).cells):
        rows = (validation.theta == [alpha, d]).all(1)
        assert epochs[-1]["nll_cells"][index] == pytest.approx(nll[rows].mean(), rel=1e-3)
        for latent in range(2):
            told = epochs[-1]["mu_cells"][latent][index]
            assert told == pytest.approx(found.mu[rows, latent].mean(), abs=0.006)


def test_the_grid_of_the_cells_is_in_the_run(tmp_path: Path) -> None:
    run = Run.open(trained(tmp_path).path)
    alpha, d = run.info.grid
    assert (alpha.name, alpha.label, alpha.scale, alpha.values) == ("alpha", "α", "linear", (0.4, 1.0, 1.6))
    assert (d.name, d.scale) == ("D", "log")
    assert d.values == pytest.approx((1e-2, 1.0))


def test_cells_of_a_file_are_told_apart_after_the_split(tmp_path: Path) -> None:
    whole = simulate_grid(SBM, recipe_grid(TINY, SBM), 30, 63, np.random.default_rng(5))
    save_npz(tmp_path / "sbm.npz", whole)
    overrides = {"dataset.file": str(tmp_path / "sbm.npz"), "dataset.trajectories": "180"}
    data = TrainingData.prepare(with_overrides(TINY, overrides), SBM)
    assert len(data.validation_cell) == len(data.validation) == 36
    assert len(set(data.validation_cell.tolist())) > 3
    np.testing.assert_allclose(data.grid.cells[data.validation_cell], data.validation.theta)


def test_an_empty_cell_is_null_and_no_divergence(tmp_path: Path) -> None:
    whole = simulate_grid(SBM, recipe_grid(TINY, SBM), 2, 63, np.random.default_rng(5))
    save_npz(tmp_path / "sbm.npz", whole)
    overrides = {
        "dataset.file": str(tmp_path / "sbm.npz"),
        "dataset.trajectories": "12",
        "training.batch": "8",
    }
    run = trained(tmp_path, with_overrides(TINY, overrides))
    last = json.loads(run.metrics_path.read_text().splitlines()[-1])
    assert last["nll_cells"].count(None) >= 4  # two trajectories in six cells
    assert "diverged" not in last


def test_a_header_keeps_the_cells_of_a_few_epochs_and_all_else() -> None:
    cells = {"nll_cells": [0.0], "mu_cells": [[1.0]]}
    history = [{"epoch": epoch, "nll": -2.0, **(cells if epoch > 3 else {})} for epoch in range(1, 101)]
    lean = for_header(history)
    assert [(row["epoch"], row["nll"]) for row in lean] == [(epoch, -2.0) for epoch in range(1, 101)]
    having = [row["epoch"] for row in lean if "nll_cells" in row]
    assert (len(having), having[0], having[-1]) == (KEPT_EPOCHS, 4, 100)
    assert [row["epoch"] for row in lean if "mu_cells" in row] == [100]
    assert history[50] == {"epoch": 51, "nll": -2.0, **cells}
    assert for_header([{"epoch": 1}]) == [{"epoch": 1}]
    assert for_header([]) == []


def test_a_checkpoint_of_a_training_holds_the_cells_of_its_own_epoch(tmp_path: Path) -> None:
    run = trained(tmp_path)
    epochs = [record for record in MetricsReader(run.metrics_path).poll() if record["kind"] == "epoch"]
    first = read_header(run.checkpoint_folder / "phase-0.safetensors")
    assert first.history[-1]["mu_cells"] == epochs[1]["mu_cells"]
    assert "mu_cells" not in first.history[0]
    assert "nll_cells" not in first.metrics
