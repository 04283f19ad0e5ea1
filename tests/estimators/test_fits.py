"""Fits of single trajectories, and how much of the Cramer-Rao bound they reach."""

import numpy as np
import pytest
from samples import fbm, sbm, standard_errors

from spivae.errors import SpivaeError
from spivae.estimators import EnsembleFit, ensemble_fit, exponent, log_square_fit, ta_msd_fit
from spivae_plugins.bm import BrownianMotion
from spivae_plugins.fbm import FractionalBrownianMotion
from spivae_plugins.sbm import ScaledBrownianMotion

# standard deviations of alpha for one trajectory of 399 steps, at the bound
BOUND_SBM = {0.2: 0.0658, 0.6: 0.0701, 1.0: 0.0709, 1.4: 0.0712, 1.8: 0.0714}
BOUND_FBM = {0.2: 0.0364, 0.6: 0.0556, 1.0: 0.0624, 1.4: 0.0647, 1.8: 0.0621}
COUNT = 3000


def efficiency(found, bound):
    """Bound over variance; its own relative error here is sqrt(2 / COUNT), 3 %."""
    return bound**2 / found.var()


@pytest.mark.parametrize("alpha", [0.2, 1.0, 1.8])
def test_the_ta_msd_of_fbm_is_half_efficient_over_ten_lags_and_less_over_more(alpha):
    displacements = fbm(np.random.default_rng(12), alpha, 1e-3, COUNT, 399)
    over_ten = efficiency(ta_msd_fit(displacements)[:, 0], BOUND_FBM[alpha])
    over_tenth = efficiency(ta_msd_fit(displacements, range(1, 40))[:, 0], BOUND_FBM[alpha])
    assert 0.42 * 0.9 < over_ten < 0.64 * 1.1
    assert 0.20 * 0.9 < over_tenth < 0.43 * 1.1


@pytest.mark.parametrize(("alpha", "bias"), [(0.2, 0.005), (1.0, 0.01), (1.4, 0.02), (1.8, 0.06)])
def test_the_ta_msd_of_fbm_reads_its_parameters_low_where_averages_hardly_converge(alpha, bias):
    found = ta_msd_fit(fbm(np.random.default_rng(13), alpha, 1e-3, COUNT, 399))
    assert 0 < alpha - found[:, 0].mean() < bias
    # the logarithm of a noisy average is low by half its relative variance
    assert -3 * bias < found[:, 1].mean() - np.log(1e-3) < 0.01


@pytest.mark.parametrize("alpha", [0.6, 1.0, 1.8])
def test_log_squares_of_sbm_read_its_parameters_at_two_fifths_of_the_efficiency(alpha):
    found = log_square_fit(sbm(np.random.default_rng(14), alpha, 1e-3, COUNT, 399))
    # the finite first step bends the line by 0.004 at alpha = 0.6
    assert found[:, 0].mean() == pytest.approx(alpha, abs=0.01)
    assert np.nanmean(found[:, 1]) == pytest.approx(np.log(1e-3), abs=0.06)
    assert 0.36 * 0.9 < efficiency(found[:, 0], BOUND_SBM[alpha]) < 0.43 * 1.1


def test_log_squares_that_start_late_are_read_with_their_start():
    displacements = sbm(np.random.default_rng(15), 0.6, 1e-3, COUNT, 399, start=33)
    assert standard_errors(log_square_fit(displacements, 33)[:, 0], 0.6) < 3
    assert standard_errors(log_square_fit(displacements, 0)[:, 0], 0.6) > 10


@pytest.mark.parametrize("alpha", [0.2, 1.0, 1.8])
def test_late_squares_of_one_trajectory_hold_a_hundredth_of_the_information(alpha):
    found = exponent(sbm(np.random.default_rng(16), alpha, 1e-3, COUNT, 399), 0)
    assert efficiency(found, BOUND_SBM[alpha]) == pytest.approx(0.009, rel=0.2)


def test_a_slope_that_no_diffusion_coefficient_makes_leaves_it_unknown():
    falling = np.sqrt(np.arange(1, 200) ** -2.0)[None]
    found = log_square_fit(falling)
    assert found[0, 0] < 0
    assert np.isnan(found[0, 1])


