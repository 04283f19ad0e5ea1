"""Density: counts of trajectories in the plane of a latent and what it may encode."""

import numpy as np
import pytest
from analysis_contexts import OneParameter, ThreeParameters, context, theoretical

from spivae.api import Heatmap, SpivaeError, Text
from spivae.dataset import Grid
from spivae_plugins.density import Density
from spivae_plugins.sbm import ScaledBrownianMotion

SBM = ScaledBrownianMotion()
DENSITY = Density()
THETA = np.repeat(Grid.of(SBM).cells, 4, axis=0)


def of(process=SBM, theta=THETA, given=None, **options):
    return DENSITY.compute(context(DENSITY, process, theta, given or theoretical(process, theta), **options))


def panels(result):
    return DENSITY.figure(result).panels


def test_each_surviving_latent_meets_each_parameter_and_combination():
    found = panels(of())  # mu of standard deviation 1.5, 0.8 and 0.01: the last one idles
    assert [(panel.y.label, panel.x.label, panel.x.scale) for panel in found] == [
        (latent, label, scale)
        for latent in ("μ_0", "μ_1")
        for label, scale in (
            ("α", "linear"),
            ("D", "log"),
            ("log(α D T^(α-1))", "linear"),
            ("log(α D T^(1-α))", "linear"),
        )
    ]
    assert all(panel.marks[0].scale == "log" for panel in found)


def test_each_value_of_a_parameter_has_a_column_with_all_its_trajectories():
    given = theoretical(SBM, THETA)
    result = of(given=given, latent=1, bins=30)
    by_alpha, by_d = result.arrays["counts_1_0"], result.arrays["counts_1_1"]
    assert by_alpha.shape == (21, 30)
    assert by_d.shape == (10, 30)
    assert (by_alpha.sum(axis=1) == 40).all()
    assert (by_d.sum(axis=1) == 84).all()
    edges = result.arrays["x_edges_1"]
    assert (np.searchsorted(edges, np.geomspace(1e-5, 1e-2, 10)) == np.arange(1, 11)).all()
    np.testing.assert_allclose(edges[1:] / edges[:-1], 10 ** (1 / 3))  # even on the log axis
    column = given[1].mu[THETA[:, 1] == 1e-5, 1]
    np.testing.assert_array_equal(by_d[0], np.histogram(column, result.arrays["y_edges_1_1"])[0])
    assert result.arrays["counts_1_2"].shape == (30, 30)
    assert result.arrays["counts_1_2"].sum() == len(THETA)


def test_bins_below_the_wanted_count_are_empty_and_their_share_is_told():
    result = of(latent=0, against="alpha", at_least=3)
    (panel,) = panels(result)
    values, counts = panel.marks[0].values, result.arrays["counts_0_0"].T
    np.testing.assert_array_equal(np.isnan(values), counts < 3)
    np.testing.assert_array_equal(values[counts >= 3], counts[counts >= 3])
    share = counts[counts < 3].sum() / len(THETA)
    assert f"fewer than 3 counts are empty: they hold {share:.1%}" in DENSITY.figure(result).caption


def test_far_outliers_do_not_press_the_rest_flat():
    given = theoretical(SBM, THETA)
    given[1].mu[0, 0] = 50.0  # a bin with one count
    found = panels(of(given=given, latent=0))
    assert len({(panel.y.low, panel.y.high) for panel in found}) == 1
    marks = [panel.marks[0] for panel in found]
    highest = [mark.y_edges[1:][np.isfinite(mark.values).any(axis=1)].max() for mark in marks]
    assert found[0].y.high == max(highest) < 10
    assert marks[0].y_edges[-1] == 50


@pytest.mark.parametrize(
    ("trajectories", "columns", "wanted"), [(79_968, 49, 125), (4_200, 21, 50), (4_200, 10, 105), (30, 3, 10)]
)
def test_the_number_of_bins_is_the_seeds_at_its_size_and_less_for_less(trajectories, columns, wanted):
    from spivae_plugins.density import bins_for

    assert bins_for(trajectories / columns) == wanted


def test_a_latent_or_quantity_that_is_not_there_is_refused():
    with pytest.raises(SpivaeError, match=r"no latent 7; this model has latents 0\.\.2"):
        of(latent=7)
    with pytest.raises(SpivaeError, match=r"sbm has no 'tau'; choose from alpha, D, 1 for log"):
        of(against="tau")


def test_too_few_counts_are_said_in_place_of_a_histogram():
    result = of(theta=np.array([[0.5, 1e-3]]), latent=0)
    figure = DENSITY.figure(result)
    assert figure.caption.startswith("Too few trajectories")
    for panel in figure.panels:
        assert isinstance(panel.marks[0], Text)
        assert panel.marks[0].text == "no bin has 2 counts"


def test_a_model_whose_latents_all_idle_says_so_and_draws_one_on_demand():
    given = theoretical(SBM, THETA)
    given[1].kl[:] = 0.001
    figure = DENSITY.figure(of(given=given))
    assert figure.panels == ()
    assert figure.caption.startswith("No latent survives")
    assert len(panels(of(given=given, latent=2))) == 4


def test_a_model_without_latents_says_so():
    figure = DENSITY.figure(of(given=theoretical(SBM, THETA, latents=0)))
    assert figure.panels == ()
    assert "no latents" in figure.caption


def test_trajectories_without_a_finite_latent_are_left_out():
    given = theoretical(SBM, THETA)
    given[1].mu[::2] = np.nan
    assert of(given=given, latent=0).arrays["counts_0_0"].sum() == len(THETA) // 2


def test_a_continuum_of_values_is_binned_and_keeps_every_trajectory():
    rng = np.random.default_rng(0)
    theta = np.column_stack([rng.uniform(0.2, 1.8, 2000), 10 ** rng.uniform(-5, -2, 2000)])
    result = of(theta=theta, latent=0)
    assert result.arrays["counts_0_0"].shape[0] == 125
    assert all(result.arrays[f"counts_0_{k}"].sum() == 2000 for k in range(4))


def test_other_numbers_of_parameters():
    process = OneParameter()
    found = panels(of(process, np.repeat(Grid.of(process).cells, 20, axis=0), latent=0))
    assert [panel.x.label for panel in found] == ["D"]
    process = ThreeParameters()
    found = panels(of(process, np.repeat(Grid.of(process).cells, 9, axis=0), latent=0))
    assert [panel.x.label for panel in found] == ["k", "v", "D", "log(k D)"]
    assert all(isinstance(panel.marks[0], Heatmap) for panel in found)
