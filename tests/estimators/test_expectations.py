"""What estimators read on average, against what they read on exact samples."""

import numpy as np
import pytest

from spivae.api import Parameter, Process
from spivae.errors import SpivaeError
from spivae.estimators import Expectations, displacement_correlation, ea_msd, positions_of, ta_msd
from spivae.observation import Observed
from spivae_plugins.bm import BrownianMotion
from spivae_plugins.fbm import FractionalBrownianMotion
from spivae_plugins.ou import OrnsteinUhlenbeck
from spivae_plugins.sbm import ScaledBrownianMotion

COUNT, LENGTH, START = 4000, 40, 12
CASES = [
    (ScaledBrownianMotion(), [0.3, 1e-3], "independent"),
    (ScaledBrownianMotion(), [1.7, 1e-3], "independent"),
    (BrownianMotion(), [0.6, 1e-3], "independent"),
    (FractionalBrownianMotion(), [0.4, 1e-3], "stationary"),
    (FractionalBrownianMotion(), [1.6, 1e-3], "stationary"),
    (OrnsteinUhlenbeck(), [0.3, 1e-3], "stationary"),
]


@pytest.mark.parametrize(("process", "theta", "memory"), CASES, ids=lambda value: getattr(value, "name", ""))
def test_exact_samples_agree_with_every_expectation(process, theta, memory):
    expected, theta = Expectations(process), np.array([theta])
    assert expected.memory == memory
    rows = np.repeat(theta, COUNT, axis=0)
    dx = process.displacements(np.random.default_rng(1), rows, START + LENGTH)[:, START:].astype(float)
    x, lags = positions_of(dx), np.array([1, 2, 7, 25, LENGTH])

    def agree(samples, truth):
        error = samples.std(axis=0) / np.sqrt(COUNT)
        assert (np.abs(samples.mean(axis=0) - truth[0]) < 4.2 * error).all()

    mean, variance = expected.mean(theta, LENGTH, START), expected.variance(theta, LENGTH, START)
    agree(dx, mean)
    agree((dx - mean) ** 2, variance)
    agree(ta_msd(x, lags), expected.ta_msd(theta, lags, LENGTH, START))
    agree(x[:, lags] ** 2, expected.ea_msd(theta, lags, START))
    np.testing.assert_allclose(ea_msd(x)[lags], (x[:, lags] ** 2).mean(axis=0), rtol=1e-9)
    found, error = displacement_correlation(dx, [1, 2, 7])
    assert (np.abs(found - expected.correlation(theta, [1, 2, 7])[0]) < 4 * error).all()
    assert expected.correlation(theta, [0])[0, 0] == 1


def test_the_ta_msd_of_aging_motion_is_not_the_ensembles():
    expected, theta = Expectations(ScaledBrownianMotion()), np.array([[0.5, 1.0]])
    lags = np.array([1, 10])
    np.testing.assert_allclose(expected.ea_msd(theta, lags), 2 * np.sqrt(lags)[None])
    # over 100 steps, the mean of (t + lag)^a - t^a
    t = np.arange(100.0)
    by_hand = 2 * np.array([np.mean(np.sqrt(t[: 101 - k] + k) - np.sqrt(t[: 101 - k])) for k in (1,)])
    assert expected.ta_msd(theta, lags, 100)[0, 0] == pytest.approx(by_hand[0], rel=1e-9)


STATIONARY = [BrownianMotion(), FractionalBrownianMotion(), OrnsteinUhlenbeck()]


@pytest.mark.parametrize("process", STATIONARY, ids=lambda process: process.name)
@pytest.mark.parametrize(("noise", "blur"), [(0.0, 0.0), (0.03, 0.0), (0.0, 0.8), (0.03, 0.8)])
def test_what_is_told_of_a_stationary_process_takes_no_matrix_and_is_that_of_the_matrix(
    process, noise, blur, monkeypatch
):
    seen, theta = Observed(process, noise, blur), np.array([[0.4, 1e-3], [0.8, 1e-2]])
    matrix, mean = seen.covariance(theta, 30), seen.mean(theta, 30)
    np.testing.assert_allclose(seen.autocovariance(theta, 30), matrix[:, 0], rtol=1e-9, atol=1e-15)
    lags = np.array([1, 2, 7, 29])
    spread = np.array([matrix[:, :t, :t].sum(axis=(1, 2)) for t in lags]).T
    drift = np.zeros_like(spread) if mean is None else mean[:, :1] * lags
    expected = Expectations(seen)
    monkeypatch.setattr(Observed, "covariance", lambda *_: pytest.fail("a matrix was made"))
    correlation = expected.correlation(theta, lags)
    np.testing.assert_allclose(correlation, matrix[:, 0, lags] / matrix[:, 0, :1], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(expected.ea_msd(theta, lags), spread + drift**2, rtol=1e-9)


def test_the_correlation_of_a_process_that_gives_matrices_alone_has_an_end():
    class Given(Process):
        name, parameters = "given", FractionalBrownianMotion.parameters

        def covariance(self, theta, steps):
            return FractionalBrownianMotion().covariance(theta, steps)

    theta, lags = np.array([[0.5, 1e-3]]), np.array([1, 9])
    whole = Expectations(FractionalBrownianMotion()).correlation(theta, lags)
    np.testing.assert_allclose(Expectations(Given()).correlation(theta, lags), whole)
    with pytest.raises(SpivaeError, match=r"10,000 rows of a covariance .* choose shorter lags"):
        Expectations(Given()).correlation(theta, np.array([9_999]))


class WithoutCovariance(Process):
    name = "jumps"
    parameters = (Parameter("D", low=1.0, high=2.0),)

    def msd(self, theta, t):
        return theta * t


class NeitherNor(WithoutCovariance):
    """Correlated displacements that change with time."""

    def covariance(self, theta, steps):
        t = np.arange(1.0, steps + 1)
        return theta[:, :, None] * np.minimum.outer(t, t)


@pytest.mark.parametrize("process", [WithoutCovariance(), NeitherNor()], ids=["no covariance", "neither"])
def test_where_nothing_is_known_nothing_is_said(process):
    expected, theta, lags = Expectations(process), np.array([[1.0]]), np.array([1, 2])
    assert expected.memory is None
    assert expected.mean(theta, 5) is None
    assert expected.variance(theta, 5) is None
    assert expected.ta_msd(theta, lags, 5) is None
    assert expected.ea_msd(theta, lags) is None
    assert expected.correlation(theta, lags) is None
