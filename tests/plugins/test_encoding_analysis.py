"""Encoding: what is drawn and told of the expressions that latents encode."""

import numpy as np
import pytest
from analysis_contexts import OneParameter, context, theoretical

from spivae.api import Line, Points, SpivaeError
from spivae.dataset import Grid
from spivae_plugins.encoding import Encoding, plain
from spivae_plugins.sbm import ScaledBrownianMotion

SBM = ScaledBrownianMotion()
ENCODING = Encoding()
THETA = np.repeat(Grid.of(SBM).cells, 6, axis=0)
ALPHA, D = THETA.T
LENGTH = 61  # positions of the trajectories in analysis_contexts


def aged(t_star):
    return np.log(ALPHA * D * t_star ** (ALPHA - 1))


def of_latents(*columns, theta=THETA, process=SBM, noise=0.05, **options):
    """The result for a model whose latents are these columns and noise, in units of their spread."""
    given = theoretical(process, theta, latents=len(columns))
    mu = np.stack([(column - column.mean()) / column.std() for column in columns], axis=1)
    given[1].mu[:] = 2 * (mu + noise * np.random.default_rng(0).standard_normal(mu.shape))
    given[1].logvar[:] = -3
    given[1].kl[:] = (given[1].mu ** 2 + np.exp(-3) - 1 + 3) / 2
    return ENCODING.compute(context(ENCODING, process, theta, given, **options))


def test_each_surviving_latent_is_drawn_against_its_own_expression():
    result = of_latents(aged(LENGTH), aged(1 / LENGTH), ALPHA)
    panels = {panel.title: panel for panel in ENCODING.figure(result).panels}
    assert sorted(panels) == ["Latent 0: ln(α D T^(α-1))", "Latent 1: ln(α D T^(1-α))", "Latent 2: α"]
    panel = panels["Latent 0: ln(α D T^(α-1))"]
    assert (panel.x.label, panel.y.label, panel.legend) == ("ln(α D T^(α-1))", "mean μ_0", "D")
    points = [mark for mark in panel.marks if isinstance(mark, Points)]
    assert [mark.label for mark in points][::9] == ["0.01", "1e-05"]  # the largest D on top
    x = np.sort(np.concatenate([mark.x for mark in points]))
    np.testing.assert_allclose(x, np.sort(np.unique(aged(LENGTH))), atol=0.01)


def test_the_drawn_line_is_the_fit_to_the_means():
    result = of_latents(aged(LENGTH))
    line = next(mark for mark in ENCODING.figure(result).panels[0].marks if isinstance(mark, Line))
    assert line.label == f"R² {result.scalars['latents'][0]['r2']:.3f}"
    expected = np.interp(result.arrays["x_0"], line.x, line.y)
    left = np.mean((result.arrays["mean_0"] - expected) ** 2) / result.arrays["mean_0"].var()
    assert 1 - left == pytest.approx(result.scalars["latents"][0]["r2"], abs=1e-6)


def test_the_caption_tells_the_time_and_how_well_single_trajectories_follow():
    result = of_latents(aged(20.0), noise=0.02)
    found = result.scalars["latents"][0]
    assert found["expression"].startswith("ln(α D t*^(α-1)), t* = ")
    assert abs(found["t_star"] - 20) < 4 * found["t_star_sd"]
    caption = ENCODING.figure(result).caption
    assert f"z0 {found['r2_trajectory']:.2f} ({found['ceiling']:.2f})" in caption
    assert f"t* = {found['t_star']:.3g} ± " in caption


def test_a_latent_that_folds_back_is_drawn_with_a_curve():
    result = of_latents((aged(LENGTH) - aged(LENGTH).mean()) ** 2)
    panel = ENCODING.figure(result).panels[0]
    assert panel.title == "Latent 0: ln(α D T^(α-1)), folded"
    line = next(mark for mark in panel.marks if isinstance(mark, Line))
    assert 10 < line.y.argmin() < len(line.y) - 10


def test_what_cannot_be_named_is_drawn_against_a_parameter_that_varies():
    rng = np.random.default_rng(1)
    fixed = THETA[ALPHA[0] == ALPHA]
    panel = ENCODING.figure(of_latents(rng.standard_normal(len(fixed)), theta=fixed)).panels[0]
    assert panel.title == "Latent 0: no expression"
    assert (panel.x.label, panel.x.scale) == ("D", "log")
    assert not any(isinstance(mark, Line) for mark in panel.marks)
    caption = ENCODING.figure(of_latents(rng.standard_normal(len(THETA)), aged(LENGTH))).caption
    assert caption.startswith("Trajectories' R² (ceiling): z1 ")
    assert "z0: no expression explains half of it" in caption


def test_one_latent_can_be_looked_at_alone_also_an_idle_one():
    given = theoretical(SBM, THETA)
    result = ENCODING.compute(context(ENCODING, SBM, THETA, given, latent=2))
    assert [found["latent"] for found in result.scalars["latents"]] == [2]
    with pytest.raises(SpivaeError, match=r"0\.\.2"):
        ENCODING.compute(context(ENCODING, SBM, THETA, given, latent=3))


def test_a_model_whose_latents_all_idle_says_so():
    given = theoretical(SBM, THETA)
    given[1].kl[:] = 0.001
    figure = ENCODING.figure(ENCODING.compute(context(ENCODING, SBM, THETA, given)))
    assert figure.caption.startswith("No latent survives")


def test_one_parameter_is_not_shaded_and_many_values_are_drawn_in_groups():
    theta = np.repeat(Grid.of(OneParameter(), {"D": 8}).cells, 20, axis=0)
    result = of_latents(np.log(theta[:, 0]), theta=theta, process=OneParameter())
    marks = ENCODING.figure(result).panels[0].marks
    assert [mark.shade for mark in marks] == [None, None]
    rng = np.random.default_rng(2)
    theta = np.stack([rng.uniform(0.2, 1.8, 500), 10 ** rng.uniform(-5, -2, 500)], axis=1)
    marks = ENCODING.figure(of_latents(theta[:, 0], theta=theta)).panels[0].marks
    points = [mark for mark in marks if isinstance(mark, Points)]
    assert len(points) == 10
    assert {len(mark.x) for mark in points} == {50}


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [(0.00251, 3, "0.00251"), (160.3, 2, "160"), (1718, 3, "1720"), (43.21, 3, "43.2")],
)
def test_numbers_are_plain(value, digits, text):
    assert plain(value, digits) == text
