"""Grids, cells, the seed's .npz layout and its split."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from spivae import npz
from spivae.dataset import (
    Dataset,
    Grid,
    in_batches,
    load_npz,
    read_npz,
    save_npz,
    simulate,
    simulate_grid,
    simulate_npz,
    split,
)
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


@settings(max_examples=25, deadline=None)
@given(
    alphas=st.lists(st.integers(1, 190), min_size=1, max_size=4, unique=True),
    powers=st.lists(st.integers(-6, 0), min_size=1, max_size=4, unique=True),
    per_cell=st.integers(1, 4),
    steps=st.integers(1, 12),
)
def test_what_is_written_is_read_back_in_any_sub_grid(
    tmp_path_factory: pytest.TempPathFactory, alphas: list[int], powers: list[int], per_cell: int, steps: int
) -> None:
    grid = Grid({"alpha": np.array(alphas) / 100, "D": 10.0 ** np.array(powers)})
    dataset = make(per_cell, steps, grid)
    path = tmp_path_factory.mktemp("layout") / "sbm.npz"
    save_npz(path, dataset)
    back = load_npz(path, grid=grid)
    assert_array_equal(back.displacements, dataset.displacements)
    assert_array_equal(back.theta, dataset.theta)
    corner = Grid({"alpha": grid.values["alpha"][-1:], "D": grid.values["D"][:1]})
    part = load_npz(path, grid=corner, per_cell=1, steps=max(1, steps - 1))
    row = (len(alphas) - 1) * len(powers) * per_cell
    assert_array_equal(part.displacements[0, 0], dataset.displacements[row, 0, : max(1, steps - 1)])


def test_the_layout_is_the_seeds(tmp_path: Path) -> None:
    save_npz(tmp_path / "sbm.npz", make())
    with np.load(tmp_path / "sbm.npz") as file:
        rows = file["0.2,0.0001"]
    assert rows.shape == (3, 2 + 20)
    assert_allclose(rows[:, :2], [[0.2, 1e-4]] * 3)


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"grid": Grid({"alpha": [0.3], "D": [1e-5]})}, "no cell '0.3,1e-05'; it has 20"),
        ({"per_cell": 4}, "has 3 trajectories, not 4"),
        ({"steps": 21}, "has 20 steps, not 21"),
    ],
)
def test_a_sub_grid_outside_the_file_is_refused(tmp_path: Path, wanted: dict, message: str) -> None:
    save_npz(tmp_path / "sbm.npz", make())
    with pytest.raises(SpivaeError, match=message):
        load_npz(tmp_path / "sbm.npz", **wanted)


def test_a_file_is_read_a_few_rows_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = make()
    save_npz(tmp_path / "sbm.npz", whole)
    monkeypatch.setattr(npz, "_READ", 2 * 22 * 8)
    parts = list(read_npz(tmp_path / "sbm.npz", steps=19))
    assert [len(part) for part in parts] == 20 * [2, 1]
    assert_array_equal(np.concatenate([part.displacements for part in parts]), whole.displacements[..., :19])
    first = list(read_npz(tmp_path / "sbm.npz", per_cell=1))
    assert [len(part) for part in first] == 20 * [1]


def test_what_was_read_does_not_keep_what_was_not_asked_for(tmp_path: Path) -> None:
    save_npz(tmp_path / "sbm.npz", make())
    back = load_npz(tmp_path / "sbm.npz", steps=5)
    for values in (back.theta, back.displacements):
        assert values.base is None or values.base.nbytes == values.nbytes


@pytest.mark.parametrize("size", [1, 4, 7, 60, 100])
def test_batches_hold_the_same_trajectories_in_the_same_order(size: int) -> None:
    whole = make()
    bounds = [0, 1, 1, 5, 30, 31, 60]
    parts = [whole.take(slice(*pair)) for pair in pairwise(bounds)]
    batches = list(in_batches(iter(parts), size))
    assert [len(batch) for batch in batches] == [size] * (60 // size) + [60 % size] * (60 % size > 0)
    assert_array_equal(np.concatenate([batch.displacements for batch in batches]), whole.displacements)
    assert_array_equal(np.concatenate([batch.theta for batch in batches]), whole.theta)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04torn", b"\x93NUMPY\x01\x00", b"text"])
def test_files_that_are_no_npz_are_refused_by_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.npz"
    path.write_bytes(content)
    with pytest.raises(SpivaeError, match=r"broken\.npz"):
        load_npz(path)
    with pytest.raises(SpivaeError, match="no such file"):
        load_npz(tmp_path / "missing.npz")


def test_pickled_arrays_are_never_loaded(tmp_path: Path) -> None:
    np.savez(tmp_path / "objects.npz", **{"0.2,0.1": np.array([{}], dtype=object)})
    with pytest.raises(SpivaeError, match=r"objects\.npz"):
        load_npz(tmp_path / "objects.npz")


def test_values_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "nan.npz", **{"0.2,0.1": np.full((2, 5), np.nan)})
    with pytest.raises(SpivaeError, match="not finite"):
        load_npz(tmp_path / "nan.npz")


def test_a_simulated_file_is_that_of_the_dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_npz(tmp_path / "whole.npz", make(per_cell=7))
    monkeypatch.setattr("spivae.dataset._BLOCK", 10)
    monkeypatch.setattr("spivae.dataset._AT_ONCE", 10 * 20)
    told: list[tuple[int, int]] = []
    simulate_npz(
        tmp_path / "parts.npz", SBM, GRID, 7, 20, np.random.default_rng(0), lambda *state: told.append(state)
    )
    assert told == [(start, 140) for start in range(0, 140, 10)]
    whole, parts = (load_npz(tmp_path / f"{name}.npz") for name in ("whole", "parts"))
    assert_array_equal(parts.theta, whole.theta)
    assert parts.displacements.shape == whole.displacements.shape
    assert len(np.unique(parts.displacements[:, 0, 0])) == 140


def test_cells_that_share_a_key_are_refused(tmp_path: Path) -> None:
    dataset = simulate(SBM, np.array([[0.2, 1e-3], [0.2, 1.0001e-3]]), 5, np.random.default_rng(0))
    with pytest.raises(SpivaeError, match="two cells share the key"):
        save_npz(tmp_path / "twice.npz", dataset)
    assert not list(tmp_path.iterdir())


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
