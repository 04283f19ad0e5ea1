"""Exponents: before and beyond the receptive field."""

import numpy as np
import pytest
from perfect_generator import RECEPTIVE_FIELD, Perfect, with_memory_of

from spivae.api import Line, Points, SpivaeError
from spivae_plugins.exponents import Exponents
from spivae_plugins.fbm import FractionalBrownianMotion
from spivae_plugins.sbm import ScaledBrownianMotion

SBM, FBM = ScaledBrownianMotion(), FractionalBrownianMotion()
EXPONENTS = Exponents()


def asked(process, **options):
    return EXPONENTS.compute(Perfect(process, EXPONENTS.options(**options)))


def test_a_perfect_model_of_fbm_reads_alpha_before_and_beyond():
    arrays = asked(FBM, n=400, length=800).arrays
    for side in ("before", "beyond"):
        error = np.abs(arrays[side] - arrays["alpha"])
        assert (error < 4 * arrays[f"{side}_error"] + 0.02).all()
        np.testing.assert_allclose(arrays[f"{side}_theory"], arrays["alpha"], atol=1e-9)
    assert (arrays["before_error"] < arrays["beyond_error"]).all()


def test_a_perfect_model_of_sbm_reads_what_theory_says_which_is_not_alpha():
    result = asked(SBM, n=400, length=800)
    arrays = result.arrays
    for side in ("before", "beyond"):
        error = np.abs(arrays[side] - arrays[f"{side}_theory"])
        assert (error < 4 * arrays[f"{side}_error"]).all()
        assert np.abs(arrays[f"{side}_theory"] - 1).max() < 0.1
    figure = EXPONENTS.figure(result)
    assert "full: theory" in figure.caption
    full = [
        mark for mark in figure.panels[0].marks if isinstance(mark, Line) and mark.muted and not mark.dashed
    ]
    assert len(full) == 2
    assert "full" not in EXPONENTS.figure(asked(FBM, n=2)).caption


def test_where_displacements_are_independent_the_tea_msd_tells_alpha():
    result = asked(SBM, n=400, length=800)
    arrays = result.arrays
    surprise = (arrays["tea"] - arrays["alpha"]) / arrays["tea_error"]
    assert np.abs(surprise).max() < 4
    assert arrays["tea_error"].max() < 0.1
    assert result.scalars["tea_mae"] == pytest.approx(np.abs(arrays["tea"] - arrays["alpha"]).mean())
    points = [mark for mark in EXPONENTS.figure(result).panels[0].marks if isinstance(mark, Points)]
    np.testing.assert_array_equal(points[-1].y, arrays["tea"])
    assert points[-1].label == "TEA-MSD"
    assert "tea" not in asked(FBM, n=2).arrays


def test_a_model_that_forgets_at_its_receptive_field_is_seen_beyond_it():
    class Forgetful(Perfect):
        def generate_cells(self, cells, per_cell, length, rng):
            for cell in cells:
                yield with_memory_of(FBM, cell, RECEPTIVE_FIELD, rng, per_cell, length)

    arrays = EXPONENTS.compute(Forgetful(FBM, EXPONENTS.options(n=100, length=4000))).arrays
    last = arrays["alpha"].tolist().index(1.6)
    assert arrays["before"][last] == pytest.approx(1.6, abs=0.05)
    assert arrays["beyond"][last] < 1.45
    assert (
        np.abs(arrays["before"] - arrays["alpha"]).mean() < np.abs(arrays["beyond"] - arrays["alpha"]).mean()
    )


@pytest.mark.parametrize(("process", "sides"), [(FBM, ("before", "beyond")), (SBM, ("tea",))])
def test_errors_are_those_of_repetitions(process, sides):
    class Repeated(Perfect):
        def rng(self, stream=0):
            return np.random.default_rng(self.seed)

    found = []
    for seed in range(40):
        context = Repeated(process, EXPONENTS.options(n=20, curves=1, length=400))
        context.seed = seed
        found.append(EXPONENTS.compute(context).arrays)
    for side in sides:
        spread = np.std([arrays[side][0] for arrays in found], ddof=1)
        told = np.mean([arrays[f"{side}_error"][0] for arrays in found])
        assert told == pytest.approx(spread, rel=0.35)


def test_the_figure_tells_the_lags_of_each_side():
    figure = EXPONENTS.figure(asked(FBM, n=2, length=400))
    points = [mark for mark in figure.panels[0].marks if isinstance(mark, Points)]
    assert [mark.label for mark in points] == ["before: lags 1-31", "beyond: lags 33-100"]
    assert figure.panels[0].legend == "R = 32"


def test_a_length_that_does_not_reach_beyond_is_refused_and_never_the_default():
    with pytest.raises(
        SpivaeError, match="a quarter of 100 displacements does not reach them; give 136 or more"
    ):
        asked(FBM, length=100)
    context = Perfect(FBM, EXPONENTS.options(n=2), steps=60)
    assert EXPONENTS.compute(context).scalars["length"] == 136


def test_a_receptive_field_without_two_lags_is_told_in_words():
    context = Perfect(FBM, EXPONENTS.options(n=2))
    context.model.receptive_field = 2
    result = EXPONENTS.compute(context)
    assert result.scalars == {"empty": "A slope needs two lags below the receptive field, 2."}
    assert EXPONENTS.figure(result).caption == result.scalars["empty"]
