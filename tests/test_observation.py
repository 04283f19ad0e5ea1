"""Localisation noise and motion blur against Berglund's formulas and a shutter that is simulated finely."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from spivae.errors import SpivaeError
from spivae.estimators import Expectations
from spivae.grids import training_grid
from spivae.limits import cramer_rao, entropies, has_limits
from spivae.observation import Observed, observed, observed_as
from spivae.process import Process
from spivae_plugins.bm import BrownianMotion
from spivae_plugins.ctrw import ContinuousTimeRandomWalk
from spivae_plugins.fbm import FractionalBrownianMotion
from spivae_plugins.ou import OrnsteinUhlenbeck
from spivae_plugins.sbm import ScaledBrownianMotion

BM, RNG = BrownianMotion(), np.random.default_rng
SEEN = pytest.mark.parametrize(("noise", "blur"), [(0.3, 0.0), (0.0, 1.0), (0.3, 0.4)])


def errors_away(x: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Sample covariances of Gaussian displacements (n, L), in standard errors from theory."""
    found = x.T @ x / len(x)
    spread = np.outer(wanted.diagonal(), wanted.diagonal()) + wanted**2
    return np.abs(found - wanted) / np.sqrt(spread / len(x))


@SEEN
def test_brownian_motion_is_seen_as_berglund_says(noise: float, blur: float) -> None:
    d, steps = 0.5, 12
    seen = Observed(BM, noise, blur)
    neighbours = d * blur / 3 - noise**2
    wanted = (2 * d * (1 - blur / 3) + 2 * noise**2) * np.eye(steps)
    wanted += neighbours * (np.eye(steps, k=1) + np.eye(steps, k=-1))
    assert_allclose(seen.covariance(np.array([[0.0, d]]), steps)[0], wanted, atol=1e-14)
    x = seen.displacements(RNG(1), np.tile([0.0, d], (20_000, 1)), steps).astype(float)
    assert errors_away(x, wanted).max() < 5


@pytest.mark.parametrize("blur", [0.4, 1.0])
def test_it_is_what_a_shutter_sees(blur: float) -> None:
    """Positions averaged over 100 moments of each exposure: the mean has the law that is drawn."""
    n, frames, parts, d, u = 10_000, 6, 100, 0.5, 0.4
    theta = np.tile([u / np.sqrt(parts), d / parts], (n, 1))
    fine = np.cumsum(BM.displacements(RNG(2), theta, (frames + 1) * parts), axis=1, dtype=float)
    opened = round(blur * parts)
    # mean over the moments in the middle of the parts
    middle = (fine - np.diff(fine, axis=1, prepend=0) / 2).reshape(n, frames + 1, parts)
    x = np.diff(middle[:, :, :opened].mean(axis=2), axis=1)
    seen, theta = Observed(BM, 0.0, blur), np.array([[u, d]])
    drift = seen.mean(theta, frames)[0]
    assert_allclose(drift, u * np.sqrt(2 * d))
    assert (np.abs(x.mean(axis=0) - drift) / (x.std(axis=0) / np.sqrt(n))).max() < 5
    assert errors_away(x - drift, seen.covariance(theta, frames)[0]).max() < 5


@SEEN
@pytest.mark.parametrize("process", [OrnsteinUhlenbeck(), FractionalBrownianMotion(), ScaledBrownianMotion()])
def test_the_covariance_is_that_of_what_is_drawn(process: Process, noise: float, blur: float) -> None:
    theta, steps = np.array([[0.4, 0.5]]), 10
    seen = Observed(process, noise, blur)
    x = seen.displacements(RNG(3), np.tile(theta, (20_000, 1)), steps).astype(float)
    wanted = seen.covariance(theta, steps)[0]
    assert errors_away(x, wanted).max() < 5
    t = np.arange(steps + 1)
    squares = [wanted[:k, :k].sum() for k in t]
    assert_allclose(seen.msd(theta, t)[0], squares, rtol=1e-9, atol=1e-14)


