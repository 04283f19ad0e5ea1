"""The seed's .npz layout: what is written, and what is read of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from spivae import npz
from spivae.dataset import Dataset, Grid, simulate, simulate_grid
from spivae.errors import SpivaeError
from spivae.layout import Wanted, load_npz, read_npz, save_npz, simulate_npz
from spivae_plugins.sbm import ScaledBrownianMotion

SBM = ScaledBrownianMotion()
GRID = Grid({"alpha": np.linspace(0.2, 1.8, 5), "D": np.geomspace(1e-5, 1e-2, 4)})


def make(per_cell: int = 3, steps: int = 20, grid: Grid = GRID) -> Dataset:
    return simulate_grid(SBM, grid, per_cell, steps, np.random.default_rng(0))


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
    parts = list(read_npz(tmp_path / "sbm.npz", SBM.names, Wanted(steps=19)))
    assert [len(part) for part in parts] == 20 * [2, 1]
    assert_array_equal(np.concatenate([part.displacements for part in parts]), whole.displacements[..., :19])
    first = list(read_npz(tmp_path / "sbm.npz", SBM.names, Wanted(per_cell=1)))
    assert [len(part) for part in first] == 20 * [1]


def test_what_was_read_does_not_keep_what_was_not_asked_for(tmp_path: Path) -> None:
    save_npz(tmp_path / "sbm.npz", make())
    back = load_npz(tmp_path / "sbm.npz", steps=5)
    for values in (back.theta, back.displacements):
        assert values.base is None or values.base.nbytes == values.nbytes


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
