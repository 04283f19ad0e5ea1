"""Latents: which survive, and what is drawn of them."""

import numpy as np
import pytest
from analysis_contexts import ThreeParameters, context, theoretical

from spivae.api import SURVIVING_KL, Histogram, HLine, Points, SpivaeError
from spivae.dataset import Grid
from spivae_plugins.latents import Latents, spread
from spivae_plugins.sbm import ScaledBrownianMotion

SBM = ScaledBrownianMotion()
LATENTS = Latents()
THETA = np.repeat(Grid.of(SBM).cells, 3, axis=0)


def of_sbm(**options):
    given = theoretical(SBM, THETA)  # mu of standard deviation 1.5, 0.8 and 0.01, so that the last one idles
    return given[1], LATENTS.compute(context(LATENTS, SBM, THETA, given, **options))


def test_the_measures_are_those_of_the_whole_dataset():
    predictions, result = of_sbm()
    np.testing.assert_allclose(result.scalars["kl"], predictions.kl.mean(axis=0))
    np.testing.assert_allclose(result.scalars["var_mu"], predictions.mu.var(axis=0))
    np.testing.assert_allclose(result.scalars["mean_logvar"], predictions.logvar.mean(axis=0))
    assert result.scalars["surviving"] == [0, 1]


def test_histograms_count_every_trajectory_of_every_latent():
    _, result = of_sbm(bins=20)
    assert result.arrays["mu_counts"].shape == (3, 20)
    assert (result.arrays["mu_counts"].sum(axis=1) == len(THETA)).all()
    assert (result.arrays["sigma2_counts"].sum(axis=1) == len(THETA)).all()


def test_mu_is_drawn_against_each_parameter_and_each_combination_the_process_names():
    predictions, result = of_sbm(points=10_000)
    panels = LATENTS.figure(result).panels[4:]
    assert [(panel.x.label, panel.x.scale) for panel in panels] == [
        ("α", "linear"),
        ("D", "log"),
        ("log(α D T^(α-1))", "linear"),
        ("log(α D T^(1-α))", "linear"),
    ]
    alpha, d = THETA.T
    length = predictions.dataset.steps + 1
    survivor = next(mark for mark in panels[2].marks if mark.label == "0")
    np.testing.assert_allclose(survivor.x, np.log(alpha * d * length ** (alpha - 1)))
    np.testing.assert_array_equal(survivor.y, predictions.mu[:, 0])


def test_idle_latents_are_grey_and_lie_beneath_the_survivors():
    _, result = of_sbm()
    panel = LATENTS.figure(result).panels[4]
    assert [(mark.muted, mark.label, mark.color) for mark in panel.marks] == [
        (True, "", None),
        (False, "0", 0),
        (False, "1", 1),
    ]


def test_the_threshold_of_survival_is_drawn_with_the_kl():
    _, result = of_sbm()
    panel = LATENTS.figure(result).panels[3]
    assert [mark.y for mark in panel.marks if isinstance(mark, HLine)] == [SURVIVING_KL]
    survivors = next(mark for mark in panel.marks if mark.label == "survives")
    np.testing.assert_array_equal(survivors.x, [0, 1])


def test_one_latent_can_be_looked_at_alone():
    _, result = of_sbm(latent=2)
    panels = LATENTS.figure(result).panels
    assert [mark.color for mark in panels[0].marks if isinstance(mark, Histogram)] == [2]
    assert [len([mark for mark in panel.marks if isinstance(mark, Points)]) for panel in panels[4:]] == [
        1
    ] * 4


def test_a_latent_that_is_not_there_is_refused():
    with pytest.raises(SpivaeError, match=r"no latent 3; this model has latents 0\.\.2"):
        of_sbm(latent=3)


def test_a_model_whose_latents_all_idle_says_so():
    given = theoretical(SBM, THETA)
    given[1].mu[:] = 0
    given[1].kl[:] = 0.001
    figure = LATENTS.figure(LATENTS.compute(context(LATENTS, SBM, THETA, given)))
    assert figure.caption.startswith("No latent survives")


def test_few_are_drawn_of_many_without_favouring_a_part_of_the_grid():
    rows = spread(4200, 420)
    assert len(rows) == 420
    for period in (20, 200, 210):  # those of a grid of 21 x 10 with 20 trajectories a cell
        counts = np.histogram(rows % period, bins=10)[0]
        assert counts.min() > 30
    np.testing.assert_array_equal(spread(3, 10), [0, 1, 2])


def test_parameters_of_any_process_are_drawn():
    process = ThreeParameters()
    theta = Grid.of(process).cells
    result = LATENTS.compute(context(LATENTS, process, theta, theoretical(process, theta)))
    assert [panel.x.label for panel in LATENTS.figure(result).panels[4:]] == ["k", "v", "D", "log(k D)"]


def test_mu_can_be_drawn_against_one_quantity_alone():
    for against, label in (("D", "D"), ("α", "α"), ("2", "log(α D T^(1-α))")):
        assert [panel.x.label for panel in LATENTS.figure(of_sbm(against=against)[1]).panels[4:]] == [label]
    with pytest.raises(SpivaeError, match="sbm has no 'k'; choose from alpha, D, 1 for"):
        of_sbm(against="k")


def test_the_axes_of_parameters_are_their_own_or_all_of_one_kind():
    def scales(**options):
        return [panel.x.scale for panel in LATENTS.figure(of_sbm(**options)[1]).panels[4:]]

    assert scales() == ["linear", "log", "linear", "linear"]
    assert scales(axis="log") == ["log", "log", "linear", "linear"]  # combinations are logarithms already
    assert scales(axis="linear") == ["linear"] * 4


def test_a_parameter_of_zero_has_no_log_axis():
    process = ThreeParameters()
    theta = Grid.of(process).cells
    theta[theta[:, 1] == 1, 1] = 0
    with pytest.raises(SpivaeError, match="option axis: v has values of 0 or less"):
        LATENTS.compute(context(LATENTS, process, theta, theoretical(process, theta), axis="log"))
