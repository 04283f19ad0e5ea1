"""Generation in parts: of cells of a process, and of trajectories longer than those of the training."""

import numpy as np
import pytest
import torch

from spivae import dataset as datasets
from spivae import generation
from spivae.analysis import Context, DataOptions
from spivae.checkpoint import Checkpoint
from spivae.errors import SpivaeError
from spivae.generation import begins_at, encode_parameters, generate, generate_cells, generate_like
from spivae.model import sampler
from spivae.model.arguments import ModelArgs
from spivae.model.scaled import build_scaled
from spivae.model.scaled_arguments import ScaledArgs
from spivae.model.vae import build
from spivae_plugins.sbm import ScaledBrownianMotion

SBM = ScaledBrownianMotion()
SMALL = {
    "o_dim": 63,
    "nf": (4, 4),
    "avg_size": 4,
    "encoder": (8,),
    "decoder": (8,),
    "z_dim": 2,
    "res_channels": 4,
    "skip_channels": 4,
    "layer_size": 2,
}
THETA = np.repeat([[0.5, 1e-3], [1.5, 1e-2]], 5, axis=0)


@pytest.fixture(scope="module")
def model():
    return build(ModelArgs(**SMALL), torch.Generator().manual_seed(0)).eval()


def made(model, length=70, seed=0, progress=None):
    parts = list(generate_like(model, SBM, THETA, length, np.random.default_rng(seed), progress))
    return [rows for rows, _ in parts], np.concatenate([part for _, part in parts])


def test_the_conditioning_is_the_same_in_parts(model, monkeypatch):
    z = np.random.default_rng(0).standard_normal((7, 2))
    at_once = generate(model, z, 100, torch.Generator().manual_seed(1))
    monkeypatch.setattr(generation, "_DECODED_AT_ONCE", 1)
    np.testing.assert_allclose(generate(model, z, 100, torch.Generator().manual_seed(1)), at_once, rtol=1e-4)


def test_what_a_decoder_carries_beside_its_conditioning_counts_as_memory(monkeypatch):
    args = ScaledArgs(
        o_dim=63, encoder=(8,), decoder=(8,), z_dim=2, knots=5, linear=8, c_channels=2, layer_size=2
    )
    scaled = build_scaled(args, torch.Generator().manual_seed(0)).eval()
    z, sizes = np.random.default_rng(0).standard_normal((7, 2)), []

    def noting(model, c, *arguments, **options):
        sizes.append(tuple(c.shape))
        return sample(model, c, *arguments, **options)

    sample = sampler.sample
    monkeypatch.setattr(sampler, "sample", noting)
    at_once = generate(scaled, z, 100, torch.Generator().manual_seed(1))
    full = 100 + begins_at(scaled)
    # room for seven trajectories with two channels, so for one with the eleven that it carries
    monkeypatch.setattr(generation, "_CONDITIONING_AT_ONCE", 7 * 2 * full)
    in_parts = generate(scaled, z, 100, torch.Generator().manual_seed(1))
    assert sizes == [(7, args.carried, full)] + 7 * [(1, args.carried, full)]
    np.testing.assert_allclose(in_parts, at_once, rtol=1e-4, atol=1e-6)


def test_latents_are_the_same_when_their_trajectories_are_made_in_parts(model, monkeypatch):
    theta = np.repeat([[0.5, 1e-3], [1.5, 1e-2]], 600, axis=0)
    at_once = encode_parameters(model, SBM, theta, np.random.default_rng(0))
    monkeypatch.setattr(datasets, "_AT_ONCE", 512 * 63)
    assert [
        rows.start for rows, _ in datasets.simulate_in_parts(SBM, theta, 63, np.random.default_rng(0))
    ] == [
        0,
        512,
        1024,
    ]
    in_parts = encode_parameters(model, SBM, theta, np.random.default_rng(0))
    np.testing.assert_allclose(in_parts, at_once, rtol=1e-5, atol=1e-6)


def test_rows_come_in_order_in_as_many_parts_as_memory_asks_for(model, monkeypatch):
    parts, displacements = made(model)
    assert parts == [slice(0, 10)]
    assert displacements.shape == (10, 70)
    monkeypatch.setattr(generation, "_GENERATED_AT_ONCE", 4 * 70)
    parts, displacements = made(model)
    assert parts == [slice(0, 4), slice(4, 8), slice(8, 10)]
    assert displacements.shape == (10, 70)


