"""The judge of generated trajectories, judged by exact ones and by ones that are wrong on purpose."""

import json
import math

import numpy as np
import pytest
import torch

from spivae.dataset import Grid
from spivae.errors import SpivaeError
from spivae.generation_quality import DIFFUSION_WINDOW, generation_quality, judge_generated, worst_of_noise
from spivae.model.arguments import ModelArgs
from spivae.model.vae import build
from spivae_plugins.bm import BrownianMotion
from spivae_plugins.fbm import FractionalBrownianMotion
from spivae_plugins.ou import OrnsteinUhlenbeck
from spivae_plugins.sbm import ScaledBrownianMotion

SBM, FBM, BM = ScaledBrownianMotion(), FractionalBrownianMotion(), BrownianMotion()
BEGINS_AT = 33
GRID = Grid({"alpha": [0.2, 0.6, 1.0, 1.4, 1.8], "D": [1e-4, 1e-2]})


def exact(process, grid, per_cell, length, seed=0, at_once=700):
    """What a perfect generator yields: rows and displacements, some at a time."""
    theta = np.repeat(grid.cells, per_cell, axis=0)
    rng = np.random.default_rng(seed)
    for start in range(0, len(theta), at_once):
        rows = slice(start, min(start + at_once, len(theta)))
        yield rows, process.displacements(rng, theta[rows], BEGINS_AT + length)[:, BEGINS_AT:]


def judged(process, grid=GRID, per_cell=400, length=105, change=lambda x: x, **more):
    parts = ((rows, change(x)) for rows, x in exact(process, grid, per_cell, length, **more))
    return judge_generated(parts, process, grid, per_cell, length, BEGINS_AT)


def test_a_perfect_generator_reads_the_true_exponent_and_the_seed_another():
    found = judged(SBM, per_cell=2000, length=200)
    truth = GRID.values["alpha"][:, None]
    assert (np.abs(found.alpha.mean - truth) < 3.5 * found.alpha.error).all()
    pooled = found.alpha_seed.mean.mean(axis=1)
    assert pooled[[0, 4]] == pytest.approx([0.360, 1.640], abs=0.06)
    assert found.alpha_mae < 2 * found.alpha_mae_noise


def test_a_perfect_generator_of_fbm_is_read_by_the_growth_of_its_ta_msd():
    found = judged(FBM, length=200)
    np.testing.assert_allclose(found.alpha.mean, np.repeat(GRID.values["alpha"][:, None], 2, 1), atol=0.12)
    assert found.alpha.mean[0] == pytest.approx(0.2, abs=0.02)
    assert found.alpha_seed is None


@pytest.mark.parametrize("process", [SBM, FBM, BM, OrnsteinUhlenbeck()], ids=lambda p: p.name)
def test_windows_of_exact_trajectories_scatter_around_theory_by_the_noise_that_is_told(process):
    grid = GRID if "alpha" in process.names else Grid.of(process, dict.fromkeys(process.names, 3))
    found = judged(process, grid)
    assert found.times.tolist() == [BEGINS_AT + 5.0 + DIFFUSION_WINDOW * k for k in range(10)]
    sigmas = (found.square - found.square_theory) / found.square_noise
    assert 0.75 < np.sqrt(np.mean(sigmas**2)) < 1.3
    assert np.abs(sigmas).max() < 4.5
    drifts = (found.drift - found.drift_theory) / np.sqrt(found.square_theory / found.per_cell)
    assert np.abs(drifts).max() < 4.5


def test_the_worst_ratio_of_a_perfect_generator_is_the_noise_that_is_told():
    found = [judged(SBM, per_cell=100, seed=seed) for seed in range(20)]
    worst = np.array([quality.diffusivity_worst_ratio for quality in found])
    noise = found[0].diffusivity_worst_noise
    assert 1.1 < noise < 1.2
    assert 4 <= np.sum(worst > noise) <= 16  # a median


def test_a_generator_that_is_wrong_in_one_window_of_one_cell_is_found():
    def too_large(x):
        x = x.copy()
        x[:100, 30:40] *= math.sqrt(2)
        return x

    found = judged(SBM, per_cell=100, change=too_large, at_once=10_000)
    worst = np.unravel_index(np.abs(np.log(found.diffusivity_ratio)).argmax(), found.square.shape)
    assert worst == (0, 0, 3)
    assert found.diffusivity_worst_ratio == pytest.approx(2, rel=0.15)
    assert found.diffusivity_worst_ratio > 1.5 * found.diffusivity_worst_noise