def test_the_mean_square_between_frames_is_on_the_line_that_brownian_motion_has() -> None:
    theta, t = np.array([[0.3, 0.5], [0.0, 2.0]]), np.array([1.0, 2.5, 7.0])
    d, v = theta[:, 1:], theta[:, :1] * np.sqrt(2 * theta[:, 1:])
    wanted = 2 * d * (t - 0.6 / 3) + 2 * 0.1**2 + (v * t) ** 2
    whole = [0, 2]
    found = Observed(BM, 0.1, 0.6).msd(theta, t)
    assert_allclose(found[:, whole], wanted[:, whole])
    assert_allclose(found[1], wanted[1])
    assert Observed(BM, 0.1, 0.6).msd(theta, np.array([0.0])).tolist() == [[0.0], [0.0]]


def test_noise_on_a_walk_that_rests_fills_the_zeros() -> None:
    walk, theta, t = ContinuousTimeRandomWalk(), np.tile([0.3, 1.0], (5000, 1)), np.array([0, 1, 20])
    seen = Observed(walk, 0.01)
    x = seen.displacements(RNG(4), theta, 20)
    assert (x != 0).all()
    assert_allclose(seen.msd(theta[:1], t), walk.msd(theta[:1], t) + np.array([0, 2e-4, 2e-4]))
    squares = np.cumsum(x, axis=1)[:, t[1:] - 1] ** 2
    away = (squares.mean(axis=0) - seen.msd(theta[:1], t[1:])[0]) / (squares.std(axis=0) / np.sqrt(5000))
    assert np.abs(away).max() < 5
    assert not has_limits(seen)
    assert Observed(walk, 0.0, 0.5).msd(theta, t) is None
    assert Expectations(seen).memory is None


def test_limits_hold_with_the_noise() -> None:
    theta = np.array([[0.0, 0.5]])
    seen = Observed(BM, 1.0)
    assert has_limits(seen)
    assert Expectations(seen).memory == "stationary"
    assert_allclose(Expectations(seen).correlation(theta, np.array([0, 1, 2])), [[1, -1 / 3, 0]])
    # a moving average: what the whole past leaves to know of a step has the variance v with v + 1 / v = 3
    variance = np.exp(2 * entropies(seen, theta, 400, first=100)[0]) / (2 * np.pi * np.e)
    assert_allclose(variance, (3 + np.sqrt(5)) / 2, rtol=1e-6)
    assert cramer_rao(seen, theta, 100)[0, 1] > 1.2 * cramer_rao(BM, theta, 100)[0, 1]


def test_what_the_process_tells_of_itself_stays() -> None:
    seen = Observed(OrnsteinUhlenbeck(), 0.1, 0.5)
    assert seen.name == "ou"
    assert seen.title == "Diffusion in a harmonic trap, noise 0.1, blur 0.5"
    assert seen.names == ("k", "D")
    theta = np.array([[0.1, 1.0]])
    assert_allclose(seen.combinations(theta, 100)["log D/k"], np.log(10))
    assert seen.mean(theta, 5) is None
    assert seen.diffusivity(theta, np.array([1.0])) is None
    assert_allclose(Observed(BM, 0.1).diffusivity(np.array([[0, 2.0]]), np.array([1.0])), [[2.0]])


@SEEN
@pytest.mark.parametrize(("n", "steps"), [(0, 3), (1, 1), (2, 30)])
def test_any_number_of_rows_and_steps(noise: float, blur: float, n: int, steps: int) -> None:
    seen, theta = Observed(BM, noise, blur), np.tile([0.1, 1.0], (n, 1))
    x = seen.displacements(RNG(0), theta, steps)
    assert x.shape == (n, steps)
    assert x.dtype == np.float32
    assert_array_equal(x, seen.displacements(RNG(0), theta, steps))
    assert seen.covariance(theta, steps).shape == (n, steps, steps)
    assert seen.msd(theta, np.arange(steps)).shape == (n, steps)


def test_where_nothing_disturbs_the_process_is_itself() -> None:
    assert observed(BM) is BM
    assert observed_as(BM, {"model": "bm"}) is BM
    seen = observed_as(BM, {"observation": {"noise": 0.1, "blur": 0.2}})
    assert isinstance(seen, Observed)
    assert (seen.noise, seen.blur) == (0.1, 0.2)


