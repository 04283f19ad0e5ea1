"""Checks of a process against its own theory, in standard errors of fixed samples.

Each takes the process, points of its parameters (k, p), and a function that draws displacements.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from spivae.conformance.checking import Broken, NotApplicable, require
from spivae.process import Array, Process

Draw = Callable[[Process, Array, int, int], Array]
STEPS, EACH = 64, 10_000  # of a trajectory; trajectories at each point
FEW_STEPS, EACH_COVARIANCE = 12, 10_000
MOST_ERRORS = 5.0  # standard errors: one in two million by chance
ROUNDING = 1e-4  # relative, of displacements in single precision
RARE = 30  # effective number of trajectories, below which a standard error says nothing
LEVELS = np.array([0.1, 0.25, 0.5, 0.75, 0.9])


def lags_of(steps: int) -> Array:
    """Whole times from 1 to `steps`, evenly spread in their logarithm."""
    return np.unique(np.round(np.geomspace(1, steps, 9)).astype(int))


def told(process: Process, theta: Array) -> str:
    return ", ".join(f"{name} = {value:.3g}" for name, value in zip(process.names, theta, strict=True))


def positions(process: Process, points: Array, draw: Draw, lags: Array) -> Array:
    """Positions (EACH, k, lags) of trajectories whose rows take turns in the points."""
    drawn = draw(process, np.tile(points, (EACH, 1)), STEPS, 11)
    # a running sum in place: many points need much memory
    reached = np.cumsum(drawn, axis=1, dtype=np.float64)[:, lags - 1]
    return reached.reshape(EACH, len(points), len(lags))


def shapes_of_theory(process: Process, points: Array, draw: Draw) -> str:
    """What the optional methods give, for whole times and for times between."""
    n, given, known = len(points), points.copy(), []
    for t in (np.arange(1, 6), np.array([0.5, 1.5, 40.0])):
        for name, value in (("msd", process.msd(points, t)), ("diffusivity", process.diffusivity(points, t))):
            if value is not None:
                known.append(name)
                _check_array(name, value, (n, len(t)))
                require((np.asarray(value) >= 0).all() or name == "diffusivity", f"{name}: below 0")
    mean, covariance = process.mean(points, 5), process.covariance(points, 5)
    if mean is not None:
        known.append("mean")
        _check_array("mean", mean, (n, 5))
        require(covariance is not None, "has a mean, which belongs to a covariance, but none of those")
    if covariance is not None:
        known.append("covariance")
        _check_array("covariance", covariance, (n, 5), (n, 5, 5))
    combinations = process.combinations(points, STEPS)
    for name, value in combinations.items():
        _check_array(f"combination {name!r}", value, (n,))
    require(np.array_equal(points, given), "theory changes theta")
    words = [*dict.fromkeys(known), *(["combinations"] if combinations else [])]
    return ", ".join(words) if words else "none"


def _check_array(name: str, value: object, *shapes: tuple[int, ...]) -> None:
    require(isinstance(value, np.ndarray), f"{name}: gave {type(value).__name__}, not an array or None")
    array = np.asarray(value)
    require(array.shape in shapes, f"{name}: has shape {array.shape}, not {' or '.join(map(str, shapes))}")
    require(np.isfinite(array).all(), f"{name}: is not finite in the range of the parameters")


def moments(process: Process, points: Array, draw: Draw) -> str:
    """Mean squared displacements from the start against `msd`."""
    lags = lags_of(STEPS)
    expected = process.msd(points, lags)
    if expected is None:
        raise NotApplicable("has no msd")
    if process.heavy_tails:
        raise NotApplicable("declares heavy tails: quantiles are tested instead")
    squares = positions(process, points, draw, lags) ** 2
    mean, error = squares.mean(axis=0), squares.std(axis=0) / np.sqrt(EACH)
    fourth = (squares**2).sum(axis=0)
    counted = np.divide(squares.sum(axis=0) ** 2, fourth, out=np.zeros_like(mean), where=fourth > 0)
    tested = counted >= RARE
    require(tested.any(), "hardly any trajectory moves")
    away = np.abs(mean - expected) - ROUNDING * np.abs(expected)
    z = np.where(tested, away / np.where(error > 0, error, 1), 0)
    k, lag = np.unravel_index(int(np.argmax(z)), z.shape)
    require(
        z[k, lag] < MOST_ERRORS,
        f"<x^2> at t = {lags[lag]} and {told(process, points[k])} is {mean[k, lag]:.4g}, but msd says "
        f"{expected[k, lag]:.4g}: {z[k, lag]:.0f} standard errors",
    )
    return f"|z| <= {max(z.max(), 0):.1f} at {tested.sum()} points and lags"


def quantiles(process: Process, points: Array, draw: Draw) -> str:
    """The fractions of trajectories below `quantiles`."""
    lags = lags_of(STEPS)
    expected = process.quantiles(points, lags, LEVELS)
    if expected is None:
        require(
            not process.heavy_tails, "declares heavy tails: it needs quantiles(theta, t, levels) to be tested"
        )
        raise NotApplicable("has no quantiles")
    _check_array("quantiles", expected, (len(points), len(lags), len(LEVELS)))
    reached = positions(process, points, draw, lags)
    below = (reached[..., None] < expected).mean(axis=0)
    z = np.abs(below - LEVELS) / np.sqrt(LEVELS * (1 - LEVELS) / EACH)
    k, lag, level = np.unravel_index(int(np.argmax(z)), z.shape)
    require(
        z[k, lag, level] < MOST_ERRORS,
        f"{below[k, lag, level]:.1%} of the positions at t = {lags[lag]} and {told(process, points[k])} are "
        f"below their quantile {LEVELS[level]:.0%}: {z[k, lag, level]:.0f} standard errors",
    )
    return f"|z| <= {z.max():.1f} at {z.size} points, lags and levels"


def diffusivity(process: Process, points: Array, draw: Draw) -> str:
    """The integral of `diffusivity` between whole times against half the growth of the variance.

    The variance is `msd` without the square of the mean position. Whole times, because a process that moves
    at whole times may have no other `msd`.
    """
    lags = np.concatenate([np.arange(1, 5), np.array([8, 16, 32, 64])])
    msd = process.msd(points, lags)
    if msd is None or process.diffusivity(points, lags) is None:
        raise NotApplicable("has no msd, or no diffusivity")
    mean = process.mean(points, int(lags[-1]))
    drift = np.zeros_like(msd) if mean is None else np.cumsum(mean, axis=1)[:, lags - 1]
    growth = np.diff(msd - drift**2, axis=1) / 2
    nodes, weights = np.polynomial.legendre.leggauss(24)
    half = np.diff(lags) / 2
    times = (lags[:-1] + half)[:, None] + half[:, None] * nodes
    values = process.diffusivity(points, times.ravel())
    require(values is not None, "diffusivity: None for some times, values for others")
    integral = (np.reshape(np.asarray(values), (len(points), *times.shape)) * weights).sum(axis=-1) * half
    scale = np.abs(growth) + 1e-6 * np.abs(msd[:, 1:]) / 2
    off = np.abs(integral - growth) / np.where(scale > 0, scale, 1)
    k, lag = np.unravel_index(int(np.argmax(off)), off.shape)
    require(
        off[k, lag] < 1e-2,
        f"between t = {lags[lag]} and {lags[lag + 1]} at {told(process, points[k])} diffusivity adds up to "
        f"{integral[k, lag]:.4g}, but half the growth of the variance is {growth[k, lag]:.4g}",
    )
    return f"within {off.max():.1g}"


def covariance_and_msd(process: Process, points: Array, draw: Draw) -> str:
    """The two say the same."""
    lags = np.arange(1, FEW_STEPS + 1)
    matrices, mean = _gaussian(process, points)
    msd = process.msd(points, lags)
    if msd is None:
        raise NotApplicable("has no msd")
    variance = np.array([[matrix[:t, :t].sum() for t in lags] for matrix in matrices])
    summed = variance + np.cumsum(mean, axis=1) ** 2
    off = np.abs(summed - msd) / np.where(msd > 0, msd, 1)
    k, lag = np.unravel_index(int(np.argmax(off)), off.shape)
    require(
        off[k, lag] < 1e-6,
        f"at t = {lags[lag]} and {told(process, points[k])} covariance and mean add up to "
        f"{summed[k, lag]:.6g}, but msd says {msd[k, lag]:.6g}",
    )
    return f"within {off.max():.1g}"


def covariance(process: Process, points: Array, draw: Draw) -> str:
    """Mean, covariance and fourth moments of samples: those of a Gaussian with this covariance."""
    matrices, means = _gaussian(process, points)
    stationary = process.autocovariance(points, FEW_STEPS)
    require(
        stationary is None or np.allclose(stationary, matrices[:, 0], rtol=1e-9, atol=1e-12 * matrices.max()),
        "autocovariance is not the first row of covariance",
    )
    drawn = draw(process, np.tile(points, (EACH_COVARIANCE, 1)), FEW_STEPS, 13).astype(np.float64)
    drawn = drawn.reshape(EACH_COVARIANCE, len(points), FEW_STEPS)
    worst = 0.0
    for k, (matrix, mean) in enumerate(zip(matrices, means, strict=True)):
        variance = np.diag(matrix)
        try:
            factor = np.linalg.cholesky(matrix)
        except np.linalg.LinAlgError:
            raise Broken(f"covariance at {told(process, points[k])} is not positive definite") from None
        away = drawn[:, k] - mean
        sample = away.T @ away / EACH_COVARIANCE
        white = np.linalg.solve(factor, away.T)
        looked_at = {
            "mean": np.abs(away.mean(axis=0)) / np.sqrt(variance / EACH_COVARIANCE),
            "covariance": np.abs(sample - matrix)
            / np.sqrt((np.outer(variance, variance) + matrix**2) / EACH_COVARIANCE),
            "fourth moment (of a Gaussian)": np.abs((white**4).mean() - 3) / np.sqrt(96 / white.size),
        }
        for name, z in looked_at.items():
            worst = max(worst, float(np.max(z)))
            require(
                np.max(z) < MOST_ERRORS,
                f"the samples' {name} at {told(process, points[k])} is {np.max(z):.0f} standard errors away",
            )
    return f"|z| <= {worst:.1f}"


def _gaussian(process: Process, points: Array) -> tuple[Array, Array]:
    """Covariance matrices and means of the displacements at each point."""
    found = process.covariance(points, FEW_STEPS)
    if found is None:
        raise NotApplicable("has no covariance")
    if found.ndim == 2:
        found = found[:, :, None] * np.eye(FEW_STEPS)
    mean = process.mean(points, FEW_STEPS)
    return found, np.zeros((len(points), FEW_STEPS)) if mean is None else mean


THEORY: dict[str, Callable[[Process, Array, Draw], str]] = {
    "shapes of theory": shapes_of_theory,
    "moments and msd": moments,
    "quantiles": quantiles,
    "diffusivity and msd": diffusivity,
    "covariance and msd": covariance_and_msd,
    "covariance of samples": covariance,
}
