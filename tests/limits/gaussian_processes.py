"""Gaussian processes with one, two and three parameters, with and without an amplitude."""

from __future__ import annotations

import numpy as np

from spivae.process import Array, Parameter, Process
from spivae_plugins.bm import BrownianMotion
from spivae_plugins.fbm import FractionalBrownianMotion
from spivae_plugins.ou import OrnsteinUhlenbeck
from spivae_plugins.sbm import ScaledBrownianMotion

SBM, FBM = ScaledBrownianMotion(), FractionalBrownianMotion()
BM, OU = BrownianMotion(), OrnsteinUhlenbeck()


class Gaussian(Process):
    """Displacements drawn from mean and covariance themselves."""

    def displacements(self, rng: np.random.Generator, theta: Array, steps: int) -> Array:
        theta = np.asarray(theta, dtype=float)
        covariance, noise = self.covariance(theta, steps), rng.standard_normal((len(theta), steps))
        if covariance.ndim == 2:
            drawn = np.sqrt(covariance) * noise
        else:
            drawn = np.einsum("nij,nj->ni", np.linalg.cholesky(covariance), noise)
        mean = self.mean(theta, steps)
        return drawn if mean is None else drawn + mean


class Shift(Gaussian):
    """Steps of variance 1 around a mean: one parameter, no amplitude."""

    name = "shift"
    parameters = (Parameter("m", low=-1.0, high=1.0, points=5),)

    def covariance(self, theta: Array, steps: int) -> Array:
        return np.ones((len(theta), steps))

    def mean(self, theta: Array, steps: int) -> Array:
        return np.repeat(np.asarray(theta, dtype=float), steps, axis=1)


class Scale(Gaussian):
    """Steps of variance s: one parameter, an amplitude."""

    name = "scale"
    parameters = (Parameter("s", low=1e-2, high=1e2, scale="log", points=5),)

    def covariance(self, theta: Array, steps: int) -> Array:
        return np.repeat(np.asarray(theta, dtype=float), steps, axis=1)


class Localised(Gaussian):
    """Brownian motion seen with an error of variance e: two log scales, and neither is an amplitude."""

    name = "localised"
    parameters = (
        Parameter("D", low=1e-2, high=1.0, scale="log", points=4),
        Parameter("e", low=1e-2, high=1.0, scale="log", points=3),
    )

    def covariance(self, theta: Array, steps: int) -> Array:
        d, e = np.asarray(theta, dtype=float).T[..., None, None]
        return 2 * (d + e) * np.eye(steps) - e * (np.eye(steps, k=1) + np.eye(steps, k=-1))


class Aged(Gaussian):
    """Fractional steps that grow with time and drift: three parameters, neither stationary nor centred."""

    name = "aged"
    parameters = (
        Parameter("alpha", low=0.4, high=1.6, points=3),
        Parameter("u", low=-0.5, high=0.5, points=3),
        Parameter("D", low=0.1, high=10.0, scale="log", points=4),
    )

    def covariance(self, theta: Array, steps: int) -> Array:
        theta = np.asarray(theta, dtype=float)
        growth = np.arange(1.0, steps + 1) ** 0.3
        return FBM.covariance(theta[:, [0, 2]], steps) * np.outer(growth, growth)

    def mean(self, theta: Array, steps: int) -> Array:
        theta = np.asarray(theta, dtype=float)
        return theta[:, 1:2] * np.sqrt(theta[:, 2:]) * np.cos(np.arange(steps))


class Unknown(Gaussian):
    """No covariance: nothing is known."""

    name = "unknown"
    parameters = (Parameter("a", low=1.0, high=2.0),)

    def covariance(self, theta: Array, steps: int) -> None:
        return None


SHIFT, SCALE, LOCALISED, AGED, UNKNOWN = Shift(), Scale(), Localised(), Aged(), Unknown()
ALL = (SBM, FBM, BM, OU, SHIFT, SCALE, LOCALISED, AGED)


def uniform(process: Process, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Parameters (n, p) uniform in their ranges on their own scales; as they are, and on those scales."""
    scaled = np.stack(
        [rng.uniform(*p.to_scale(np.array([p.low, p.high])), n) for p in process.parameters], axis=1
    )
    columns = [p.from_scale(column) for p, column in zip(process.parameters, scaled.T, strict=True)]
    return np.stack(columns, axis=1), scaled


def moments(process: Process, row: Array, steps: int) -> tuple[Array, Array]:
    """Mean (steps,) and covariance matrix (steps, steps) at one row of parameters."""
    covariance, mean = process.covariance(row[None], steps)[0], process.mean(row[None], steps)
    matrix = np.diag(covariance) if covariance.ndim == 1 else covariance
    return np.zeros(steps) if mean is None else mean[0], matrix
