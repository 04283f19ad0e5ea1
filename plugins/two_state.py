"""Two-state diffusion: Brownian motion that switches at random between a slow and a fast coefficient.

Grebenkov, Phys. Rev. E 99, 032133 (2019). The state of each step follows a Markov chain in equilibrium, so
that <x^2> grows linearly, and squares of displacements are correlated as (1 - p12 - p21)^lag.
"""

from __future__ import annotations

import numpy as np

from spivae.api import Array, Parameter, Process, hookimpl


class TwoState(Process):
    name = "two_state"
    title = "Two-state diffusion"
    parameters = (
        Parameter(
            "D",
            low=1e-5,
            high=1e-3,
            scale="log",
            points=6,
            unit="length²/time",
            doc="diffusion coefficient of the slow state",
            above=0,
        ),
        Parameter(
            "ratio",
            low=3.0,
            high=100.0,
            scale="log",
            points=5,
            symbol="D₂/D",
            doc="diffusion coefficient of the fast state over that of the slow one",
            above=0,
        ),
        Parameter(
            "p12",
            low=5e-3,
            high=0.2,
            scale="log",
            points=5,
            symbol="p₁₂",
            doc="probability to become fast, for each step",
            above=0,
            below=1,
        ),
        Parameter(
            "p21",
            low=5e-3,
            high=0.2,
            scale="log",
            points=5,
            symbol="p₂₁",
            doc="probability to become slow, for each step",
            above=0,
            below=1,
        ),
    )

    def displacements(self, rng: np.random.Generator, theta: Array, steps: int) -> Array:
        self.check(theta)
        d, ratio, p12, p21 = np.asarray(theta, dtype=float).T
        fast = np.empty((steps, len(d)), dtype=bool)
        chance = rng.random((steps, len(d)), dtype=np.float32)
        becomes = p12 / (p12 + p21)
        for step in range(steps):
            fast[step] = chance[step] < becomes
            becomes = np.where(fast[step], 1 - p21, p12)
        drawn = rng.standard_normal((len(d), steps), dtype=np.float32)
        drawn *= np.where(fast.T, np.sqrt(2 * d * ratio)[:, None], np.sqrt(2 * d)[:, None])
        return drawn

    def msd(self, theta: Array, t: Array) -> Array:
        return 2 * _mean_coefficient(theta)[:, None] * np.asarray(t, dtype=float)

    def diffusivity(self, theta: Array, t: Array) -> Array:
        return np.repeat(_mean_coefficient(theta)[:, None], len(t), axis=1)

    def combinations(self, theta: Array, length: int) -> dict[str, Array]:
        d, ratio, p12, p21 = np.asarray(theta, dtype=float).T
        return {
            "log D₂": np.log(d * ratio),
            "log <D>": np.log(_mean_coefficient(theta)),
            "p₁₂/(p₁₂+p₂₁)": p12 / (p12 + p21),
        }


def _mean_coefficient(theta: Array) -> Array:
    """<D> (n,): both coefficients, each weighted with the time that is spent at it."""
    d, ratio, p12, p21 = np.asarray(theta, dtype=float).T
    return d * (p21 + p12 * ratio) / (p12 + p21)


@hookimpl
def register_processes(register):  # type: ignore[no-untyped-def]
    register(TwoState())
