"""Brownian motion with drift: independent Gaussian displacements v + sqrt(2 D) xi.

The drift is told in units of the steps' standard deviation, u = v / sqrt(2 D): that is what decides how well
it can be seen, at every D alike.
"""

from __future__ import annotations

import numpy as np

from spivae.api import Array, Parameter, Process, hookimpl


class BrownianMotion(Process):
    name = "bm"
    title = "Brownian motion with drift"
    parameters = (
        Parameter("u", low=-1.0, high=1.0, points=21, doc="drift of one step over its standard deviation"),
        Parameter(
            "D",
            low=1e-5,
            high=1e-2,
            scale="log",
            points=10,
            unit="length²/time",
            doc="diffusion coefficient",
            above=0,
        ),
    )

    def displacements(self, rng: np.random.Generator, theta: Array, steps: int) -> Array:
        self.check(theta)
        u, d = _columns(theta)
        drawn = rng.standard_normal((len(u), steps), dtype=np.float32)
        drawn += u.astype(np.float32)
        drawn *= np.sqrt(2 * d).astype(np.float32)
        return drawn

    def covariance(self, theta: Array, steps: int) -> Array:
        """Variances (n, steps): 2 D."""
        _, d = _columns(theta)
        return np.repeat(2 * d, steps, axis=1)

    def autocovariance(self, theta: Array, steps: int) -> Array:
        """(n, steps): 2 D at lag 0, and nothing at others."""
        _, d = _columns(theta)
        return 2 * d * (np.arange(steps) == 0)

    def mean(self, theta: Array, steps: int) -> Array:
        """The drift v of every step, (n, steps)."""
        return np.repeat(_velocity(theta), steps, axis=1)

    def msd(self, theta: Array, t: Array) -> Array:
        _, d = _columns(theta)
        t = np.asarray(t, dtype=float)
        return 2 * d * t + (_velocity(theta) * t) ** 2

    def diffusivity(self, theta: Array, t: Array) -> Array:
        """D at all times: the drift moves trajectories, but does not spread them."""
        _, d = _columns(theta)
        return np.repeat(d, len(t), axis=1)

    def combinations(self, theta: Array, length: int) -> dict[str, Array]:
        return {"v": _velocity(theta)[:, 0]}


def _columns(theta: Array) -> tuple[Array, Array]:
    theta = np.asarray(theta, dtype=float)
    return theta[:, :1], theta[:, 1:]


def _velocity(theta: Array) -> Array:
    u, d = _columns(theta)
    return u * np.sqrt(2 * d)


@hookimpl
def register_processes(register):  # type: ignore[no-untyped-def]
    register(BrownianMotion())
