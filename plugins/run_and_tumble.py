"""Run and tumble: straight runs at constant speed, each the reverse of the one before, and diffusion.

Tailleur and Cates, Phys. Rev. Lett. 100, 218103 (2008). Runs last for exponential times, the first in either
direction, so that displacements are stationary: <v(0) v(t)> = v^2 exp(-2 l t).
"""

from __future__ import annotations

import numpy as np

from spivae.api import Array, Parameter, Process, exponential_waits, hookimpl, straight_flights


class RunAndTumble(Process):
    name = "run_and_tumble"
    title = "Run and tumble"
    parameters = (
        Parameter(
            "l",
            low=1e-2,
            high=0.5,
            scale="log",
            points=8,
            symbol="λ",
            unit="1/time",
            doc="rate of reversals",
            above=0,
        ),
        Parameter("v", low=1e-2, high=1.0, scale="log", points=7, unit="length/time", doc="speed", above=0),
        Parameter(
            "D",
            low=1e-5,
            high=1e-2,
            scale="log",
            points=7,
            unit="length²/time",
            doc="diffusion coefficient",
            above=0,
        ),
    )

    def displacements(self, rng: np.random.Generator, theta: Array, steps: int) -> Array:
        self.check(theta)
        rate, v, d = _columns(theta)
        first = v[:, 0] * rng.choice((-1.0, 1.0), len(v))

        def velocity(rows: Array, number: Array, duration: Array) -> Array:
            return first[rows] * (1 - 2 * (number % 2))

        drawn = straight_flights(exponential_waits(rng, rate[:, 0]), velocity, len(v), steps)
        noise = rng.standard_normal(drawn.shape, dtype=np.float32)
        noise *= np.sqrt(2 * d).astype(np.float32)
        drawn += noise
        return drawn

    def msd(self, theta: Array, t: Array) -> Array:
        rate, v, d = _columns(theta)
        t = np.asarray(t, dtype=float)
        return v**2 / rate * (t + np.expm1(-2 * rate * t) / (2 * rate)) + 2 * d * t

    def diffusivity(self, theta: Array, t: Array) -> Array:
        rate, v, d = _columns(theta)
        return d - v**2 / (2 * rate) * np.expm1(-2 * rate * np.asarray(t, dtype=float))

    def combinations(self, theta: Array, length: int) -> dict[str, Array]:
        rate, v, d = np.asarray(theta, dtype=float).T
        return {
            "log MSD(1)": np.log(self.msd(theta, np.array([1.0]))[:, 0]),
            "log(D + v²/2λ)": np.log(d + v**2 / (2 * rate)),
            "log(v²/λD)": np.log(v**2 / (rate * d)),
        }


def _columns(theta: Array) -> tuple[Array, Array, Array]:
    theta = np.asarray(theta, dtype=float)
    return theta[:, :1], theta[:, 1:2], theta[:, 2:]


@hookimpl
def register_processes(register):  # type: ignore[no-untyped-def]
    register(RunAndTumble())
