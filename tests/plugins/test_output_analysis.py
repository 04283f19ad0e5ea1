"""Output: the predicted diffusion coefficient against theory."""

import numpy as np
import pytest
from analysis_contexts import (
    RECEPTIVE_FIELD,
    STEPS,
    OneParameter,
    ThreeParameters,
    context,
    theoretical,
)

from spivae.api import HLine, Line
from spivae.dataset import Grid
from spivae.plugins import load_plugins
from spivae_plugins.output import Output

PLUGINS = load_plugins()
SBM = PLUGINS.process("sbm")
OUTPUT = Output()
TIMES = np.arange(STEPS - RECEPTIVE_FIELD) + RECEPTIVE_FIELD + 1


def cells(process, per_cell=2, **points):
    return np.repeat(Grid.of(process, points).cells, per_cell, axis=0)


def from_theory(process, theta, **options):
    """The analysis of a model whose output has exactly the process's diffusion coefficient."""
    given = theoretical(process, theta, np.sqrt(2 * process.diffusivity(theta, TIMES)))
    return OUTPUT.compute(context(OUTPUT, process, theta, given, **options))


def best_deviation(process, theta):
    """The standard deviation of each predicted step given the R before it, and theta: of the best model."""
    covariance = process.covariance(np.atleast_2d(theta), STEPS)[0]
    if covariance.ndim == 1:
        return np.sqrt(covariance[RECEPTIVE_FIELD:])
    sd = []
    for t in range(RECEPTIVE_FIELD, STEPS):
        seen = slice(t - RECEPTIVE_FIELD, t)
        weights = np.linalg.solve(covariance[seen, seen], covariance[seen, t])
        sd.append(np.sqrt(covariance[t, t] - weights @ covariance[seen, t]))
    return np.array(sd)


@pytest.mark.parametrize("name", ["sbm", "fbm", "ou", "bm"])
def test_a_perfect_model_lies_on_theory(name):
    process = PLUGINS.process(name)
    theta = cells(process, per_cell=1, **dict.fromkeys(process.names, 3))
    given = theoretical(process, theta, np.stack([best_deviation(process, row) for row in theta]))
    result = OUTPUT.compute(context(OUTPUT, process, theta, given, seed_scaling=False))
    np.testing.assert_allclose(result.arrays["D_out"], result.arrays["theory"], rtol=1e-8)
    assert result.scalars["diffusion_error"] < 1e-8


def test_what_the_past_tells_of_a_step_of_fbm_makes_theory_less_than_d():
    fbm = PLUGINS.process("fbm")
    theta = np.array([[0.2, 1e-3], [1.0, 1e-3], [1.8, 1e-3]])
    theory = OUTPUT.compute(context(OUTPUT, fbm, theta)).arrays["theory"][:, 0]
    np.testing.assert_allclose(theory[1], 1e-3, rtol=1e-10)
    assert (theory[[0, 2]] < 0.8e-3).all()
    np.testing.assert_allclose(np.ptp(theory, axis=1), 0, atol=1e-15)  # the same at all times


def test_a_perfect_model_of_sbm_lies_on_theory_with_the_scaling_of_time():
    result = from_theory(SBM, cells(SBM), seed_scaling=True)
    np.testing.assert_allclose(result.arrays["D_out"], result.arrays["theory"], rtol=1e-10)
    assert result.scalars["diffusion_error"] < 1e-10


def test_the_mean_of_a_drifting_process_is_drawn_over_its_own():
    bm = PLUGINS.process("bm")
    theta = cells(bm, per_cell=1, u=3, D=2)
    result = OUTPUT.compute(context(OUTPUT, bm, theta))
    drift = bm.mean(theta, 1)[:, 0].reshape(3, 2)
    np.testing.assert_allclose(result.arrays["mu_theory"], np.repeat(drift[:, :, None], len(TIMES), axis=2))
    panel = OUTPUT.figure(result).panels[0]
    assert [mark.y[0] for mark in panel.marks if isinstance(mark, Line) and mark.dashed] == drift[
        ::-1, 1
    ].tolist()
    assert not any(isinstance(mark, HLine) for mark in panel.marks)


def test_the_scaled_curves_begin_at_alpha_times_d_with_time_one():
    theta = np.array([[0.2, 1e-3], [1.8, 1e-3]])
    exact_sd = np.sqrt(SBM.covariance(theta, STEPS)[:, RECEPTIVE_FIELD:])
    result = OUTPUT.compute(context(OUTPUT, SBM, theta, theoretical(SBM, theta, exact_sd)))
    assert result.arrays["t"][0] == 1
    # the variance of a step is the diffusivity's mean over it: 1.2 % off its value at the end, never 40 %
    np.testing.assert_allclose(result.arrays["D_out"][:, 0, 0], [0.2e-3, 1.8e-3], rtol=0.015)
    np.testing.assert_allclose(result.arrays["D_out"], result.arrays["theory"], rtol=0.015)


