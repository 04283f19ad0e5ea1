"""The true law of a process, as a model's losses are compared with it."""

import numpy as np

from spivae.dataset import Grid, simulate_grid
from spivae.evaluation.exact import Exact
from spivae_plugins.fbm import FractionalBrownianMotion
from spivae_plugins.sbm import ScaledBrownianMotion

GRID = Grid({"alpha": [0.5, 1.5], "D": [1e-4, 1e-3]})


def test_of_independent_steps_it_is_the_normal_density() -> None:
    process = ScaledBrownianMotion()
    exact = Exact(process, GRID, 60, given=10, window=10)
    dataset = simulate_grid(process, GRID, 3, 60, np.random.default_rng(0))
    variance = process.covariance(dataset.theta, 60)[:, 10:]
    x = dataset.displacements[:, 0, 10:].astype(float)
    np.testing.assert_allclose(
        exact.nll(dataset), (0.5 * np.log(2 * np.pi * variance) + x**2 / (2 * variance)).mean(1)
    )
    np.testing.assert_allclose(exact.entropy, exact.window_entropy)


def test_its_expectation_is_the_entropy_of_each_cell() -> None:
    process = FractionalBrownianMotion()
    exact = Exact(process, GRID, 60, given=10, window=10)
    found = exact.nll(simulate_grid(process, GRID, 400, 60, np.random.default_rng(0))).reshape(4, 400)
    z = (found.mean(1) - exact.entropy) / (found.std(1) / 20)
    assert np.abs(z).max() < 4
    # the far past tells something of FBM, so a window leaves more unknown
    assert (exact.window_entropy > exact.entropy + 1e-5).all()
