"""Traversal: the process seen while one latent is varied."""

import numpy as np
import pytest
from perfect_generator import Perfect

from spivae.api import HLine, SpivaeError
from spivae_plugins.bm import BrownianMotion
from spivae_plugins.fbm import FractionalBrownianMotion
from spivae_plugins.sbm import ScaledBrownianMotion
from spivae_plugins.traversal import Traversal

SBM, FBM = ScaledBrownianMotion(), FractionalBrownianMotion()
TRAVERSAL = Traversal()


def asked(process=SBM, latents=3, steps=160, spoil=lambda dx: dx, **options):
    return TRAVERSAL.compute(
        Perfect(process, TRAVERSAL.options(**options), latents=latents, steps=steps, spoil=spoil)
    )


@pytest.mark.parametrize("process", [SBM, FBM], ids=lambda process: process.name)
def test_the_exponent_follows_the_latent_that_encodes_it(process):
    result = asked(process, n=1000, values=5)
    assert result.scalars["latent"] == 1  # the one with the largest KL
    np.testing.assert_allclose(result.arrays["value"], [-2, -1, 0, 1, 2])
    np.testing.assert_allclose(result.arrays["alpha"], 1 + 0.3 * result.arrays["value"], atol=0.06)
    np.testing.assert_allclose(np.log(result.arrays["D"] / 1e-3), 0, atol=0.35)
    if process is FBM:
        np.testing.assert_allclose(result.arrays["D"], 1e-3, rtol=0.04)


def test_the_diffusion_coefficient_is_shown_over_the_time_of_the_process():
    result = asked(n=2000, values=3)
    alpha = 1 + 0.3 * result.arrays["value"][:, None]
    assert result.arrays["t"][0] == 38
    theory = alpha * 1e-3 * result.arrays["t"] ** (alpha - 1)
    np.testing.assert_allclose(result.arrays["D_t"], theory, rtol=0.06)


def test_an_idle_latent_changes_nothing():
    result = asked(n=500, latent=2, values=4)
    assert np.ptp(result.arrays["alpha"]) < 0.15
    assert result.arrays["alpha"].mean() == pytest.approx(1, abs=0.05)


def test_groups_of_values_do_not_matter_to_which_value_is_which():
    result = asked(n=700, values=4, latent=1)  # one value at a time
    assert (np.diff(result.arrays["alpha"]) > 0.2).all()


def test_without_metrics_it_is_the_first_latent():
    context = Perfect(SBM, TRAVERSAL.options(n=5))
    context.checkpoint.metrics.clear()
    assert TRAVERSAL.compute(context).scalars["latent"] == 0


def test_a_process_without_exponent_has_its_diffusion_alone():
    class Constant(BrownianMotion):
        """What the perfect model's latents mean is no drift."""

        def displacements(self, rng, theta, steps):
            return super().displacements(rng, theta * np.array([0.0, 1.0]), steps)

    result = asked(Constant(), n=5)
    assert set(result.arrays) == {"value", "t", "D_t"}
    assert len(TRAVERSAL.figure(result).panels) == 1


def test_the_figure_has_a_shaded_curve_a_value_and_the_ends_of_the_training_range():
    figure = TRAVERSAL.figure(asked(n=5, values=4))
    assert [panel.title for panel in figure.panels] == [
        "D(t) for values of z1",
        "α against z1",
        "D against z1",
    ]
    shades = [mark.shade for mark in figure.panels[0].marks]
    assert shades == pytest.approx([1, 2 / 3, 1 / 3, 0])
    assert [mark.label for mark in figure.panels[0].marks] == ["2", "0.667", "-0.667", "-2"]
    assert [mark.y for mark in figure.panels[1].marks if isinstance(mark, HLine)] == [0.2, 1.8]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"latent": 3}, r"option latent: there is no latent 3; this model has latents 0..2"),
        ({"low": 1.0, "high": 1.0}, "options low and high: 1 is not below 1"),
        ({"latent": 0, "latents": 0}, "option latent: this model has no latents, it is a WaveNet alone"),
    ],
)
def test_a_latent_or_a_range_that_is_not_there_is_refused(options, message):
    with pytest.raises(SpivaeError, match=message):
        asked(**options)
