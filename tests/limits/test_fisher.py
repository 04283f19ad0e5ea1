"""Fisher information against published figures, closed forms, and the variance of the score."""

from __future__ import annotations

import numpy as np
import pytest
from gaussian_processes import AGED, BM, FBM, LOCALISED, OU, SBM, SCALE, SHIFT, UNKNOWN
from numpy.testing import assert_allclose

from spivae.errors import SpivaeError
from spivae.limits import cramer_rao, fisher_information, log_likelihood
from spivae.process import Process

ALPHAS = np.array([0.2, 0.6, 1.0, 1.4, 1.8])


@pytest.mark.parametrize(
    ("process", "alpha", "ln_d"),
    [
        (SBM, [0.0658, 0.0701, 0.0709, 0.0712, 0.0714], [0.660, 0.472, 0.431, 0.412, 0.402]),
        (FBM, [0.0364, 0.0556, 0.0624, 0.0647, 0.0621], [0.080, 0.075, 0.071, 0.087, 0.271]),
    ],
    ids=["sbm", "fbm"],
)
def test_the_bounds_of_399_steps_have_the_known_digits(
    process: Process, alpha: list[float], ln_d: list[float]
) -> None:
    found = cramer_rao(process, np.stack([ALPHAS, np.full(5, 1e-3)], axis=1), 399)
    assert_allclose(found[:, 0], alpha, rtol=0, atol=0.51e-4)
    assert_allclose(found[:, 1], ln_d, rtol=0, atol=0.56e-3)  # .43045 is known as .431


def test_brownian_motion_among_scaled_ones_has_a_closed_form() -> None:
    t = np.arange(1.0, 400.0)
    growth = np.diff(np.concatenate([[0.0], t * np.log(t)]))  # d ln(variance) / d alpha at alpha = 1
    wanted = np.array([[growth @ growth, growth.sum()], [growth.sum(), len(t)]]) / 2
    assert_allclose(fisher_information(SBM, np.array([[1.0, 1e-3]]), 399)[0], wanted, rtol=1e-8)


def test_alpha_and_d_of_sbm_can_hardly_be_told_apart() -> None:
    covariance = np.linalg.inv(fisher_information(SBM, np.array([[1.0, 1e-3]]), 399)[0])
    assert covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1]) == pytest.approx(-0.99, abs=0.005)


def test_closed_forms_are_met() -> None:
    steps, u = 50, np.array([-1.0, 0.0, 0.5])
    found = fisher_information(BM, np.stack([u, [1e-5, 1e-3, 1.0]], axis=1), steps)
    wanted = steps * np.stack([np.array([[1, k / 2], [k / 2, 0.5 + k**2 / 4]]) for k in u])
    assert_allclose(found, wanted, rtol=1e-8, atol=1e-8)
    assert_allclose(cramer_rao(SCALE, np.array([[0.3]]), 8), [[np.sqrt(2 / 8)]])
    assert_allclose(cramer_rao(SHIFT, np.array([[0.3]]), 16), [[1 / 4]])


def test_the_amplitude_does_not_matter_but_the_shape_does() -> None:
    found = fisher_information(OU, np.array([[0.1, 1e-5], [0.1, 1.0], [0.5, 1.0]]), 60)
    assert_allclose(found[0], found[1], rtol=1e-9)
    assert not np.allclose(found[1], found[2], rtol=0.1)


@pytest.mark.parametrize("process", [OU, LOCALISED, AGED], ids=lambda process: process.name)
def test_it_is_the_variance_of_the_score(process: Process) -> None:
    n, steps, h = 2000, 20, 1e-4
    row = np.array([p.from_scale(np.mean(p.to_scale(np.array([p.low, p.high])))) for p in process.parameters])
    row[0] *= 1.1
    x = process.displacements(np.random.default_rng(8), np.tile(row, (n, 1)), steps)
    near = np.tile(row, (2 * len(row), 1))
    for k, p in enumerate(process.parameters):
        near[[2 * k, 2 * k + 1], k] = p.from_scale(p.to_scale(row[k]) + np.array([h, -h]))
    found = log_likelihood(process, x, near)
    score = (found[:, ::2] - found[:, 1::2]) / (2 * h)
    products = np.einsum("ni,nj->nij", score, score)
    error = products.std(axis=0) / np.sqrt(n)
    assert (
        np.abs(products.mean(axis=0) - fisher_information(process, row[None], steps)[0]) < 5 * error
    ).all()
    assert (np.abs(score.mean(axis=0)) < 5 * score.std(axis=0) / np.sqrt(n)).all()


def test_more_steps_tell_more() -> None:
    theta = np.array([[0.5, 1e-3]])
    bounds = np.array([cramer_rao(FBM, theta, steps)[0] for steps in (10, 40, 160)])
    assert (np.diff(bounds, axis=0) < 0).all()


def test_what_trajectories_do_not_tell_has_no_bound() -> None:
    found = cramer_rao(SBM, np.array([[0.5, 1e-3]]), 1)  # the first step is 2 D, whatever alpha
    assert found[0, 0] == np.inf
    assert found[0, 1] == pytest.approx(np.sqrt(2))


def test_bad_input_is_named() -> None:
    with pytest.raises(SpivaeError, match="no exact limit is known for unknown"):
        cramer_rao(UNKNOWN, np.array([[1.0]]), 5)
    with pytest.raises(SpivaeError, match="of 0 steps"):
        fisher_information(SBM, np.array([[1.0, 1.0]]), 0)
