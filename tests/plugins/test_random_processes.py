"""What holds for each bundled process: rows, shapes, seeds, ranges, bad parameters, and limits or none."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sampling import draw, msd_errors_away

from spivae.dataset import Grid
from spivae.errors import SpivaeError
from spivae.estimators import Expectations
from spivae.grids import wide_grid
from spivae.limits import has_limits, limits
from spivae.plugins import load_plugins
from spivae.process import Process

GAUSSIAN = ("bm", "ou")
OTHERS = ("attm", "ctrw", "diffusing_diffusivity", "lw", "run_and_tumble", "two_state")


@pytest.fixture(params=GAUSSIAN + OTHERS)
def process(request: pytest.FixtureRequest) -> Process:
    return load_plugins().process(request.param)


def corners(process: Process) -> np.ndarray:
    return np.array(list(itertools.product(*((p.low, p.high) for p in process.parameters))))


def test_mean_squares_lie_within_five_standard_errors_of_theory(process: Process) -> None:
    for theta in (corners(process)[0], corners(process)[-1]):
        x = draw(process, theta, 4000, 400)
        assert msd_errors_away(process, theta, x).max() < 5


def test_each_row_has_its_own_parameters(process: Process) -> None:
    ends = corners(process)[[0, -1]]
    mixed = process.displacements(np.random.default_rng(2), np.tile(ends, (3000, 1)), 60).astype(float)
    for k in range(2):
        assert msd_errors_away(process, ends[k], mixed[k::2]).max() < 5


def test_equal_generators_give_equal_displacements(process: Process) -> None:
    theta = corners(process)
    first, again, other = (
        process.displacements(np.random.default_rng(seed), theta, 50) for seed in (4, 4, 5)
    )
    assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(("n", "steps"), [(0, 3), (1, 1), (1, 40), (3, 1)])
def test_any_number_of_rows_and_steps(process: Process, n: int, steps: int) -> None:
    theta = np.tile(corners(process)[0], (n, 1))
    assert process.displacements(np.random.default_rng(0), theta, steps).shape == (n, steps)
    assert process.msd(theta, np.arange(steps)).shape == (n, steps)
    assert process.diffusivity(theta, np.arange(steps)).shape == (n, steps)


def test_displacements_are_finite_on_all_the_grid_that_analyses_may_ask_for(process: Process) -> None:
    grid = wide_grid(process)
    ends = itertools.product(*((values[0], values[-1]) for values in grid.values.values()))
    theta = np.repeat(np.array(list(ends)), 50, axis=0)
    drawn = process.displacements(np.random.default_rng(3), theta, 400)
    assert np.isfinite(drawn.astype(np.float32)).all()
    for parameter, values in zip(process.parameters, grid.values.values(), strict=True):
        assert values[0] < parameter.low
        assert values[-1] > parameter.high


def test_parameters_at_which_it_does_not_exist_are_refused(process: Process) -> None:
    for column, parameter in enumerate(process.parameters):
        bad = [np.nan, np.inf, *(end for end in (parameter.above, parameter.below) if np.isfinite(end))]
        for value in bad:
            theta = corners(process)
            theta[1, column] = value
            words = f"process {process.name}: {parameter.name} needs to be {parameter.allowed}, not {value:g}"
            with pytest.raises(SpivaeError) as refused:
                process.displacements(np.random.default_rng(0), theta, 5)
            assert str(refused.value) == words


def test_the_diffusivity_is_half_the_derivative_of_the_variance(process: Process) -> None:
    theta, t, h = corners(process), np.array([0.6, 1.5, 2.5, 33.3, 250.0]), 1e-4

    def variance(times: np.ndarray) -> np.ndarray:
        drift = 0 if process.mean(theta, 1) is None else process.mean(theta, 1) * times
        return process.msd(theta, times) - drift**2

    derivative = (variance(t + h) - variance(t - h)) / (4 * h)
    assert_allclose(
        process.diffusivity(theta, t), derivative, rtol=1e-5, atol=1e-7 * np.abs(derivative).max()
    )


@pytest.mark.parametrize("name", OTHERS)
def test_no_limit_is_known_where_displacements_are_not_gaussian(name: str) -> None:
    process = load_plugins().process(name)
    assert not has_limits(process)
    assert Expectations(process).memory is None
    assert Expectations(process).ea_msd(corners(process), np.arange(1, 4)) is None
    with pytest.raises(SpivaeError, match=f"no exact limit is known for {name}: "):
        limits(process, Grid.of(process), 40, 8, np.random.default_rng(0))


def test_parameters_are_told_with_what_they_are(process: Process) -> None:
    assert all(parameter.doc for parameter in process.parameters)
    assert all(parameter.above == 0 for parameter in process.parameters if parameter.scale == "log")
    latent = process.combinations(corners(process), 400)
    assert all(np.isfinite(values).all() for values in latent.values())