def test_a_zero_among_the_displacements_or_a_still_trajectory_is_nan_and_spoils_no_other():
    displacements = sbm(np.random.default_rng(17), 1.0, 1.0, 3, 60)
    displacements[1, 7] = 0
    assert np.isnan(log_square_fit(displacements)).all(axis=1).tolist() == [False, True, False]
    displacements[1] = 0
    assert np.isnan(ta_msd_fit(displacements)).all(axis=1).tolist() == [False, True, False]


def test_exact_power_laws_are_read_exactly():
    found = ta_msd_fit(np.full((1, 100), 0.5))
    np.testing.assert_allclose(found, [[2.0, np.log(0.125)]], atol=1e-9)
    t = np.arange(200) + 0.5
    chi2 = np.exp(-(np.euler_gamma + np.log(2)))
    exact = np.sqrt(2 * 0.7 * 0.01 * t**-0.3 * chi2)[None]
    np.testing.assert_allclose(log_square_fit(exact), [[0.7, np.log(0.01)]], atol=1e-9)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ta_msd_fit(np.ones((2, 50)), [3]), "at least 2 different ones"),
        (lambda: ta_msd_fit(np.ones((2, 50)), [0, 1]), "lag 0: has no logarithm"),
        (lambda: ta_msd_fit(np.ones((2, 50)), [1, 51]), "lag 51"),
        (lambda: log_square_fit(np.ones((2, 1))), "line through two times"),
        (lambda: log_square_fit(np.ones((2, 50)), -1), "begins at time 0"),
    ],
)
def test_what_cannot_be_fitted_is_refused(call, message):
    with pytest.raises(SpivaeError, match=message):
        call()


@pytest.mark.parametrize(("process", "alpha"), [("sbm", 0.4), ("sbm", 1.5), ("fbm", 0.4), ("fbm", 1.5)])
def test_an_ensemble_is_fitted_as_its_process_wants(process, alpha):
    rng = np.random.default_rng(18)
    if process == "sbm":
        displacements, fitted = sbm(rng, alpha, 1e-3, 4000, 399, start=33), ScaledBrownianMotion()
    else:
        displacements, fitted = fbm(rng, alpha, 1e-3, 1000, 399), FractionalBrownianMotion()
    found = ensemble_fit(fitted, displacements, 33)
    assert found[0] == pytest.approx(alpha, abs=0.02)
    assert np.log(found[1] / 1e-3) == pytest.approx(0, abs=0.08)


def test_exact_zeros_do_not_spoil_the_fit_of_an_ensemble():
    displacements = sbm(np.random.default_rng(18), 0.7, 1e-3, 4000, 399, start=33)
    whole = ensemble_fit(ScaledBrownianMotion(), displacements, 33)
    displacements[[5, 70, 900], [3, 200, 398]] = 0
    assert ensemble_fit(ScaledBrownianMotion(), displacements, 33) == pytest.approx(whole, rel=1e-3)


def test_an_ensemble_that_does_not_move_at_a_time_has_no_fit():
    displacements = sbm(np.random.default_rng(18), 0.7, 1e-3, 20, 50, start=33)
    displacements[:, 7] = 0
    assert np.isnan(ensemble_fit(ScaledBrownianMotion(), displacements, 33)).all()


@pytest.mark.parametrize("process", [ScaledBrownianMotion(), FractionalBrownianMotion()], ids=["sbm", "fbm"])
def test_an_ensemble_in_parts_has_the_fit_of_the_whole(process):
    displacements = sbm(np.random.default_rng(18), 0.7, 1e-3, 50, 60, start=33)
    fit = EnsembleFit(process, 33)
    assert np.isnan(fit.found()).all()
    for part in np.split(displacements, [1, 30]):
        fit.add(part)
    assert fit.found() == pytest.approx(ensemble_fit(process, displacements, 33), rel=1e-12)


def test_no_fit_is_offered_for_a_process_without_an_exponent():
    assert ensemble_fit(BrownianMotion(), np.ones((2, 20))) is None
