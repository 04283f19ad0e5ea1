"""Which trajectories a model is shown."""

from types import SimpleNamespace

import numpy as np
import pytest

from spivae import scratch
from spivae.analysis import DataOptions
from spivae.api import Parameter, Process
from spivae.checkpoint import Checkpoint
from spivae.dataset import Grid, simulate_grid
from spivae.errors import SpivaeError
from spivae.grids import wide_grid
from spivae.layout import save_npz
from spivae.worker import trajectories
from spivae_plugins.sbm import ScaledBrownianMotion

SBM = ScaledBrownianMotion()
SMALL_MODEL = {"o_dim": 60}


class Trap(Process):
    """A process with another number of parameters."""

    name = "trap"
    parameters = (
        Parameter("k", low=0.0, high=1.0, points=5),
        Parameter("tau", low=1.0, high=100.0, scale="log", points=3),
    )

    def displacements(self, rng, theta, steps):
        return rng.standard_normal((len(theta), steps))


def checkpoint(model_args=SMALL_MODEL, **ds_args):
    return Checkpoint(path="x", process="sbm", model_args=model_args, ds_args=ds_args)


def made(process=SBM, of=None, **data):
    return trajectories.plan(of or checkpoint(), process, DataOptions(**data)).dataset(lambda *_: None)


def test_the_training_grid_is_the_one_the_checkpoint_records():
    dataset = made(of=checkpoint(alpha=[0.5, 1.5], D=[1e-3, 2e-3, 4e-3]), per_cell=2)
    assert dataset.cells.counts.tolist() == [[2, 2, 2], [2, 2, 2]]
    assert dataset.steps == 60


def test_without_a_record_it_is_that_of_the_process():
    assert made(per_cell=1).cells.counts.shape == (21, 10)


def test_the_test_grid_of_alpha_and_d_is_the_seeds():
    grid = wide_grid(SBM)
    assert grid.shape == (49, 12)
    np.testing.assert_allclose(grid.values["alpha"][[0, -1]], [0.04, 1.96])
    np.testing.assert_allclose(grid.values["D"][[0, -1]], [10 ** (-16 / 3), 10 ** (-5 / 3)])


def test_the_test_grid_of_any_process_reaches_a_tenth_beyond_its_range_but_never_below_zero():
    grid = wide_grid(Trap())
    np.testing.assert_allclose(grid.values["k"][[0, -1]], [0.0, 1.1])
    np.testing.assert_allclose(grid.values["tau"][[0, -1]], [10**-0.2, 10**2.2])


def test_the_same_seed_gives_the_same_trajectories_and_another_others():
    np.testing.assert_array_equal(made(seed=3).displacements, made(seed=3).displacements)
    assert not np.array_equal(made(seed=3).displacements, made(seed=4).displacements)


@pytest.fixture
def small_disk(monkeypatch):
    """Room for so many bytes, and memory for almost none."""

    def make(free):
        monkeypatch.setattr(scratch, "IN_MEMORY", 1000)
        monkeypatch.setattr(scratch.shutil, "disk_usage", lambda _: SimpleNamespace(free=free))

    return make


def test_more_trajectories_than_the_disk_has_room_for_are_refused_before_any_is_made(small_disk):
    small_disk(1e9)
    with pytest.raises(SpivaeError, match=r"need .* GiB on disk; .* choose fewer a cell \(per_cell\)"):
        trajectories.plan(checkpoint({}), SBM, DataOptions(per_cell=10_000, grid="test"))
    assert trajectories.plan(checkpoint({}), SBM, DataOptions(per_cell=170, grid="test"))  # the seed's own


def test_a_wavenet_without_vae_is_shown_the_length_it_was_trained_on():
    assert made(of=checkpoint({"o_dim": 399, "c_channels": 0}, T=100), per_cell=1).steps == 99
    assert made(of=checkpoint({"o_dim": 50, "c_channels": 0}), per_cell=1).steps == 50