@pytest.mark.parametrize(
    ("noise", "blur", "words"),
    [
        (-0.1, 0.0, "noise: needs at least 0, not -0.1"),
        (np.inf, 0.0, "noise: needs at least 0, not inf"),
        (np.nan, 0.0, "noise: needs at least 0, not nan"),
        (0.0, 1.1, "blur: needs a fraction between 0 and 1, not 1.1"),
        (0.0, np.nan, "blur: needs a fraction between 0 and 1, not nan"),
    ],
)
def test_noise_and_blur_that_cannot_be_are_refused(noise: float, blur: float, words: str) -> None:
    with pytest.raises(SpivaeError, match=f"^{words}$"):
        Observed(BM, noise, blur)


@pytest.mark.parametrize("kept", [{"noise": "1"}, {"noise": True}, 0.1, [0.1, 0.2]])
def test_a_checkpoint_that_keeps_no_numbers_is_told(kept: object) -> None:
    with pytest.raises(SpivaeError, match=r"^checkpoint: ds_args.observation: needs numbers noise and blur"):
        observed_as(BM, {"observation": kept})


@pytest.fixture(scope="module")
def noisy_checkpoint(tiny_recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of a model of SBM that was seen with noise and blur."""
    from spivae.training import recipe as recipes
    from spivae.training.loop import train
    from spivae.training.run import Run

    changes = {
        "observation.noise": "0.02",
        "observation.blur": "0.5",
        "training.phase": "[{epochs = 1}]",
    }
    recipe = recipes.with_overrides(recipes.load(tiny_recipe), changes)
    run = Run.create(tmp_path_factory.mktemp("runs"), recipe)
    train(run, ScaledBrownianMotion(), threads=1)
    return run.path / "checkpoints" / "final.safetensors"


def test_a_checkpoint_keeps_how_its_trajectories_were_seen(noisy_checkpoint: Path) -> None:
    from spivae.checkpoint import read_header

    header = read_header(noisy_checkpoint)
    assert header.process == "sbm"
    assert header.ds_args["observation"] == {"noise": 0.02, "blur": 0.5}
    assert header.recipe["observation"] == {"noise": 0.02, "blur": 0.5}


def test_analyses_and_evaluation_see_as_the_training_did(noisy_checkpoint: Path) -> None:
    from spivae.analysis import DataOptions
    from spivae.checkpoint import read_header
    from spivae.cli.evaluate import checkpoint_process
    from spivae.plugins import load_plugins
    from spivae.worker.session import Session

    plugins = load_plugins()
    prepared = Session(plugins).prepare(noisy_checkpoint, DataOptions(per_cell=40), needs=("dataset",))
    assert isinstance(prepared.process, Observed)
    grid = training_grid(prepared.process, prepared.checkpoint.ds_args)
    chosen = [values[0] for values in grid.values.values()]
    x = prepared.dataset.displacements[(prepared.dataset.theta == chosen).all(axis=1), 0]
    assert len(x) == 40
    wanted = prepared.process.covariance(np.array([chosen]), x.shape[1])[0]
    assert_allclose((x**2).mean(), wanted.diagonal().mean(), rtol=0.1)
    assert_allclose((x[:, 1:] * x[:, :-1]).mean(), wanted.diagonal(1).mean(), rtol=0.2)
    assert wanted.diagonal(1).mean() < -0.9 * 0.02**2  # nearly all of it is the noise
    header = read_header(noisy_checkpoint)
    assert isinstance(checkpoint_process(header, plugins, None), Observed)
    assert checkpoint_process(header, plugins, "fbm").name == "fbm"


def test_a_recipe_tells_which_of_its_numbers_cannot_be() -> None:
    from spivae.training import recipe as recipes

    with pytest.raises(
        SpivaeError, match=r"^recipe: observation.blur: needs a fraction between 0 and 1, not 2$"
    ):
        recipes.parse({"observation": {"blur": 2.0}})
    with pytest.raises(SpivaeError, match=r"^recipe: observation.noise: needs at least 0, not -1$"):
        recipes.parse({"observation": {"noise": -1.0}})
