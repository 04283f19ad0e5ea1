"""Grids, cells and the seed's split."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from spivae.dataset import Dataset, Grid, in_batches, simulate_grid, split
from spivae.errors import SpivaeError
from spivae.process import Parameter
from spivae_plugins.sbm import ScaledBrownianMotion

SBM = ScaledBrownianMotion()
GRID = Grid({"alpha": np.linspace(0.2, 1.8, 5), "D": np.geomspace(1e-5, 1e-2, 4)})


def make(per_cell: int = 3, steps: int = 20, grid: Grid = GRID) -> Dataset:
    return simulate_grid(SBM, grid, per_cell, steps, np.random.default_rng(0))


def test_the_training_grid_of_sbm_is_the_originals() -> None:
    grid = Grid.of(SBM)
    assert_allclose(grid.values["alpha"], np.linspace(0.2, 1.8, 21))
    assert_allclose(grid.values["D"], np.geomspace(1e-5, 1e-2, 10))
    assert grid.shape == (21, 10)
    assert_array_equal(grid.cells[:2, 1], grid.values["D"][:2])  # the last parameter varies fastest


def test_a_dataset_holds_displacements_in_the_models_shape() -> None:
    dataset = make()
    assert dataset.displacements.shape == (60, 1, 20)
    assert dataset.displacements.dtype == np.float32
    assert dataset.steps == 20
    assert len(dataset) == 60


def test_every_trajectory_is_in_the_cell_of_its_parameters() -> None:
    dataset = make().take(np.random.default_rng(1).permutation(60)[:50])
    seen = []
    for cell in np.ndindex(dataset.cells.rows.shape):
        wanted = [values[i] for values, i in zip(dataset.cells.values, cell, strict=True)]
        for row in dataset.cells.rows[cell]:
            assert_array_equal(dataset.theta[row], wanted)
            seen.append(row)
    assert sorted(seen) == list(range(50))
    assert dataset.cells.counts.sum() == 50


def test_cell_means_are_nan_where_a_cell_is_empty() -> None:
    dataset = make(per_cell=1)
    partial = dataset.take(np.arange(1, 20))
    means = partial.cells.mean(partial.theta[:, 0])
    assert np.isnan(means[0, 0])
    assert_allclose(means[1], GRID.values["alpha"][1])


def test_cells_of_some_parameters_hold_the_trajectories_of_all_values_of_the_others() -> None:
    dataset = make().take(np.arange(5, 60))
    by_d = dataset.cells_by("D")
    assert_array_equal(by_d.values[0], GRID.values["D"])
    for value, rows in zip(by_d.values[0], by_d.rows, strict=True):
        assert_array_equal(rows, np.flatnonzero(dataset.theta[:, 1] == value))
    assert_array_equal(dataset.cells_by("D", "alpha").counts, dataset.cells.counts.T)


def test_parameters_that_lie_on_no_grid_are_refused_before_memory_is_taken() -> None:
    theta = np.random.default_rng(0).uniform(size=(2000, 2))
    dataset = Dataset(np.zeros((2000, 1, 1), np.float32), theta, ("alpha", "D"))
    with pytest.raises(SpivaeError, match=r"2,000 of alpha x 2,000 of D: these trajectories lie on no grid"):
        _ = dataset.cells
    assert dataset.cells_by("alpha").counts.sum() == 2000


def test_equal_generators_give_equal_data() -> None:
    assert_array_equal(make().displacements, make().displacements)


@pytest.mark.parametrize("size", [1, 4, 7, 60, 100])
def test_batches_hold_the_same_trajectories_in_the_same_order(size: int) -> None:
    whole = make()
    bounds = [0, 1, 1, 5, 30, 31, 60]
    parts = [whole.take(slice(*pair)) for pair in pairwise(bounds)]
    batches = list(in_batches(iter(parts), size))
    assert [len(batch) for batch in batches] == [size] * (60 // size) + [60 % size] * (60 % size > 0)
    assert_array_equal(np.concatenate([batch.displacements for batch in batches]), whole.displacements)
    assert_array_equal(np.concatenate([batch.theta for batch in batches]), whole.theta)


def test_the_split_is_the_seeds() -> None:
    torch.manual_seed(3)
    shuffled = torch.randperm(100).numpy()
    train, validation = split(100, 0.2, seed=3)
    assert_array_equal(validation, shuffled[:20])
    assert_array_equal(train, shuffled[20:])


def test_parameters_explain_impossible_ranges() -> None:
    with pytest.raises(ValueError, match="is not below high"):
        Parameter("D", low=1, high=1)
    with pytest.raises(ValueError, match="log scale needs low > 0"):
        Parameter("D", low=0, high=1, scale="log")
    with pytest.raises(ValueError, match=r"parameter alpha: 0.5 to 2 is not above 0 and below 2"):
        Parameter("alpha", low=0.5, high=2, above=0, below=2)


def test_parameters_tell_where_their_process_exists() -> None:
    alpha = Parameter("alpha", low=0.5, high=1.5, above=0, below=2)
    assert alpha.admits(np.array([np.nan, 0, 1e-9, 1.99, 2, np.inf])).tolist() == [0, 0, 1, 1, 0, 0]
    anything = Parameter("u", low=-1, high=1)
    assert (alpha.allowed, anything.allowed) == ("above 0 and below 2", "finite")
    assert anything.admits(np.array([np.nan, -np.inf, -1e300])).tolist() == [0, 0, 1]
