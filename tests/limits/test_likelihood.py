"""Likelihoods against the textbook formula of the multivariate normal density."""

from __future__ import annotations

import numpy as np
import pytest
from gaussian_processes import (
    AGED,
    ALL,
    BM,
    FBM,
    LOCALISED,
    OU,
    SBM,
    SCALE,
    SHIFT,
    UNKNOWN,
    Scale,
    moments,
    uniform,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from spivae.errors import SpivaeError
from spivae.limits import conditional_log_likelihood, gaussian, has_limits, log_likelihood
from spivae.limits import moments as checked
from spivae.limits.shapes import amplitude, shapes_of
from spivae.process import Array, Process


def density(process: Process, x: Array, row: Array) -> float:
    """ln p of one trajectory (L,)."""
    mean, covariance = moments(process, row, len(x))
    sign, log_det = np.linalg.slogdet(2 * np.pi * covariance)
    assert sign == 1
    return -0.5 * (log_det + (x - mean) @ np.linalg.solve(covariance, x - mean))


@pytest.mark.parametrize("process", ALL, ids=lambda process: process.name)
@settings(max_examples=15, deadline=None)
@given(n=st.integers(1, 5), steps=st.integers(1, 90), given_steps=st.integers(0, 89), seed=st.integers(0, 99))
def test_it_is_the_normal_density(process: Process, n: int, steps: int, given_steps: int, seed: int) -> None:
    rng, first = np.random.default_rng(seed), given_steps % steps
    theta, _ = uniform(process, n, rng)
    x = process.displacements(rng, theta, steps).astype(float)
    cells, _ = uniform(process, 3, rng)
    whole = np.array([[density(process, row, cell) for cell in cells] for row in x])
    before = np.array([[density(process, row[:first], cell) for cell in cells] for row in x])
    assert_allclose(log_likelihood(process, x, cells), whole, rtol=1e-8, atol=1e-7)
    assert_allclose(log_likelihood(process, x, cells, first), whole - before, rtol=1e-7, atol=1e-6)
    own = [
        density(process, *pair) - density(process, pair[0][:first], pair[1])
        for pair in zip(x, theta, strict=True)
    ]
    assert_allclose(conditional_log_likelihood(process, x, theta, first), own, rtol=1e-7, atol=1e-6)


def test_rows_of_equal_parameters_are_told_apart_in_any_order() -> None:
    rng = np.random.default_rng(0)
    cells = np.array([[0.4, 1e-4], [0.4, 1e-2], [1.6, 1e-4]])
    theta = cells[rng.integers(0, 3, 40)]
    x = FBM.displacements(rng, theta, 30)
    own = [density(FBM, *pair) for pair in zip(x.astype(float), theta, strict=True)]
    assert_allclose(conditional_log_likelihood(FBM, x, theta, 0), own, rtol=1e-9)


@pytest.mark.parametrize("process", [SBM, AGED], ids=lambda process: process.name)
def test_parts_of_any_size_give_the_same(process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    theta, _ = uniform(process, 23, rng)
    x = process.displacements(rng, theta, 20)
    at_once = log_likelihood(process, x, theta[:7]), conditional_log_likelihood(process, x, theta, 5)
    for module in (gaussian, checked):
        monkeypatch.setattr(module, "AT_ONCE", 61)
    assert_allclose(log_likelihood(process, x, theta[:7]), at_once[0], rtol=1e-12)
    assert_allclose(conditional_log_likelihood(process, x, theta, 5), at_once[1], rtol=1e-12)


@pytest.mark.parametrize(
    ("process", "column"),
    [(SBM, 1), (FBM, 1), (BM, 1), (OU, 1), (SHIFT, None), (SCALE, 0), (LOCALISED, None), (AGED, 2)],
    ids=lambda value: getattr(value, "name", value),
)
def test_an_amplitude_is_found_where_there_is_one(process: Process, column: int | None) -> None:
    assert amplitude(process, 12) == column


def test_a_mean_that_does_not_follow_the_scale_is_no_amplitude() -> None:
    class Biased(Scale):
        def mean(self, theta: Array, steps: int) -> Array:
            return np.ones((len(theta), steps))

    assert amplitude(Biased(), 12) is None


def test_an_amplitude_saves_factorisations() -> None:
    shapes = shapes_of(FBM, np.array([[0.4, 1e-4], [1.6, 1e-4], [0.4, 1e-2], [0.4, 1.0]]), 10)
    assert len(shapes.rows) == 2
    assert_allclose(np.exp(shapes.log_scale), [10, 10, 1e3, 1e5])


def test_no_trajectories_have_no_likelihoods() -> None:
    assert log_likelihood(SBM, np.empty((0, 5)), np.array([[1.0, 1.0]])).shape == (0, 1)
    assert conditional_log_likelihood(SBM, np.empty((0, 5)), np.empty((0, 2)), 1).shape == (0,)


def test_only_a_covariance_makes_limits_known() -> None:
    assert all(has_limits(process) for process in ALL)
    assert not has_limits(UNKNOWN)


X, CELLS = np.ones((2, 5)), np.array([[1.0, 1.0]])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: log_likelihood(UNKNOWN, X, CELLS[:, :1]),
            "no exact limit is known for unknown: that takes Gauss",
        ),
        (
            lambda: conditional_log_likelihood(UNKNOWN, X, CELLS[:, :1], 0),
            "no exact limit is known for unknown",
        ),
        (lambda: log_likelihood(SBM, X[0], CELLS), r"displacements: need shape \(n, steps\), not \(5,\)"),
        (lambda: log_likelihood(SBM, X * np.nan, CELLS), "displacements: hold values that are not finite"),
        (
            lambda: log_likelihood(SBM, X, CELLS[:, :1]),
            r"parameters of sbm: need shape \(n, 2\), not \(1, 1\)",
        ),
        (lambda: log_likelihood(SBM, X, CELLS[:0]), "needs at least one row of parameters"),
        (lambda: log_likelihood(SBM, X, -CELLS), "parameter D: needs to be above 0, not -1"),
        (
            lambda: log_likelihood(SBM, X, np.array([[np.nan, 1.0]])),
            "parameter alpha: needs to be finite, not nan",
        ),
        (lambda: log_likelihood(SBM, X, CELLS, 5), "of 5 steps, 5 are given: needs 0 to 4"),
        (lambda: conditional_log_likelihood(SBM, X, CELLS, 0), "2 trajectories, but 1 rows of parameters"),
        (lambda: conditional_log_likelihood(SBM, X, CELLS[[0, 0]], -1), "of 5 steps, -1 are given"),
        (
            lambda: log_likelihood(SBM, X, np.array([[0.0, 1.0]])),
            "process sbm: its covariance is not positive definite at alpha=0, D=1",
        ),
    ],
)
def test_bad_input_is_named(call, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(SpivaeError, match=message):
        call()


def test_a_process_with_a_wrong_shape_is_named() -> None:
    class Wrong(Scale):
        name = "wrong"

        def covariance(self, theta: Array, steps: int) -> Array:
            return np.ones(steps)

    with pytest.raises(SpivaeError, match=r"process wrong: its covariance has shape \(5,\), not one of"):
        log_likelihood(Wrong(), X, CELLS[:, :1])

    class WrongMean(Scale):
        name = "wrong"

        def mean(self, theta: Array, steps: int) -> Array:
            return np.ones(steps)

    with pytest.raises(SpivaeError, match=r"process wrong: its mean has shape \(5,\), not \(2, 5\)"):
        log_likelihood(WrongMean(), X, CELLS[:, :1])
