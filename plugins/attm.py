"""Annealed transient time motion: a diffusion coefficient drawn anew after a time that depends on it.

Massignan et al., Phys. Rev. Lett. 112, 150603 (2014). The coefficient is D u^(1/s) with u uniform in (0, 1),
and is kept for the time u^(-1/alpha): the slower, the longer. It is Brownian motion all the while, so that
<x^2> is the mean time integral of twice the coefficient, which solves the renewal equation.
"""

from __future__ import annotations

import numpy as np

from spivae.api import Array, Parameter, Process, hookimpl, pareto_waits, renewal_mean, straight_flights

_S = 0.2  # slow coefficients have the density D^(s - 1); below alpha = 1 / (1 / s + 1) it would be normal


class AnnealedTransientTime(Process):
    name = "attm"
    title = "Annealed transient time motion"
    parameters = (
        Parameter(
            "alpha",
            low=0.2,
            high=0.9,
            points=15,
            symbol="α",
            doc="anomalous exponent: that of the times for which a coefficient is kept",
            above=_S / (1 + _S),
            below=1,
        ),
        Parameter(
            "D",
            low=1e-3,
            high=1.0,
            scale="log",
            points=10,
            unit="length²/time",
            doc="largest diffusion coefficient, kept for one step",
            above=0,
        ),
    )

    def displacements(self, rng: np.random.Generator, theta: Array, steps: int) -> Array:
        self.check(theta)
        alpha, d = _columns(theta)

        def coefficient(rows: Array, number: Array, duration: Array) -> Array:
            return duration ** (-alpha[rows, 0] / _S)

        # the integral of the coefficient over each step
        drawn = straight_flights(pareto_waits(rng, alpha[:, 0]), coefficient, len(alpha), steps)
        drawn *= 2 * d
        np.sqrt(drawn, out=drawn)
        drawn *= rng.standard_normal(drawn.shape, dtype=np.float32)
        return drawn

    def msd(self, theta: Array, t: Array) -> Array:
        alpha, d = _columns(theta)
        return 2 * d * renewal_mean(alpha[:, 0], _spread, t)

    def diffusivity(self, theta: Array, t: Array) -> Array:
        alpha, d = _columns(theta)
        return d * renewal_mean(alpha[:, 0], _spreading, t)

    def combinations(self, theta: Array, length: int) -> dict[str, Array]:
        alpha, d = np.asarray(theta, dtype=float).T
        return {
            "log(D T^α)": np.log(d * length**alpha),
            "log(D T^(α-1))": np.log(d * length ** (alpha - 1)),
        }


def _columns(theta: Array) -> tuple[Array, Array]:
    theta = np.asarray(theta, dtype=float)
    return theta[:, :1], theta[:, 1:]


def _spreading(alpha: float, t: Array) -> Array:
    """<w^-c; w > t>: the mean of a coefficient w^-c, c = alpha / s, while it is kept; w is for how long."""
    c = alpha / _S
    return alpha / (alpha + c) * np.maximum(t, 1) ** (-alpha - c)


def _spread(alpha: float, t: Array) -> Array:
    """Its integral from 0 to t."""
    c = alpha / _S
    return (
        alpha / (alpha + c) * (np.minimum(t, 1) + (1 - np.maximum(t, 1) ** (1 - alpha - c)) / (alpha + c - 1))
    )


@hookimpl
def register_processes(register):  # type: ignore[no-untyped-def]
    register(AnnealedTransientTime())