def test_the_same_random_numbers_make_the_same_trajectories(model):
    np.testing.assert_array_equal(made(model)[1], made(model)[1])
    assert not np.array_equal(made(model)[1], made(model, seed=1)[1])


def test_progress_runs_over_all_parts(model, monkeypatch):
    monkeypatch.setattr(generation, "_GENERATED_AT_ONCE", 4 * 70)
    told = []
    made(model, progress=lambda done, total: told.append((done, total)))
    assert {total for _, total in told} == {700}
    assert [done for done, _ in told] == [0, 280, 560]


def test_cells_come_one_by_one_with_progress_over_all(model, monkeypatch):
    cells, told = THETA[[0, 9]], []
    rng = np.random.default_rng(0)
    monkeypatch.setattr(generation, "_GENERATED_AT_ONCE", 2 * 150)
    made = list(generate_cells(model, SBM, cells, 2, 150, rng, lambda *state: told.append(state)))
    assert [part.shape for part in made] == [(2, 150), (2, 150)]
    assert told == [(0, 600), (200, 600), (300, 600), (500, 600)]


def test_a_cell_that_is_too_large_to_be_held_comes_in_parts_of_the_same_trajectories(model, monkeypatch):
    cells, told = THETA[[0, 9]], []
    context = Context(None, SBM, model=model, progress=lambda done, total, _: told.append((done, total)))
    monkeypatch.setattr(generation, "_GENERATED_AT_ONCE", 4 * 70)  # as for the cells themselves

    def parts():
        return [list(parts) for parts in context.generate_in_parts(cells, 10, 70, context.rng())]

    whole = [part for (part,) in parts()]
    told.clear()
    monkeypatch.setattr("spivae.analysis.WHOLE", 10 * 70 - 1)
    assert [[len(part) for part in cell] for cell in parts()] == [[4, 4, 2]] * 2
    assert told == [(before + done, 1400) for before in (0, 700) for done in (0, 280, 560)]
    for cell, wanted in zip(parts(), whole, strict=True):
        np.testing.assert_array_equal(np.concatenate(cell), wanted)


def test_more_generated_trajectories_than_memory_allows_are_refused(model):
    context = Context(None, SBM, model=model)
    words = (
        r"of 1,000,000 displacements need .* GiB; at most 134 fit .* choose fewer of them \(n\), or shorter"
    )
    with pytest.raises(SpivaeError, match="200 trajectories " + words):
        context.generate(np.zeros((200, 2)), 1_000_000, context.rng())
    with pytest.raises(SpivaeError, match="200 trajectories " + words):
        context.generate_cells(THETA[:1], 200, 1_000_000, context.rng())


def test_what_cannot_be_encoded_is_refused(model):
    parts = generate_like(model, SBM, np.array([[0.5, np.inf]]), 20, np.random.default_rng(0))
    with pytest.raises(SpivaeError, match="process sbm: makes no trajectories there that a model can encode"):
        next(parts)


def test_a_generated_trajectory_begins_after_the_history_and_one_dropped_step(model):
    assert begins_at(model) == model.receptive_field + 1
    padded = build(ModelArgs(**SMALL, use_pad=True), torch.Generator().manual_seed(0))
    assert begins_at(padded) == 0


def test_an_analysis_gets_the_grid_of_its_model_or_the_part_asked_for(model):
    recorded = Checkpoint(path="x", process="sbm", ds_args={"alpha": [0.5, 1.0, 1.5], "D": [1e-3, 1e-2]})
    context = Context(recorded, SBM, model=model)
    assert context.grid.shape == (3, 2)
    assert context.begins_at == model.receptive_field + 1
    context = Context(recorded, SBM, model=model, data=DataOptions(subset="alpha=1..2,D=1e-2"))
    assert context.grid.cells.tolist() == [[1.0, 1e-2], [1.5, 1e-2]]
    with pytest.raises(SpivaeError, match=r"subset alpha=0.7: leaves no trajectories; alpha has 0.5, 1, 1.5"):
        _ = Context(recorded, SBM, data=DataOptions(subset="alpha=0.7")).grid
    assert Context(recorded, SBM, data=DataOptions(grid="test")).grid.shape == (49, 12)


def test_an_analysis_generates_with_its_own_seed(model):
    told = []
    context = Context(None, SBM, model=model, progress=lambda *state: told.append(state))
    first, second = (
        np.concatenate([d for _, d in context.generate_like(THETA, 20, context.rng())]) for _ in "12"
    )
    np.testing.assert_array_equal(first, second)
    assert told[0] == (0, 200, "generating")
