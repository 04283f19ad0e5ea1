"""MSD: of the data and of what is generated, with theory for the time that is looked at."""

import numpy as np
import pytest
from perfect_generator import GRID, RECEPTIVE_FIELD, STEPS, Perfect

from spivae.api import SpivaeError, VLine
from spivae.dataset import Grid, simulate, simulate_grid
from spivae_plugins.fbm import FractionalBrownianMotion
from spivae_plugins.msd import Msd
from spivae_plugins.sbm import ScaledBrownianMotion

SBM, FBM = ScaledBrownianMotion(), FractionalBrownianMotion()
MSD = Msd()


def asked(process, dataset=None, spoil=lambda dx: dx, **options):
    return MSD.compute(Perfect(process, MSD.options(**options), dataset=dataset, spoil=spoil))


def data_of(process, per_cell=300, steps=100):
    return simulate_grid(process, Grid(GRID), per_cell, steps, np.random.default_rng(0))


@pytest.mark.parametrize("process", [SBM, FBM], ids=lambda process: process.name)
@pytest.mark.parametrize("source", ["generated", "data"])
def test_exact_trajectories_lie_on_theory(process, source):
    arrays = asked(process, data_of(process), source=source, n=600).arrays
    short = arrays["lag"] <= 10
    for name in ("ta_msd", "ea_msd"):
        ratio = arrays[name] / arrays[f"{name}_theory"]
        np.testing.assert_allclose(ratio[:, short], 1, atol=0.1 if name == "ta_msd" else 0.35)


def test_the_slope_of_fbm_is_its_exponent_and_that_of_sbm_is_one_whatever_its_exponent():
    middle = slice(5, 12)
    for process, exponents in ((FBM, GRID["alpha"]), (SBM, [1] * 5)):
        slopes = asked(process, n=600).arrays["slope"][:, middle].mean(axis=1)
        np.testing.assert_allclose(slopes, exponents, atol=0.06)


def test_theory_begins_where_generation_does_and_the_datas_with_the_process():
    aging = SBM.msd(np.array([[1.6, 1e-3]]), np.arange(200))[0]
    generated = asked(SBM, n=2).arrays["ea_msd_theory"][-1, 0]
    assert generated == pytest.approx(aging[RECEPTIVE_FIELD + 2] - aging[RECEPTIVE_FIELD + 1])
    assert asked(SBM, data_of(SBM, 2), source="data").arrays["ea_msd_theory"][-1, 0] == pytest.approx(
        aging[1]
    )


def test_the_data_are_those_of_the_context_cut_to_the_length_asked_for():
    theta = np.array([[0.5, 1e-3], [0.5, 1e-3], [1.5, 1e-3]])
    dataset = simulate(SBM, theta, 50, np.random.default_rng(0))
    result = asked(SBM, dataset, source="data", length=20)
    x = np.cumsum(dataset.displacements[:, 0, :20], axis=1, dtype=float)
    np.testing.assert_allclose(result.arrays["ea_msd"][:, 0], [(x[:2, 0] ** 2).mean(), x[2, 0] ** 2])
    assert result.arrays["lag"][-1] == 10
    assert result.scalars["length"] == 20


def test_values_without_trajectories_have_no_curve():
    dataset = simulate(SBM, np.array([[0.5, 1e-3], [0.7, 1e-2], [0.9, 1e-3]]), 50, np.random.default_rng(0))
    assert asked(SBM, dataset, source="data", value=1e-3).arrays["values"].tolist() == [0.5, 0.9]


def test_long_trajectories_are_looked_at_up_to_half_their_length():
    arrays = asked(FBM, n=3, curves=2, length=6000).arrays
    assert arrays["lag"][-1] == 3000
    assert len(arrays["lag"]) <= 40


def test_the_figure_marks_the_receptive_field_of_what_is_generated_alone():
    figure = MSD.figure(asked(FBM, n=3))
    assert [panel.title for panel in figure.panels] == [
        "TA-MSD at D = 0.001",
        "Slope of the TA-MSD",
        "EA-MSD at D = 0.001",
        "TA-MSD over theory",
    ]
    marked = [[mark.x for mark in panel.marks if isinstance(mark, VLine)] for panel in figure.panels]
    assert marked == [[RECEPTIVE_FIELD], [RECEPTIVE_FIELD], [], [RECEPTIVE_FIELD]]
    data = MSD.figure(asked(FBM, data_of(FBM, 2), source="data"))
    assert not any(isinstance(mark, VLine) for panel in data.panels for mark in panel.marks)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"source": "data", "length": 101}, "option length: these data have 100 displacements, not 101"),
        ({"window": 0.01, "length": 20}, "option window: 0.01 decades never hold two lags"),
    ],
)
def test_what_cannot_be_is_refused(options, message):
    with pytest.raises(SpivaeError, match=message):
        asked(SBM, data_of(SBM, 2), **options)


def test_steps_of_the_perfect_model_are_as_many_as_in_training():
    assert asked(SBM, n=2).scalars["length"] == STEPS
