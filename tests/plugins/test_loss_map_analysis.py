"""Loss map: means over parameter cells."""

import numpy as np
from analysis_contexts import RECEPTIVE_FIELD, STEPS, OneParameter, ThreeParameters, context, theoretical

from spivae.api import Heatmap, Line, VLine
from spivae.dataset import Grid
from spivae_plugins.loss_map import LossMap
from spivae_plugins.sbm import ScaledBrownianMotion

SBM = ScaledBrownianMotion()
LOSS = LossMap()


def of(process, theta):
    given = theoretical(process, theta)
    return given[1], LOSS.compute(context(LOSS, process, theta, given))


def shuffled(process, n, seed=1, **points):
    """Trajectories spread over the grid unevenly, some cells perhaps without any."""
    grid = Grid.of(process, points).cells
    return grid[np.random.default_rng(seed).integers(len(grid), size=n)]


def test_every_cell_holds_the_mean_of_its_trajectories():
    theta = shuffled(SBM, 100, alpha=3, D=4)
    predictions, result = of(SBM, theta)
    for i, alpha in enumerate(result.arrays["alpha"]):
        for j, d in enumerate(result.arrays["D"]):
            rows = (theta == [alpha, d]).all(axis=1)
            np.testing.assert_allclose(result.arrays["nll"][i, j], predictions.nll[rows].mean())
            assert result.arrays["trajectories"][i, j] == rows.sum()


def test_further_parameters_are_averaged_over_with_the_same_weight_for_every_trajectory():
    process = ThreeParameters()
    theta = shuffled(process, 200)
    predictions, result = of(process, theta)
    assert result.arrays["nll"].shape == (3, 2)
    rows = (theta[:, 0] == result.arrays["k"][1]) & (theta[:, 1] == result.arrays["v"][0])
    np.testing.assert_allclose(result.arrays["nll"][1, 0], predictions.nll[rows].mean())


def test_a_cell_without_trajectories_is_empty_in_the_map():
    _, result = of(SBM, np.array([[0.5, 1e-3], [0.7, 1e-4], [0.5, 1e-4]]))
    assert np.isnan(result.arrays["nll"][1, 1])
    assert np.isfinite(result.arrays["nll"]).sum() == 3


def test_elbo_is_the_nll_a_step_and_the_kl_shared_among_the_steps():
    predictions, result = of(SBM, shuffled(SBM, 50))
    kl = predictions.kl.sum(axis=1).mean()
    np.testing.assert_allclose(result.scalars["kl"], kl)
    np.testing.assert_allclose(
        result.scalars["neg_elbo"], predictions.nll.mean() + kl / (STEPS - RECEPTIVE_FIELD)
    )


def test_a_curve_for_each_d_with_the_largest_on_top_of_the_legend_and_a_line_at_normal_diffusion():
    _, result = of(SBM, np.repeat(Grid.of(SBM).cells, 1, axis=0))
    curves, heatmap, _ = LOSS.figure(result).panels
    lines = [mark for mark in curves.marks if isinstance(mark, Line)]
    assert curves.legend == "D"
    assert [float(line.label) for line in lines] == sorted(
        (float(line.label) for line in lines), reverse=True
    )
    assert [mark.x for mark in curves.marks if isinstance(mark, VLine)] == [1.0]
    (drawn,) = [mark for mark in heatmap.marks if isinstance(mark, Heatmap)]
    assert drawn.values.shape == (10, 21)
    assert heatmap.y.label == "log10 D"


def test_one_parameter_is_one_curve_without_a_map():
    process = OneParameter()
    _, result = of(process, Grid.of(process).cells)
    curve, time = LOSS.figure(result).panels
    assert len(curve.marks) == 1
    assert curve.x.scale == "log"
    assert time.legend == "D"


def test_a_few_cells_are_drawn_in_time_from_the_highest_to_the_lowest_over_their_entropy():
    theta = np.repeat(Grid.of(SBM).cells, 2, axis=0)
    exact = np.sqrt(SBM.covariance(theta, STEPS)[:, RECEPTIVE_FIELD:])
    given = theoretical(SBM, theta, exact)
    result = LOSS.compute(context(LOSS, SBM, theta, given))
    assert result.arrays["t"].tolist() == list(range(RECEPTIVE_FIELD + 1, STEPS + 1))
    assert result.arrays["nll_in_time"].shape == (4, STEPS - RECEPTIVE_FIELD)
    means = result.arrays["nll_in_time"].mean(axis=1)
    assert (np.diff(means) < 0).all()
    np.testing.assert_allclose(means[[0, -1]], [result.arrays["nll"].max(), result.arrays["nll"].min()])
    found = (result.arrays[name] for name in ("cells", "nll_in_time", "entropy_in_time"))
    for cell, curve, bound in zip(*found, strict=True):
        rows = (theta == cell).all(axis=1)
        np.testing.assert_allclose(curve, given[1].nll[rows].mean(axis=0))
        variance = SBM.covariance(cell[None], STEPS)[0, RECEPTIVE_FIELD:]
        np.testing.assert_allclose(bound, np.log(2 * np.pi * np.e * variance) / 2)
    panel = LOSS.figure(result).panels[2]
    lines = [mark for mark in panel.marks if not mark.dashed]
    assert [line.label for line in lines] == [f"{alpha:.3g}, {d:.3g}" for alpha, d in result.arrays["cells"]]
    assert panel.legend == "α, D"
    assert len([mark for mark in panel.marks if mark.dashed and mark.muted]) == 4


def test_a_process_without_independent_steps_has_no_entropy_in_time():
    process = ThreeParameters()
    _, result = of(process, shuffled(process, 50))
    assert "entropy_in_time" not in result.arrays
    assert result.arrays["cells"].shape == (4, 2)


def test_the_map_does_not_depend_on_the_latents():
    theta = np.repeat(Grid.of(SBM).cells, 1, axis=0)
    with_latents, without = (
        LOSS.compute(context(LOSS, SBM, theta, theoretical(SBM, theta, latents=latents)))
        for latents in (3, 0)
    )
    assert with_latents.arrays["nll"].shape == without.arrays["nll"].shape == (21, 10)
    assert without.scalars["kl"] == 0
    assert without.scalars["neg_elbo"] == without.scalars["nll"]
