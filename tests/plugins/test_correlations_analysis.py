"""Correlations: memory of generated displacements, within the receptive field and beyond."""

import numpy as np
import pytest
from perfect_generator import RECEPTIVE_FIELD, Perfect, ThreeParameters

from spivae.api import Line, SpivaeError, VLine
from spivae_plugins.displacements import Correlations
from spivae_plugins.fbm import FractionalBrownianMotion
from spivae_plugins.ou import OrnsteinUhlenbeck
from spivae_plugins.sbm import ScaledBrownianMotion

SBM, FBM = ScaledBrownianMotion(), FractionalBrownianMotion()
CORRELATIONS = Correlations()


def asked(process, spoil=lambda dx: dx, **options):
    return CORRELATIONS.compute(Perfect(process, CORRELATIONS.options(**options), spoil=spoil))


@pytest.mark.parametrize("process", [SBM, FBM], ids=lambda process: process.name)
def test_a_perfect_model_is_off_theory_by_noise_alone(process):
    result = asked(process, n=500)
    assert result.arrays["lag"][[0, -1]].tolist() == [1, 3 * RECEPTIVE_FIELD]
    assert 0.75 < result.scalars["within"] < 1.3
    assert 0.75 < result.scalars["beyond"] < 1.3
    if process is SBM:
        assert not result.arrays["theory"].any()


def test_the_correlation_of_fbm_is_that_of_its_neighbours():
    arrays = asked(FBM, n=1000).arrays
    np.testing.assert_allclose(arrays["correlation"][:, 0], 2 ** (arrays["values"] - 1) - 1, atol=0.02)


def test_a_model_that_forgets_is_told_from_the_noise():
    def shuffled(dx):
        return np.random.default_rng(0).permuted(dx, axis=1)

    result = asked(FBM, n=300, spoil=shuffled)
    assert result.scalars["within"] > 4
    assert "standard errors" in CORRELATIONS.figure(result).panels[1].y.label


def test_theory_comes_from_any_stationary_process():
    context = Perfect(OrnsteinUhlenbeck(), CORRELATIONS.options(n=300))
    context.checkpoint.ds_args.clear()
    result = CORRELATIONS.compute(context)
    assert 0.75 < result.scalars["within"] < 1.3


def test_the_figure_has_a_curve_an_alpha_and_the_receptive_field():
    figure = CORRELATIONS.figure(asked(FBM, n=3, curves=3))
    curves, away = figure.panels
    assert [mark.x for mark in curves.marks if isinstance(mark, VLine)] == [RECEPTIVE_FIELD]
    labels = [mark.label for mark in away.marks if isinstance(mark, Line)]
    assert labels == ["1.6", "1", "0.4"]
    assert sum(mark.dashed for mark in curves.marks if isinstance(mark, Line)) == 3
    assert curves.title == "Correlation of displacements at D = 0.001"


def test_a_process_of_unknown_correlation_is_drawn_without_theory():
    class Unknown(ThreeParameters):
        def covariance(self, theta, steps):
            return None

    figure = CORRELATIONS.figure(CORRELATIONS.compute(Perfect(Unknown(), CORRELATIONS.options(n=5))))
    assert len(figure.panels) == 1
    assert figure.caption == f"Vertical: R = {RECEPTIVE_FIELD}."


def test_lags_that_do_not_fit_are_refused():
    with pytest.raises(SpivaeError, match="the longest lag of 160 displacements is 159, not 160; generate"):
        asked(FBM, n=3, lags=160)
    assert asked(FBM, n=3, length=20).arrays["lag"][-1] == 19
