"""Ornstein-Uhlenbeck process: diffusion in a harmonic trap, in equilibrium from the start.

Uhlenbeck and Ornstein, Phys. Rev. 36, 823 (1930). Positions are x(t + 1) = rho x(t) + noise with
rho = exp(-k), exact at any k; x(0) is drawn from the equilibrium N(0, D / k).
"""

from __future__ import annotations

import numpy as np

from spivae.api import Array, Parameter, Process, autoregressive, hookimpl


class OrnsteinUhlenbeck(Process):
    name = "ou"
    title = "Diffusion in a harmonic trap"
    parameters = (
        Parameter(
            "k",
            low=1e-2,
            high=1.0,
            scale="log",
            points=11,
            unit="1/time",
            doc="stiffness of the trap",
            above=0,
        ),
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
        k, d = _columns(theta)
        noise = rng.standard_normal((len(k), steps + 1), dtype=np.float32)
        noise[:, 1:] *= np.sqrt(-np.expm1(-2 * k)).astype(np.float32)
        position = autoregressive(noise, np.exp(-k).astype(np.float32))
        # not the difference of two positions: in a soft trap they are far larger than a step
        drawn = noise[:, 1:] + np.expm1(-k).astype(np.float32) * position[:, :-1]
        drawn *= np.sqrt(d / k).astype(np.float32)
        return drawn

    def autocovariance(self, theta: Array, steps: int) -> Array:
        """(n, steps): (2 D / k) (1 - rho) at lag 0, and -(D / k) (1 - rho)^2 rho^(lag - 1) at others."""
        k, d = _columns(theta)
        away = -np.expm1(-k)
        lags = np.arange(steps, dtype=float)
        found = -d / k * away**2 * np.exp(-k * (lags - 1))
        found[:, :1] = 2 * d / k * away
        return found

    def msd(self, theta: Array, t: Array) -> Array:
        k, d = _columns(theta)
        return -2 * d / k * np.expm1(-k * np.asarray(t, dtype=float))

    def diffusivity(self, theta: Array, t: Array) -> Array:
        k, d = _columns(theta)
        return d * np.exp(-k * np.asarray(t, dtype=float))

    def combinations(self, theta: Array, length: int) -> dict[str, Array]:
        k, d = np.asarray(theta, dtype=float).T
        return {"log D/k": np.log(d / k), "log MSD(1)": np.log(self.msd(theta, np.array([1]))[:, 0])}


def _columns(theta: Array) -> tuple[Array, Array]:
    theta = np.asarray(theta, dtype=float)
    return theta[:, :1], theta[:, 1:]


@hookimpl
def register_processes(register):  # type: ignore[no-untyped-def]
    register(OrnsteinUhlenbeck())
