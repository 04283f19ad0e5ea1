"""Scaled Brownian motion: Brownian motion whose diffusion coefficient ages, D(t) = alpha D t^(alpha - 1).

Lim and Muniandy, Phys. Rev. E 66, 021114 (2002). Displacements are independent Gaussians.
"""

from __future__ import annotations

import numpy as np

from spivae.api import Array, Parameter, Process, fill_in_blocks, hookimpl, standard_normals


class ScaledBrownianMotion(Process):
    name = "sbm"
    title = "Scaled Brownian motion"
    parameters = (
        Parameter("alpha", low=0.2, high=1.8, points=21, symbol="α", doc="anomalous exponent"),
        Parameter(
            "D",
            low=1e-5,
            high=1e-2,
            scale="log",
            points=10,
            unit="length²/time^α",
            doc="generalised diffusion coefficient",
        ),
    )

    def displacements(self, rng: np.random.Generator, theta: Array, steps: int) -> Array:
        # powers are slow: one row for each run of equal parameters, not for each trajectory
        new = np.any(theta != np.roll(theta, 1, axis=0), axis=1)
        new[:1] = True
        run = np.cumsum(new) - 1
        scale = np.sqrt(self.covariance(theta[new], steps)).astype(np.float32)
        drawn = np.empty((len(theta), steps), dtype=np.float32)

        def fill(rng: np.random.Generator, rows: slice) -> None:
            noise = standard_normals(rng, len(drawn[rows]), steps)
            np.multiply(noise, scale[run[rows]], out=drawn[rows])

        fill_in_blocks(rng, len(theta), fill, at_once=512)
        return drawn

    def covariance(self, theta: Array, steps: int) -> Array:
        """Variances (n, steps): 2 D (t^alpha - (t - 1)^alpha)."""
        return np.diff(self.msd(theta, np.arange(steps + 1)), axis=1)

    def msd(self, theta: Array, t: Array) -> Array:
        alpha, d = _columns(theta)
        return 2 * d * np.asarray(t, dtype=float) ** alpha

    def diffusivity(self, theta: Array, t: Array) -> Array:
        alpha, d = _columns(theta)
        return alpha * d * np.asarray(t, dtype=float) ** (alpha - 1)

    def combinations(self, theta: Array, length: int) -> dict[str, Array]:
        alpha, d = np.asarray(theta, dtype=float).T
        return {
            "log(α D T^(α-1))": np.log(alpha * d * length ** (alpha - 1)),
            "log(α D T^(1-α))": np.log(alpha * d * length ** (1 - alpha)),
        }


def _columns(theta: Array) -> tuple[Array, Array]:
    theta = np.asarray(theta, dtype=float)
    return theta[:, :1], theta[:, 1:]


def sbm(length: int, alpha: float, sigma: float, rng: np.random.Generator) -> Array:
    """Displacements (length,) of one trajectory with D = sigma^2 / 2, as the seed's function of that name."""
    theta = np.array([[alpha, sigma**2 / 2]])
    return ScaledBrownianMotion().displacements(rng, theta, length)[0]


@hookimpl
def register_processes(register):  # type: ignore[no-untyped-def]
    register(ScaledBrownianMotion())