def test_without_the_scaling_time_is_that_of_the_process():
    result = from_theory(SBM, cells(SBM), seed_scaling=False)
    assert result.arrays["t"][0] == RECEPTIVE_FIELD + 1
    assert result.arrays["t"][-1] == STEPS


def test_a_process_without_a_covariance_is_never_scaled_and_gets_no_theory():
    process = ThreeParameters()
    result = from_theory(process, cells(process))
    assert result.arrays["t"][0] == RECEPTIVE_FIELD + 1
    assert result.arrays["D_out"].shape == (3, 4, len(TIMES))
    assert "theory" not in result.arrays
    assert OUTPUT.figure(result).caption == ""


def test_one_parameter_gets_one_panel():
    process = OneParameter()
    result = OUTPUT.compute(context(OUTPUT, process, cells(process)))
    assert "theory" not in result.arrays
    assert result.arrays["D_out"].shape == (3, 1, len(TIMES))
    assert len(OUTPUT.figure(result).panels) == 2


def test_the_mean_is_that_of_each_cell():
    theta = cells(SBM, per_cell=3, alpha=3, D=2)
    given = theoretical(SBM, theta)
    result = OUTPUT.compute(context(OUTPUT, SBM, theta, given))
    for i, alpha in enumerate(result.arrays["alpha"]):
        for j, d in enumerate(result.arrays["D"]):
            rows = [k for k, row in enumerate(theta) if row[0] == alpha and row[1] == d]
            assert len(rows) == 3
            np.testing.assert_allclose(result.arrays["mu_out"][i, j], given[1].out_mean[rows].mean(axis=0))


def test_curves_and_panels_are_chosen_evenly_or_by_value():
    result = from_theory(SBM, cells(SBM), curves=3, panels=2)
    np.testing.assert_allclose(result.arrays["alpha"], [0.2, 1.0, 1.8])
    np.testing.assert_allclose(result.arrays["D"], [1e-5, 1e-2])
    result = from_theory(SBM, cells(SBM), value=2e-4)
    np.testing.assert_allclose(result.arrays["D"], [2.15443469e-4])


def test_where_all_shown_cells_are_empty_there_is_no_error_to_tell():
    result = from_theory(SBM, np.array([[0.5, 1e-3], [0.7, 1e-4]]), value=1e-3, curves=1)
    assert result.scalars["diffusion_error"] is None
    assert "theory" not in OUTPUT.figure(result).caption


def test_each_panel_has_a_shaded_curve_and_a_dashed_theory_for_each_alpha_and_the_line_d():
    figure = OUTPUT.figure(from_theory(SBM, cells(SBM), curves=4, panels=3))
    assert [panel.title for panel in figure.panels[1:]] == [
        "D_out at D = 1e-05",
        "D_out at D = 0.000215",
        "D_out at D = 0.01",
    ]
    lines = [mark for mark in figure.panels[1].marks if isinstance(mark, Line)]
    assert sum(line.dashed and line.muted for line in lines) == 4
    assert [line.label for line in lines if not line.dashed] == ["1.8", "1.24", "0.76", "0.2"]
    assert [line.shade for line in lines if not line.dashed] == sorted(
        (line.shade for line in lines if not line.dashed), reverse=True
    )
    assert [mark.y for mark in figure.panels[1].marks if isinstance(mark, HLine)] == [1e-5]


def test_there_is_a_panel_for_each_value_of_the_last_parameter():
    figure = OUTPUT.figure(from_theory(SBM, cells(SBM)))
    assert len(figure.panels) == 1 + 10
    assert figure.panels[0].title == "Mean of the output at D = 0.01"


def test_an_empty_cell_is_a_gap_in_its_curve_and_theory_and_no_error():
    theta = cells(SBM, alpha=3, D=2)
    result = from_theory(SBM, theta[(theta != [1.0, 1e-5]).any(axis=1)])
    assert np.isnan(result.arrays["D_out"][1, 0]).all()
    assert np.isnan(result.arrays["theory"][1, 0]).all()
    assert np.isfinite(result.arrays["D_out"]).sum() == 5 * len(TIMES)
    assert result.scalars["diffusion_error"] < 1e-10
