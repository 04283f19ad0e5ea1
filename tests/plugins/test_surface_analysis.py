"""Surface: the mean of each latent over two parameters."""

import numpy as np
import pytest
from analysis_contexts import OneParameter, ThreeParameters, context, theoretical

from spivae.api import Heatmap, Line, SpivaeError
from spivae.dataset import Grid
from spivae_plugins.sbm import ScaledBrownianMotion
from spivae_plugins.surface import Surface

SBM = ScaledBrownianMotion()
SURFACE = Surface()
THETA = np.repeat(Grid.of(SBM, {"alpha": 5, "D": 4}).cells, 20, axis=0)


def of(process=SBM, theta=THETA, given=None, **options):
    return SURFACE.compute(context(SURFACE, process, theta, given or theoretical(process, theta), **options))


def heatmaps(result):
    return [mark for panel in SURFACE.figure(result).panels for mark in panel.marks]


def test_every_cell_holds_the_mean_of_its_latents():
    given = theoretical(SBM, THETA)
    result = of(given=given)
    assert result.arrays["mu"].shape == (3, 5, 4)
    cell = [result.arrays["x_values"][2], result.arrays["y_values"][1]]
    rows = np.all(cell == THETA, axis=1)
    np.testing.assert_allclose(result.arrays["mu"][:, 2, 1], given[1].mu[rows].mean(axis=0))


def test_a_map_for_each_latent_on_common_limits_with_the_idle_ones_marked():
    result = of()
    figure, found = SURFACE.figure(result), heatmaps(result)
    assert [panel.title for panel in figure.panels] == ["Latent 0", "Latent 1", "Latent 2 (idle)"]
    limit = np.abs(result.arrays["mu"]).max()
    assert {(mark.low, mark.high) for mark in found} == {(-limit, limit)}
    assert all(mark.surface and isinstance(mark, Heatmap) for mark in found)
    np.testing.assert_array_equal(found[1].values, result.arrays["mu"][1].T)
    assert {(panel.x.label, panel.y.label, panel.y.scale) for panel in figure.panels} == {
        ("α", "log10 D", "linear")
    }
    np.testing.assert_allclose(found[0].y_edges, [-5.5, -4.5, -3.5, -2.5, -1.5])


def test_surviving_latents_come_first():
    given = theoretical(SBM, THETA)
    given[1].kl[:] = [0.01, 0.1, 3.0]
    titles = [panel.title for panel in SURFACE.figure(of(given=given)).panels]
    assert titles == ["Latent 2", "Latent 0 (idle)", "Latent 1 (idle)"]


def test_one_latent_alone_or_none_that_is_not_there():
    assert [panel.title for panel in SURFACE.figure(of(latent=2)).panels] == ["Latent 2 (idle)"]
    with pytest.raises(SpivaeError, match=r"no latent 3; this model has latents 0\.\.2"):
        of(latent=3)


def test_the_axes_can_be_exchanged_or_chosen():
    assert of(across="D").scalars["parameters"] == ["D", "alpha"]
    process = ThreeParameters()
    theta = np.repeat(Grid.of(process).cells, 2, axis=0)
    assert of(process, theta).scalars["parameters"] == ["k", "D"]
    assert of(process, theta, across="D").scalars["parameters"] == ["D", "k"]
    assert of(process, theta, up="v").scalars["parameters"] == ["k", "v"]
    with pytest.raises(SpivaeError, match="option across: no parameter 'tau'; there are alpha, D"):
        of(across="tau")
    with pytest.raises(SpivaeError, match="both are D"):
        of(across="D", up="D")


def test_further_parameters_are_averaged_over_all_their_trajectories():
    process = ThreeParameters()
    theta = Grid.of(process).cells[np.random.default_rng(1).integers(24, size=200)]
    given = theoretical(process, theta)
    result = of(process, theta, given)
    assert result.arrays["mu"].shape == (3, 3, 4)
    rows = (theta[:, 0] == result.arrays["x_values"][1]) & (theta[:, 2] == result.arrays["y_values"][2])
    np.testing.assert_allclose(result.arrays["mu"][:, 1, 2], given[1].mu[rows].mean(axis=0))


def test_one_parameter_is_a_line_for_each_latent():
    process = OneParameter()
    result = of(process, np.repeat(Grid.of(process).cells, 100, axis=0))
    (panel,) = SURFACE.figure(result).panels
    lines = [mark for mark in panel.marks if isinstance(mark, Line)]
    assert [(line.label, line.muted) for line in lines] == [("0", False), ("1", False), ("", True)]
    np.testing.assert_array_equal(lines[0].y, result.arrays["mu"][0])
    assert panel.x.scale == "log"


def test_empty_cells_are_gaps():
    result = of(theta=np.array([[0.5, 1e-3], [0.7, 1e-4], [0.5, 1e-4]]))
    assert np.isnan(heatmaps(result)[0].values).sum() == 1
    assert np.isfinite(heatmaps(result)[0].high)


def test_a_single_trajectory_and_a_model_without_latents():
    assert heatmaps(of(theta=np.array([[0.5, 1e-3]])))[0].values.shape == (1, 1)
    figure = SURFACE.figure(of(given=theoretical(SBM, THETA, latents=0)))
    assert figure.panels == ()
    assert "no latents" in figure.caption
