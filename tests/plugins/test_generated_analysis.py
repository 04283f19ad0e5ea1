"""Generated: moments and exponents of what a model makes."""

import numpy as np
import pytest
from perfect_generator import GRID, RECEPTIVE_FIELD, Perfect, ThreeParameters

from spivae.api import HLine, Line, Points, SpivaeError
from spivae_plugins.bm import BrownianMotion
from spivae_plugins.fbm import FractionalBrownianMotion
from spivae_plugins.generation import Generated
from spivae_plugins.sbm import ScaledBrownianMotion

SBM, FBM = ScaledBrownianMotion(), FractionalBrownianMotion()
GENERATED = Generated()


def asked(process, spoil=lambda dx: dx, **options):
    return GENERATED.compute(Perfect(process, GENERATED.options(**options), spoil=spoil))


@pytest.mark.parametrize("process", [SBM, FBM], ids=lambda process: process.name)
def test_a_perfect_model_lies_on_theory_within_the_noise_that_is_told(process):
    result = asked(process, n=400)
    ratio = result.arrays["D_t"] / result.arrays["D_t_theory"]
    assert ratio.shape == (5, 2, 16)
    assert ratio.mean() == pytest.approx(1, abs=0.01)
    assert result.scalars["diffusivity_worst_ratio"] < 1.15 * result.scalars["diffusivity_worst_noise"]
    assert result.arrays["t"][0] == RECEPTIVE_FIELD + 1 + 5
    error = result.arrays["alpha_read"] - result.arrays["first"][:, None]
    if process is SBM:
        assert np.abs(result.arrays["drift"]).max() < 4.5 / np.sqrt(400 * 10)
        assert np.abs(error / result.arrays["alpha_error"]).max() < 3.5
    else:  # the TA-MSD reads a high alpha a little low
        assert np.abs(error).max() < 0.1


def test_the_seed_reads_a_perfect_model_of_sbm_wrongly_and_fbm_not_at_all():
    arrays = asked(SBM, n=3000, length=200, panels=1).arrays
    seen = (arrays["alpha_seed_read"][:, 0] - arrays["first"]) / arrays["alpha_seed_error"][:, 0]
    assert seen[0] > 4
    assert seen[-1] < -4
    assert "alpha_seed_read" not in asked(FBM, n=3).arrays


def test_what_is_too_large_by_two_is_told_as_two():
    result = asked(FBM, n=400, spoil=lambda dx: dx * np.sqrt(2))
    assert result.scalars["diffusivity_worst_ratio"] == pytest.approx(2, rel=0.3)
    assert "off by ×2" in GENERATED.figure(result).caption


def test_there_is_a_panel_for_each_value_of_d_and_one_for_the_exponent():
    figure = GENERATED.figure(asked(SBM, n=3, panels=3))
    titles = [panel.title for panel in figure.panels]
    assert titles[0] == "Mean displacement"
    assert titles[1:4] == ["D(t) at D = 0.0001", "D(t) at D = 0.001", "D(t) at D = 0.01"]
    assert titles[4] == "Exponent of what is generated"
    identity = next(mark for mark in figure.panels[4].marks if isinstance(mark, Line) and mark.dashed)
    np.testing.assert_array_equal(identity.x, identity.y)
    read = [mark for mark in figure.panels[4].marks if isinstance(mark, Points)]
    assert [mark.label for mark in read] == ["as the seed reads it", "α_g"]
    assert GENERATED.figure(asked(SBM, n=3, value=0.9e-3)).panels[1].title == "D(t) at D = 0.001"


def test_a_diverged_trajectory_leaves_out_its_cell_alone():
    def diverging(dx):
        if np.abs(dx).max() > 0.2:  # the largest D alone
            dx = dx.copy()
            dx[0, 50] = np.nan
        return dx

    result = asked(FBM, n=20, spoil=diverging)
    assert result.scalars["not_finite"] == 5
    assert np.isnan(result.arrays["alpha_read"]).all(axis=0).tolist() == [False, True]
    points = [mark for mark in GENERATED.figure(result).panels[-1].marks if isinstance(mark, Points)]
    assert np.isfinite(points[0].y).all()
    assert "diverged: 5" in GENERATED.figure(result).caption


def test_a_driven_process_is_compared_with_its_drift_and_has_no_exponent():
    context = Perfect(BrownianMotion(), GENERATED.options(n=200))
    context.checkpoint.ds_args.clear()
    result = GENERATED.compute(context)
    np.testing.assert_allclose(result.arrays["drift"], result.arrays["drift_theory"], atol=0.12)
    figure = GENERATED.figure(result)
    assert len(figure.panels) == 3
    assert not any(isinstance(mark, HLine) for mark in figure.panels[0].marks)
    assert sum(mark.muted for mark in figure.panels[0].marks) == 10


def test_parameters_between_the_ends_take_their_middle_value():
    context = Perfect(ThreeParameters(), GENERATED.options(n=50))
    result = GENERATED.compute(context)
    assert result.arrays["D_t"].shape == (3, 2, 16)
    assert result.arrays["D_t"].mean() == pytest.approx((2.0**2 + 2 * 0.0505) / 2, rel=0.1)


def test_a_length_below_a_window_is_refused_in_words():
    with pytest.raises(SpivaeError, match="averaged over 10 steps, so at least that many, not 9"):
        asked(SBM, length=9)
    with pytest.raises(SpivaeError, match="a standard error takes 2 in each cell, not 1"):
        asked(SBM, n=1)


def test_the_grid_is_thinned_evenly():
    assert asked(SBM, n=2, curves=3).arrays["first"].tolist() == [0.4, 1.0, 1.6]
    assert asked(SBM, n=2).arrays["last"].tolist() == [GRID["D"][0], GRID["D"][-1]]