def test_too_small_a_coefficient_is_as_bad_as_too_large_a_one_and_none_is_worst():
    halved = judged(SBM, change=lambda x: x / math.sqrt(2))
    assert halved.diffusivity_worst_ratio == pytest.approx(2, rel=0.3)
    assert judged(SBM, change=np.zeros_like).diffusivity_worst_ratio == math.inf


def test_a_constant_exponent_is_off_by_its_mean_distance():
    wrong = judged(SBM, change=lambda x: np.random.default_rng(1).standard_normal(x.shape))
    assert wrong.alpha_mae == pytest.approx(np.abs(GRID.values["alpha"] - 1).mean(), abs=0.1)


def test_parts_do_not_matter():
    rows = np.concatenate([x for _, x in exact(SBM, GRID, 400, 105)])

    def in_parts_of(count):
        starts = range(0, len(rows), count)
        parts = [
            (slice(start, min(start + count, len(rows))), rows[start : start + count]) for start in starts
        ]
        return judge_generated(parts, SBM, GRID, 400, 105, BEGINS_AT)

    whole, split = in_parts_of(len(rows)), in_parts_of(333)
    np.testing.assert_allclose(split.drift, whole.drift, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(split.square, whole.square, rtol=1e-9)
    np.testing.assert_allclose(split.alpha.mean, whole.alpha.mean, rtol=1e-9)
    np.testing.assert_allclose(split.alpha.error, whole.alpha.error, rtol=1e-9)


def test_trajectories_that_run_away_are_counted_and_hidden_nowhere():
    def away(x):
        x = x.copy()
        x[0, 50:] = np.nan
        return x

    found = judged(SBM, change=away, at_once=10_000)
    assert found.not_finite == 1
    answer = found.to_json()
    assert math.isnan(answer["diffusivity_worst_ratio"])
    assert math.isnan(answer["alpha_mae"])
    assert np.isfinite(found.square[1:]).all()


def test_what_a_process_has_no_closed_form_for_is_none():
    class Unknown(ScaledBrownianMotion):
        name = "unknown"

        def covariance(self, theta, steps):
            return None

        def displacements(self, rng, theta, steps):
            return rng.standard_normal((len(theta), steps))

    found = judged(Unknown())
    answer = json.loads(json.dumps(found.to_json()))
    assert found.square.shape == (5, 2, 10)
    for key in ("alpha_mae", "alpha_mae_noise", "diffusivity_worst_ratio", "diffusivity_worst_noise"):
        assert answer[key] is None
    assert judged(BM, Grid.of(BM, {"u": 2, "D": 2})).alpha is None


def test_the_noise_of_the_worst_agrees_with_drawn_ones():
    errors = np.concatenate([np.full(300, 0.1), np.full(50, 0.3)])
    rng = np.random.default_rng(2)
    degrees = 2 / errors**2
    ratios = rng.chisquare(degrees, (4000, 350)) / degrees
    worst = np.median(np.maximum(ratios, 1 / ratios).max(axis=1))
    assert worst_of_noise(errors) == pytest.approx(worst, rel=0.03)
    assert worst_of_noise(np.zeros(3)) == 1


@pytest.mark.parametrize(
    ("per_cell", "length", "message"),
    [(1, 50, "a standard error takes 2 in each cell, not 1"), (5, 9, "averaged over 10 steps")],
)
def test_too_few_are_refused_before_anything_is_generated(per_cell, length, message):
    with pytest.raises(SpivaeError, match=message):
        generation_quality(None, SBM, GRID, per_cell, length, np.random.default_rng(0))


def test_a_model_is_judged_on_what_it_generates_and_alike_with_the_same_seed():
    args = ModelArgs(o_dim=40, nf=(4,), avg_size=4, encoder=(8,), decoder=(8,), z_dim=2, layer_size=2)
    model = build(args, torch.Generator().manual_seed(0))
    told = []
    found, again = (
        generation_quality(
            model, SBM, GRID, 3, 20, np.random.default_rng(0), lambda done, total: told.append((done, total))
        )
        for _ in range(2)
    )
    assert found.begins_at == model.receptive_field + 1
    assert found.square.shape == (5, 2, 2)
    np.testing.assert_array_equal(found.square, again.square)
    assert told[0] == (0, 600)
    alone = build(ModelArgs(o_dim=40, c_channels=0, layer_size=2), torch.Generator().manual_seed(0))
    with pytest.raises(SpivaeError, match="WaveNet alone"):
        generation_quality(alone, SBM, GRID, 2, 20, np.random.default_rng(0))
