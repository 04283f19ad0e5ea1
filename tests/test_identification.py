"""What latents encode: expressions are found in noisy cell means, and only where they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spivae.dataset import Grid, simulate_grid
from spivae.errors import SpivaeError
from spivae.identification import Identified, identify
from spivae.process import Array, Parameter, Process
from spivae_plugins.fbm import FractionalBrownianMotion
from spivae_plugins.sbm import ScaledBrownianMotion

T = 400
SBM = ScaledBrownianMotion()
FBM = FractionalBrownianMotion()
THETA = np.repeat(Grid.of(SBM).cells, 10, axis=0)
ALPHA, D = THETA.T
LATER = "ln(α D T^(α-1))"
EARLIER = "ln(α D T^(1-α))"


def encoded(
    values: Array, noise: float = 0.3, seed: int = 0, theta: Array = THETA, process: Process = SBM
) -> Identified:
    """What is found in a latent with these means, and noise in units of their standard deviation."""
    rng = np.random.default_rng(seed)
    mu = values + (noise * np.std(values) * rng.standard_normal(len(values)) if noise else 0.0)
    return identify(process, theta, mu[:, None], logvar=np.full((len(mu), 1), -3.0), latents=[0], length=T)[0]


def aged(t_star: float, alpha: Array = ALPHA, d: Array = D) -> Array:
    return np.asarray(np.log(alpha * d * t_star ** (alpha - 1)))


@settings(max_examples=60, deadline=None, derandomize=True)  # one in a few hundred is unlucky
@given(
    later=st.booleans(),
    noise=st.sampled_from([0.0, 0.05, 0.2, 0.5]),
    factor=st.floats(0.01, 100) | st.floats(-100, -0.01),
    shift=st.floats(-100, 100),
    seed=st.integers(0, 2**32),
)
def test_the_two_expressions_of_the_seed_are_found(
    later: bool, noise: float, factor: float, shift: float, seed: int
) -> None:
    t_star = float(T) if later else 1 / T
    found = encoded(shift + factor * aged(t_star), noise, seed)
    assert found.expression == (LATER if later else EARLIER), found
    assert found.t_star is not None
    assert found.t_star_sd is not None
    assert abs(found.t_star - t_star) <= 5 * found.t_star_sd + 1e-6 * t_star
    assert found.curve[1] == pytest.approx(factor, rel=0.02 + noise / 10)
    assert found.r2 > 0.97 - noise / 10
    assert np.sign(found.spearman) == np.sign(factor)


@pytest.mark.parametrize("band", [9.0, 0.3], ids=["the whole grid", "where D grows with α"])
def test_the_error_of_t_star_is_its_spread(band: float) -> None:
    place = (np.log(D) - np.log(1e-5)) / np.log(1e3) - (ALPHA - 0.2) / 1.6
    theta = THETA[np.abs(place) < band]
    found = [encoded(aged(147.0, *theta.T), 0.1, seed, theta) for seed in range(60)]
    assert {one.expression.split(", ")[0] for one in found} == {"ln(α D t*^(α-1))"}
    pull = [(np.log(one.t_star) - np.log(147)) / (one.t_star_sd / one.t_star) for one in found]
    assert abs(np.mean(pull)) < 4 / np.sqrt(60)
    assert 0.75 < np.std(pull) < 1.25


def test_the_expression_tells_the_time_it_refers_to() -> None:
    found = encoded(aged(147.0), 0.05)
    assert found.expression.startswith("ln(α D t*^(α-1)), t* = 14")
    assert found.terms == pytest.approx({"ln D": 1, "ln α": 1, "α": np.log(147)}, rel=0.02)
    assert found.offset == -found.terms["α"]
    assert found.curve[1] == pytest.approx(1, rel=0.01)


@pytest.mark.parametrize(
    ("expression", "values"),
    [
        ("α", ALPHA),
        ("ln α", np.log(ALPHA)),
        ("ln D", np.log(D)),
        ("ln(D T^α)", np.log(D * T**ALPHA)),
        ("ln D + 0.5 ln α + 2 α", np.log(D) + 0.5 * np.log(ALPHA) + 2 * ALPHA),
        ("α - 0.4 ln α", ALPHA - 0.4 * np.log(ALPHA)),
        ("α + 0.05 ln D", ALPHA + 0.05 * np.log(D)),  # t* would be e^20
    ],
)
def test_other_expressions_of_the_parameters_are_found(expression: str, values: Array) -> None:
    assert encoded(7 - 0.3 * values, 0.0).expression == expression
    noisy = encoded(7 - 0.3 * values, 0.1)
    assert [word for word in noisy.expression.split() if word[0].isalpha()] == [
        word for word in expression.split() if word[0].isalpha()
    ]
    assert (noisy.t_star is not None) == expression.startswith(("ln D +", "ln(D"))


def test_an_expression_has_the_values_it_was_fitted_to() -> None:
    for values in (ALPHA, aged(147.0), aged(T), np.log(D) + 0.5 * np.log(ALPHA) + 2 * ALPHA):
        found = encoded(3 + 2 * values, 0.0)
        np.testing.assert_allclose(found.values(SBM, THETA, T), values, atol=1e-6)
        assert found.curve == pytest.approx((3, 2), abs=1e-5)


def test_a_latent_of_noise_encodes_nothing() -> None:
    rng = np.random.default_rng(1)
    mu = rng.standard_normal((len(THETA), 40))
    found = identify(SBM, THETA, mu, logvar=np.full(mu.shape, -1.0), latents=range(40), length=T)
    for one in found:
        assert one.expression == ""
        assert one.r2 < 0.1
        assert one.t_star is None
        assert "no expression explains half of it" in one.reason
        with pytest.raises(SpivaeError, match="no expression"):
            one.values(SBM, THETA, T)


def test_a_latent_that_folds_back_is_told_from_one_that_follows() -> None:
    values = aged(T)
    bent = (values - values.mean()) ** 2
    found = encoded(bent, 0.1)
    assert found.folded
    assert found.expression == LATER
    assert found.r2 > 0.98
    assert abs(found.spearman) < 0.5
    assert found.t_star is None
    seen = found.expected(found.values(SBM, THETA, T))
    assert np.corrcoef(seen, bent)[0, 1] > 0.999
    assert not encoded(values, 0.1).folded


def test_a_latent_of_several_things_at_once_has_no_name() -> None:
    unit = (ALPHA - 1) / 0.8
    found = encoded(unit * (np.log(D) - np.log(D).mean()), 0.1)
    assert found.expression == ""
    assert "no expression explains half of it" in found.reason
    assert "R² 0." in found.reason


def test_a_saturating_latent_keeps_its_expression_and_its_order() -> None:
    values = aged(T)
    found = encoded(np.tanh((values - values.mean()) / 4), 0.05)
    assert found.expression == LATER
    assert found.r2 < 0.97
    assert found.spearman > 0.99


def test_the_r2_of_single_trajectories_stays_below_its_ceiling() -> None:
    # a Gaussian channel: z = mu + noise with Var(mu) + sigma^2 = 1 has KL -ln(sigma^2) / 2
    values = aged(T)
    unit = (values - values.mean()) / values.std()
    for sigma2 in (0.01, 0.3, 0.8):
        mu = np.sqrt(1 - sigma2) * unit[:, None]
        logvar = np.full(mu.shape, np.log(sigma2))
        found = identify(SBM, THETA, mu, logvar=logvar, latents=[0], length=T)[0]
        assert found.ceiling == pytest.approx(1 - sigma2)
        assert found.r2_trajectory == pytest.approx(1 - sigma2)
        assert found.r2 == pytest.approx(1)


def test_the_combinations_of_fbm_are_read_as_times() -> None:
    for t_star, expression in ((10.0, "ln(D t*^α), t* = 10"), (T, "ln(D T^α)")):
        found = encoded(np.log(2 * D * t_star**ALPHA), 0.0, process=FBM)
        assert found.expression == expression
        assert found.t_star == pytest.approx(t_star)


class Trap(Process):
    name = "trap"
    parameters = (
        Parameter("k", low=0.1, high=1.0, scale="log", points=6),
        Parameter("v", low=-1.0, high=1.0, points=5),
        Parameter("D", low=1e-3, high=1e-1, scale="log", points=4),
    )

    def combinations(self, theta: Array, length: int) -> dict[str, Array]:
        return {"log(D / k)": np.log(theta[:, 2] / theta[:, 0])}


@pytest.mark.parametrize(
    ("expression", "coefficients"),
    [
        ("log(D / k)", (-1, 0, 1)),
        ("v", (0, 1, 0)),
        ("ln D", (0, 0, 1)),
        ("ln D - 0.3 ln k", (-0.3, 0, 1)),
        ("log(D / k) - 0.7 v", (-1, -0.7, 1)),
        ("ln D + 0.9 ln k + 0.2 v", (0.9, 0.2, 1)),
    ],
)
def test_three_parameters_and_a_combination(expression: str, coefficients: tuple[float, ...]) -> None:
    process = Trap()
    theta = np.repeat(Grid.of(process).cells, 5, axis=0)
    k, v, d = theta.T
    values = coefficients[0] * np.log(k) + coefficients[1] * v + coefficients[2] * np.log(d)
    assert encoded(-2 * values, 0.0, theta=theta, process=process).expression == expression
    assert encoded(-2 * values, 0.02, theta=theta, process=process).t_star is None


class Alone(Process):
    name = "alone"
    parameters = (Parameter("D", low=1e-3, high=1e-1, scale="log", points=12),)


def test_one_parameter_is_enough() -> None:
    theta = np.repeat(Grid.of(Alone()).cells, 20, axis=0)
    assert encoded(np.log(theta[:, 0]), 0.3, theta=theta, process=Alone()).expression == "ln D"
    assert encoded(np.zeros(len(theta)), theta=theta, process=Alone()).reason == (
        "its mean is the same in every cell"
    )


def test_each_trajectory_may_have_its_own_parameters() -> None:
    rng = np.random.default_rng(5)
    alpha, d = rng.uniform(0.2, 1.8, 3000), np.exp(rng.uniform(np.log(1e-5), np.log(1e-2), 3000))
    theta = np.stack([alpha, d], axis=1)
    found = encoded(aged(T, alpha, d), 0.5, theta=theta)
    assert found.expression == LATER
    assert encoded(rng.standard_normal(3000), 0.0, theta=theta).expression == ""


@pytest.mark.parametrize(
    ("theta", "reason"),
    [
        (THETA[:1], "three or more cells"),
        (THETA[:10], "three or more cells of parameters, not 1"),
        (THETA[:20], "not 2"),
        (THETA[:0], "no trajectory"),
    ],
)
def test_too_few_cells_are_told(theta: Array, reason: str) -> None:
    found = encoded(np.arange(float(len(theta))), 0.0, theta=theta)
    assert found.expression == ""
    assert reason in found.reason


def test_a_parameter_that_is_held_fixed_is_left_out() -> None:
    fixed = THETA[ALPHA[0] == ALPHA]
    assert encoded(np.log(fixed[:, 1]), 0.1, theta=fixed).expression == "ln D"
    fixed = THETA[D[0] == D]
    assert encoded(fixed[:, 0], 0.1, theta=fixed).expression == "α"


def test_features_that_cannot_be_told_apart_are_not_both_used() -> None:
    two = THETA[np.isin(ALPHA, np.unique(ALPHA)[[0, 10]])]  # on two values of α, ln α is a line in α
    assert encoded(two[:, 0] - 0.2 * np.log(two[:, 1]), 0.01, theta=two).expression.startswith("ln(D t*^α)")
    alpha = np.linspace(0.2, 1.8, 21).repeat(10)
    line = np.stack([alpha, 1e-3 * np.exp(alpha)], axis=1)  # ln D is α and a constant
    assert encoded(np.log(line[:, 1]), 0.01, theta=line).expression == "α"


def test_few_cells_do_not_find_an_expression_in_noise() -> None:
    rng = np.random.default_rng(2)
    theta = np.repeat(Grid.of(SBM, {"alpha": 3, "D": 2}).cells, 30, axis=0)
    mu = rng.standard_normal((len(theta), 100))
    found = identify(SBM, theta, mu, logvar=np.full(mu.shape, -1.0), latents=range(100), length=T)
    assert sum(bool(one.expression) for one in found) <= 10
    assert any("chance explains as much" in one.reason for one in found)


def test_rows_that_are_not_finite_are_left_out() -> None:
    mu = aged(T)[:, None].copy()
    mu[::7] = np.nan
    found = identify(SBM, THETA, mu, logvar=np.full(mu.shape, -3.0), latents=[0], length=T)[0]
    assert found.expression == LATER


def test_no_survivors_are_no_error() -> None:
    mu = np.zeros((len(THETA), 6))
    assert identify(SBM, THETA, mu, logvar=mu, latents=[], length=T) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"theta": THETA[:, :1]}, r"theta: needs shape \(n, 2\) for process sbm"),
        ({"mu": np.zeros((7, 1))}, "a row for each of theta"),
        ({"logvar": np.zeros((len(THETA), 2))}, "a row for each of theta"),
        ({"latents": [1]}, r"latent 1: this model has latents 0\.\.0"),
    ],
)
def test_what_does_not_fit_is_refused(change: dict[str, Any], message: str) -> None:
    given: dict[str, Any] = {
        "theta": THETA,
        "mu": aged(T)[:, None],
        "logvar": np.zeros((len(THETA), 1)),
        "latents": [0],
    }
    given |= change
    with pytest.raises(SpivaeError, match=message):
        identify(SBM, given["theta"], given["mu"], logvar=given["logvar"], latents=given["latents"], length=T)


def of_model(name: str | Path, latents: list[int]) -> list[Identified]:
    from spivae import load_checkpoint
    from spivae.generation import encode

    _, model = load_checkpoint(name)
    dataset = simulate_grid(SBM, Grid.of(SBM), 2, 399, np.random.default_rng(3))
    mu, logvar = encode(model, dataset.displacements[:, 0])
    return identify(SBM, dataset.theta, mu, logvar=logvar, latents=latents, length=T)


def test_the_latents_of_the_sbm_model_follow_the_diffusion_coefficient_at_two_times() -> None:
    late, early = of_model("sbm", [0, 1])
    assert late.expression.startswith("ln(α D t*^(α-1)), t* = 1")
    assert early.expression.startswith("ln(D t*^α), t* = 0.0")
    for one, r2 in ((late, 0.99), (early, 0.95)):  # of few trajectories: means of mu are noisy
        assert not one.folded
        assert one.r2 > r2
        assert abs(one.spearman) > 0.97
        assert one.r2_trajectory < one.ceiling


def test_the_latent_of_the_originals_model_follows_the_aging_diffusion_coefficient(reference: Path) -> None:
    found = of_model(reference / "original_sbm_trained.tar", [0])[0]
    assert found.expression == LATER
    assert 0.93 < found.r2 < 0.97
    assert found.spearman < -0.99


def test_cells_weigh_by_their_trajectories() -> None:
    counts = np.where(np.arange(210) % 2, 40, 1)
    theta = np.repeat(Grid.of(SBM).cells, counts, axis=0)
    values = aged(T, *theta.T)
    few = np.repeat(counts == 1, counts)
    spoilt = np.where(few, values + 10 * np.sin(7 * values), values)
    found = encoded(spoilt, 0.0, theta=theta)
    assert found.expression == LATER
    assert found.curve[1] == pytest.approx(1, abs=0.05)
    assert found.r2 > 0.8
