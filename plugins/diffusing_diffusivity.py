"""Diffusing diffusivity: Brownian motion whose diffusion coefficient wanders, yet <x^2> grows linearly.

Chechkin, Seno, Metzler and Sokolov, Phys. Rev. X 7, 021002 (2017). The coefficient of a step is D y^2, with y
an Ornstein-Uhlenbeck process of unit variance in equilibrium that forgets in the time tau; it is constant
during a step. A displacement has a kurtosis of 9 at all tau; over times far beyond tau it falls to 3.
"""

from __future__ import annotations

import numpy as np

from spivae.api import Array, Parameter, Process, autoregressive, hookimpl


class DiffusingDiffusivity(Process):
    name = "diffusing_diffusivity"
    title = "Diffusing diffusivity"
    parameters = (
        Parameter(
            "tau",
            low=1.0,
            high=100.0,
            scale="log",
            points=11,
            symbol="τ",
            unit="time",
            doc="for how long the diffusion coefficient is remembered",
            above=0,
        ),
        Parameter(
            "D",
            low=1e-5,
            high=1e-2,
            scale="log",
            points=10,
            unit="length²/time",
            doc="mean diffusion coefficient",
            above=0,
        ),
    )

    def displacements(self, rng: np.random.Generator, theta: Array, steps: int) -> Array:
        self.check(theta)
        tau, d = _columns(theta)
        root = rng.standard_normal((len(tau), steps), dtype=np.float32)
        root[:, 1:] *= np.sqrt(-np.expm1(-2 / tau)).astype(np.float32)
        root = autoregressive(root, np.exp(-1 / tau).astype(np.float32))
        root *= np.sqrt(2 * d).astype(np.float32)
        root *= rng.standard_normal(root.shape, dtype=np.float32)
        return root

    def msd(self, theta: Array, t: Array) -> Array:
        return 2 * _columns(theta)[1] * np.asarray(t, dtype=float)

    def diffusivity(self, theta: Array, t: Array) -> Array:
        return np.repeat(_columns(theta)[1], len(t), axis=1)


def _columns(theta: Array) -> tuple[Array, Array]:
    theta = np.asarray(theta, dtype=float)
    return theta[:, :1], theta[:, 1:]


@hookimpl
def register_processes(register):  # type: ignore[no-untyped-def]
    register(DiffusingDiffusivity())
