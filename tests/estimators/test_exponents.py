"""Exponents of SBM from late times: what the seed reads, and what is true."""

import numpy as np
import pytest
from samples import sbm, standard_errors

from spivae.errors import SpivaeError
from spivae.estimators import TeaMsd, exponent, exponent_seed, tea_msd_exponent

RECEPTIVE_FIELD = 32
START = RECEPTIVE_FIELD + 1  # the first generated displacement is that of time R + 2


def expected(alpha, steps, offset):
    """What late squares without noise read: the slope of the log variance of two steps."""
    k = np.arange(1, steps - 1)
    variance = (k + START + 2.0) ** alpha - (k + START + 0.0) ** alpha
    late = slice(-int(0.55 * len(k)), None)
    return 1 + np.polyfit(np.log(k + offset)[late], np.log(variance)[late], 1)[0]


@pytest.mark.parametrize(("alpha", "seed_reads"), [(0.2, 0.360), (1.8, 1.640)])
def test_the_figures_of_a_perfect_generator(alpha, seed_reads):
    assert expected(alpha, 200, 0) == pytest.approx(seed_reads, abs=1e-3)
    for steps in (200, 400):
        assert expected(alpha, steps, START + 1) == pytest.approx(alpha, abs=1e-3)


@pytest.mark.parametrize("alpha", [0.2, 1.8])
@pytest.mark.parametrize("steps", [200, 400])
def test_perfect_trajectories_read_the_true_exponent_and_the_seeds_estimator_another(alpha, steps):
    perfect = sbm(np.random.default_rng(7), alpha, 1e-3, 6000, steps, START)
    found = exponent(perfect, START)
    assert standard_errors(found, alpha) < 3
    assert standard_errors(exponent_seed(perfect), expected(alpha, steps, 0)) < 3
    assert standard_errors(exponent_seed(perfect), alpha) > 5


@pytest.mark.full
@pytest.mark.parametrize(("alpha", "seed_reads"), [(0.2, 0.360), (1.8, 1.640)])
def test_they_do_so_to_a_hundredth(alpha, seed_reads):
    rng = np.random.default_rng(8)
    for steps, count in ((200, 100_000), (400, 40_000)):
        perfect = sbm(rng, alpha, 1e-3, count, steps, START)
        assert exponent(perfect, START).mean() == pytest.approx(alpha, abs=0.01)
        if steps == 200:
            assert exponent_seed(perfect).mean() == pytest.approx(seed_reads, abs=0.01)


def test_it_is_the_seeds_regression_trajectory_by_trajectory():
    displacements = np.random.default_rng(9).standard_normal((5, 50))
    displacements[2, 40:42] = 0
    positions = np.cumsum(displacements, axis=1)
    for row, x in enumerate(positions):
        squares = (x[2:] - x[:-2]) ** 2
        logs = np.log(np.where(squares == 0, np.exp(-27), squares))
        k = np.arange(1, len(x) - 1)
        late = slice(-int(0.55 * len(k)), None)
        for found, abscissa in (
            (exponent_seed(displacements), np.log(k)),
            (exponent(displacements, START), np.log(k + 34)),
        ):
            assert found[row] == pytest.approx(1 + np.polyfit(abscissa[late], logs[late], 1)[0], abs=1e-6)


def test_a_still_trajectory_counts_as_normal_because_all_its_points_are_equal():
    assert exponent(np.zeros((1, 50)), START) == pytest.approx([1.0])


def test_the_scale_of_the_displacements_does_not_matter():
    displacements = sbm(np.random.default_rng(10), 0.5, 1.0, 4, 100, START)
    np.testing.assert_allclose(
        exponent(displacements * 1e-6, START), exponent(displacements, START), rtol=1e-9
    )
    assert tea_msd_exponent(displacements * 10) == pytest.approx(tea_msd_exponent(displacements))


@pytest.mark.parametrize("alpha", [0.2, 1.0, 1.8])
def test_the_ensembles_exponent_is_true_and_scatters_less_than_a_mean_of_exponents(alpha):
    rng = np.random.default_rng(11)
    groups = [sbm(rng, alpha, 1e-3, 200, 399) for _ in range(40)]
    together = np.array([tea_msd_exponent(group) for group in groups])
    assert standard_errors(together, alpha) < 3
    assert together.std() < np.std([exponent(group, 0).mean() for group in groups])
    assert tea_msd_exponent(groups[0][:1]) == pytest.approx(exponent(groups[0][:1], 0)[0], abs=1e-12)


def test_an_ensemble_in_parts_has_the_exponent_of_the_whole_and_its_jackknife_error():
    displacements = sbm(np.random.default_rng(12), 0.7, 1e-3, 50, 60)
    ensemble = TeaMsd(50)
    for part in np.split(displacements, [7, 8, 31]):
        ensemble.add(part)
    found, error = ensemble.exponent(3.0)
    assert found == pytest.approx(tea_msd_exponent(displacements, 3.0), rel=1e-12)
    groups = np.array_split(np.arange(50), 20)
    without = [tea_msd_exponent(np.delete(displacements, group, axis=0), 3.0) for group in groups]
    assert error == pytest.approx(np.sqrt(19) * np.std(without), rel=1e-9)


def test_an_ensemble_of_one_has_no_error_and_fewer_than_were_expected_have_one():
    displacements = sbm(np.random.default_rng(12), 0.7, 1e-3, 3, 60)
    ensemble = TeaMsd(20)
    ensemble.add(displacements[:1])
    assert np.isnan(ensemble.exponent()).all()
    ensemble.add(displacements[1:])
    few = TeaMsd(3)
    few.add(displacements)
    assert ensemble.exponent() == pytest.approx(few.exponent(), rel=1e-12)


def test_one_that_ran_far_away_does_not_spoil_what_is_told_without_it():
    displacements = sbm(np.random.default_rng(12), 0.7, 1e-3, 20, 60)
    displacements[0] *= 1e15
    ensemble = TeaMsd(20)
    ensemble.add(displacements)
    without = [tea_msd_exponent(np.delete(displacements, row, axis=0)) for row in range(20)]
    assert ensemble.exponent()[1] == pytest.approx(np.sqrt(19) * np.std(without), rel=1e-9)


def test_too_few_displacements_are_refused():
    with pytest.raises(SpivaeError, match="have 5, but a line through late times needs at least 6"):
        exponent(np.ones((3, 5)), START)
    assert np.isfinite(exponent(np.random.default_rng(0).standard_normal((3, 6)), START)).all()