def saved(path, steps, per_cell=3):
    grid = Grid({"alpha": [0.5, 1.5], "D": [1e-3]})
    save_npz(path, simulate_grid(SBM, grid, per_cell, steps, np.random.default_rng(0)))
    return str(path)


def test_a_file_gives_its_first_trajectories_cut_to_the_models_length(tmp_path):
    dataset = made(file=saved(tmp_path / "sbm.npz", 80), per_cell=2)
    assert dataset.steps == 60
    assert dataset.cells.counts.tolist() == [[2], [2]]
    assert len(made(file=saved(tmp_path / "sbm.npz", 80), per_cell=100)) == 6


def test_a_file_of_more_than_the_disk_has_room_for_is_refused_before_any_of_it_is_read(
    tmp_path, monkeypatch, small_disk
):
    path = saved(tmp_path / "large.npz", 80, per_cell=100)  # each cell alone would do
    small_disk(150 * 16 * 80)
    monkeypatch.setattr(trajectories, "read_npz", lambda *_, **__: pytest.fail("it was read"))

    def planned(**data):
        return trajectories.plan(checkpoint(), SBM, DataOptions(file=path, **data))

    with pytest.raises(SpivaeError, match=r"200 trajectories of 80 displacements need .* at most 150 fit"):
        planned(per_cell=1000)
    assert planned(per_cell=75)
    assert planned(per_cell=1000, subset="alpha=0.5")


def test_a_file_of_more_than_memory_allows_in_one_cell_is_refused(tmp_path, monkeypatch):
    path = saved(tmp_path / "large.npz", 80, per_cell=100)
    monkeypatch.setattr(trajectories, "MAX_BYTES", 8 * 100 * 81)
    with pytest.raises(SpivaeError, match=r"a cell of 0\.0 GiB is too large; save fewer a cell"):
        made(file=path, per_cell=1)


def test_a_file_of_trajectories_too_short_for_the_model_is_refused(tmp_path):
    with pytest.raises(SpivaeError, match="of 59 displacements, but the model takes 60"):
        made(file=saved(tmp_path / "short.npz", 59))
    with pytest.raises(SpivaeError, match="receptive field of 32"):
        made(of=checkpoint({"c_channels": 0}), file=saved(tmp_path / "short.npz", 32))


def test_a_file_that_is_missing_or_no_dataset_is_refused_by_name(tmp_path):
    with pytest.raises(SpivaeError, match="no such file"):
        made(file=str(tmp_path / "none.npz"))
    (tmp_path / "odd.npz").write_text("not a zip")
    with pytest.raises(SpivaeError, match=r"odd\.npz"):
        made(file=str(tmp_path / "odd.npz"))


def test_a_process_that_breaks_or_makes_nonsense_is_named():
    class Broken(Trap):
        def displacements(self, rng, theta, steps):
            raise ValueError("k is odd")

    class Nonsense(Trap):
        def displacements(self, rng, theta, steps):
            return np.full((len(theta), steps), np.nan)

    with pytest.raises(SpivaeError, match="process trap: ValueError: k is odd"):
        made(Broken())
    with pytest.raises(SpivaeError, match="process trap: made displacements that are not finite"):
        made(Nonsense())


def test_a_subset_of_the_grid_is_simulated_alone(tmp_path):
    dataset = made(subset="alpha=0.2..0.6, D=1e-3", per_cell=2)
    assert dataset.cells.counts.tolist() == [[2]] * 6
    assert set(dataset.theta[:, 1]) == {1e-3}


def test_a_subset_of_a_file_reads_those_cells_alone(tmp_path):
    saved(tmp_path / "x.npz", 60)
    dataset = made(file=str(tmp_path / "x.npz"), subset="alpha=1..2", per_cell=2)
    assert dataset.theta.tolist() == [[1.5, 1e-3]] * 2
    with pytest.raises(SpivaeError, match=r"subset alpha=1: leaves no trajectories; alpha has 0.5, 1.5"):
        made(file=str(tmp_path / "x.npz"), subset="alpha=1")
