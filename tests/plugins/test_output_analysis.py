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
from spivae_plugins.output import Output
from spivae_plugins.sbm import ScaledBrownianMotion

SBM = ScaledBrownianMotion()
OUTPUT = Output()
TIMES = np.arange(STEPS - RECEPTIVE_FIELD) + RECEPTIVE_FIELD + 1


def cells(process, per_cell=2, **points):
    return np.repeat(Grid.of(process, points).cells, per_cell, axis=0)


def from_theory(process, theta, **options):
    """The analysis of a model whose output has exactly the process's diffusion coefficient."""
    given = theoretical(process, theta, np.sqrt(2 * process.diffusivity(theta, TIMES)))
    return OUTPUT.compute(context(OUTPUT, process, theta, given, **options))


@pytest.mark.parametrize("scaling", [True, False])
def test_a_perfect_model_of_sbm_lies_on_theory_with_and_without_the_scaling_of_time(scaling):
    result = from_theory(SBM, cells(SBM), seed_scaling=scaling)
    np.testing.assert_allclose(result.arrays["D_out"], result.arrays["theory"], rtol=1e-10)
    assert result.scalars["diffusion_error"] < 1e-10


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


def test_other_processes_are_never_scaled_and_compared_with_their_own_theory():
    process = ThreeParameters()
    result = from_theory(process, cells(process))
    assert result.arrays["t"][0] == RECEPTIVE_FIELD + 1
    assert result.arrays["D_out"].shape == (3, 4, len(TIMES))
    np.testing.assert_allclose(result.arrays["D_out"], result.arrays["theory"], rtol=1e-10)


def test_a_process_without_a_formula_gets_no_theory_and_one_parameter_one_panel():
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
