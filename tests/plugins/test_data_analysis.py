"""Data: counts, moments against theory, and the loss on a batch and on all."""

import numpy as np
import pytest
from analysis_contexts import (
    BETA,
    RECEPTIVE_FIELD,
    STEPS,
    OneParameter,
    ThreeParameters,
    context,
    theoretical,
)

from spivae.api import Histogram, Line, Parameter, Process, Text
from spivae.dataset import Grid, simulate
from spivae_plugins.data import Data
from spivae_plugins.sbm import ScaledBrownianMotion

SBM = ScaledBrownianMotion()
DATA = Data()


class Drifting(Process):
    """Brownian motion with a drift, so that there is a mean to tell."""

    name = "drifting"
    parameters = (Parameter("v", low=0.5, high=1.0, points=2),)

    def displacements(self, rng, theta, steps):
        return theta[:, :1] + rng.standard_normal((len(theta), steps))

    def mean(self, theta, steps):
        return np.repeat(np.asarray(theta)[:, :1], steps, axis=1)


def simulated(process, theta, seed=1, **options):
    """The analysis of trajectories of the process itself."""
    dataset = simulate(process, theta, STEPS, np.random.default_rng(seed))
    _, predictions = theoretical(process, theta)
    return DATA.compute(context(DATA, process, theta, (dataset, predictions), **options))


def test_the_msd_of_each_curve_is_that_of_its_cell_and_agrees_with_theory():
    n = 400
    theta = np.repeat(Grid.of(SBM, {"alpha": 3, "D": 3}).cells, n, axis=0)
    result = simulated(SBM, theta)
    assert result.scalars["value"] == pytest.approx(10**-3.5)
    np.testing.assert_allclose(result.arrays["values"], [0.2, 1.0, 1.8])
    wanted = SBM.msd(np.array([[alpha, 10**-3.5] for alpha in (0.2, 1.0, 1.8)]), np.arange(1, STEPS + 1))
    np.testing.assert_allclose(result.arrays["msd_theory"], wanted)
    assert np.abs(result.arrays["msd"] / wanted - 1).max() < 5 * (2 / n) ** 0.5
    assert np.abs(result.arrays["mean"] / result.arrays["error"]).max() < 5
    np.testing.assert_allclose(result.arrays["error"], (wanted / n) ** 0.5, rtol=5 / (2 * n) ** 0.5)


def test_a_drift_is_compared_with_its_theory():
    result = simulated(Drifting(), np.repeat([[0.5], [1.0]], 200, axis=0))
    t = np.arange(1, STEPS + 1)
    np.testing.assert_allclose(result.arrays["mean_theory"][1], t)
    # from the start, not about the mean: t + t^2, with the spread of a chi-square about it
    spread = np.sqrt((2 * t**2 + 4 * t**3) / 200)
    assert (np.abs(result.arrays["msd"][1] - (t + t**2)) < 5 * spread).all()
    off = (result.arrays["mean"] - result.arrays["mean_theory"]) / result.arrays["error"]
    assert np.abs(off).max() < 5
    panel = DATA.figure(result).panels[1]
    assert sum(isinstance(mark, Line) and mark.dashed for mark in panel.marks) == 2


def test_each_value_of_each_parameter_has_its_count():
    theta = Grid.of(SBM, {"alpha": 3, "D": 4}).cells
    result = DATA.compute(context(DATA, SBM, np.concatenate([theta, theta[:5]])))
    assert result.arrays["alpha_counts"].tolist() == [8, 5, 4]
    assert result.arrays["D_counts"].tolist() == [5, 4, 4, 4]
    panels = DATA.figure(result).panels[2:]
    assert [panel.title for panel in panels] == ["For each α: 4 to 8", "For each D: 4 to 5"]
    assert [panel.x.scale for panel in panels] == ["linear", "log"]
    assert all(isinstance(panel.marks[0], Histogram) for panel in panels)


def test_the_loss_is_that_of_the_checkpoints_beta_on_all_and_on_a_random_batch():
    theta = np.repeat(Grid.of(SBM).cells, 3, axis=0)
    given = theoretical(SBM, theta)
    found = DATA.compute(context(DATA, SBM, None, given)).scalars
    loss = given[1].nll.mean(axis=1) + BETA * given[1].kl.sum(axis=1)
    assert found["loss"] == pytest.approx(loss.mean())
    assert found["batch"] == 256
    assert found["trajectories"] == 630
    assert abs(found["loss_batch"] - loss.mean()) < 5 * loss.std() / 256**0.5
    assert found["loss_batch"] != found["loss"]
    assert found["receptive_field"] == RECEPTIVE_FIELD
    whole = DATA.compute(context(DATA, SBM, None, given, batch=10_000)).scalars
    assert whole["loss_batch"] == pytest.approx(loss.mean())
    assert "β = 0.005)" in DATA.figure(DATA.compute(context(DATA, SBM, None, given))).caption


def test_where_no_beta_is_known_that_of_the_elbo_is_taken_and_told():
    result = DATA.compute(context(DATA, SBM, [[0.5, 1e-3]], beta=None))
    assert result.scalars["beta"] == 1 / (STEPS - RECEPTIVE_FIELD)
    assert not result.scalars["beta_of_checkpoint"]
    assert "β = 0.0357, the ELBO's" in DATA.figure(result).caption


def test_a_model_without_latents_has_no_beta():
    given = theoretical(SBM, np.array([[0.5, 1e-3]]), latents=0)
    assert "(no latents)" in DATA.figure(DATA.compute(context(DATA, SBM, None, given))).caption


def test_one_trajectory_in_a_cell_has_no_standard_error_and_this_is_said():
    panel = DATA.figure(DATA.compute(context(DATA, SBM, [[0.5, 1e-3]]))).panels[1]
    assert [mark.text for mark in panel.marks if isinstance(mark, Text)] == [
        "needs two trajectories in a cell"
    ]


def test_an_empty_cell_leaves_a_gap():
    theta = np.repeat([[0.2, 1e-3], [1.0, 1e-5], [1.8, 1e-3]], 3, axis=0)
    result = DATA.compute(context(DATA, SBM, theta))
    assert np.isnan(result.arrays["msd"]).all(axis=1).tolist() == [False, True, False]
    assert np.isnan(result.arrays["msd_theory"]).all(axis=1).tolist() == [False, True, False]


def test_other_numbers_of_parameters_draw_a_count_for_each():
    process = OneParameter()
    result = DATA.compute(context(DATA, process, np.repeat(Grid.of(process).cells, 3, axis=0)))
    assert "value" not in result.scalars
    assert DATA.figure(result).panels[0].title == "EA-MSD"
    process = ThreeParameters()
    result = DATA.compute(context(DATA, process, np.repeat(Grid.of(process).cells, 3, axis=0), value=0.09))
    figure = DATA.figure(result)
    assert figure.panels[0].title == "EA-MSD at D = 0.1"
    assert "msd_theory" not in result.arrays
    assert len(figure.panels) == 5


def test_a_continuum_of_values_is_counted_in_bins():
    rng = np.random.default_rng(0)
    theta = np.column_stack([rng.uniform(0.2, 1.8, 500), 10 ** rng.uniform(-5, -2, 500)])
    result = DATA.compute(context(DATA, SBM, theta))
    assert len(result.arrays["D_counts"]) == 100
    assert result.arrays["alpha_counts"].sum() == 500
    assert DATA.figure(result).panels[3].x.scale == "log"
