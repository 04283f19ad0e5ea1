"""Continuous-time random walk: rests of all lengths, with a jump at the end of each.

Montroll and Weiss, J. Math. Phys. 6, 167 (1965); Metzler and Klafter, Phys. Rep. 339, 1 (2000). Rests last
at least one step, with P(rest > t) = t^-alpha, and the first begins at time 0; jumps are Gaussian. The mean
number of jumps solves the renewal equation: at observed times it is far from its asymptote, c t^alpha.
"""

from __future__ import annotations

import numpy as np

from spivae.api import Array, Parameter, Process, hookimpl, pareto_waits, renewal_mean, renewal_sums


class ContinuousTimeRandomWalk(Process):
    name = "ctrw"
    title = "Continuous-time random walk"
    parameters = (
        Parameter(
            "alpha",
            low=0.2,
            high=0.95,
            points=16,
            symbol="α",
            doc="anomalous exponent: that of the rests",
            above=0,
            below=1,
        ),
        Parameter(
            "sigma",
            low=1e-2,
            high=1.0,
            scale="log",
            points=10,
            symbol="σ",
            unit="length",
            doc="standard deviation of a jump",
            above=0,
        ),
    )

    def displacements(self, rng: np.random.Generator, theta: Array, steps: int) -> Array:
        self.check(theta)
        alpha, sigma = _columns(theta)

        def jumps(rows: Array) -> Array:
            return sigma[rows, 0] * rng.standard_normal(len(rows))

        return renewal_sums(pareto_waits(rng, alpha[:, 0]), jumps, len(alpha), steps)

    def msd(self, theta: Array, t: Array) -> Array:
        """sigma^2 times the mean number of jumps."""
        alpha, sigma = _columns(theta)
        return sigma**2 * renewal_mean(alpha[:, 0], _ended, t)

    def diffusivity(self, theta: Array, t: Array) -> Array:
        """sigma^2 / 2 times the rate of jumps."""
        alpha, sigma = _columns(theta)
        return sigma**2 / 2 * renewal_mean(alpha[:, 0], _ending, t)

    def combinations(self, theta: Array, length: int) -> dict[str, Array]:
        alpha, sigma = np.asarray(theta, dtype=float).T
        return {
            "log(σ² T^α)": np.log(sigma**2 * length**alpha),
            "log(σ² T^(α-1))": np.log(sigma**2 * length ** (alpha - 1)),
        }


def _columns(theta: Array) -> tuple[Array, Array]:
    theta = np.asarray(theta, dtype=float)
    return theta[:, :1], theta[:, 1:]


def _ended(alpha: float, t: Array) -> Array:
    """The probability that the first rest has ended by time t."""
    return 1 - np.maximum(t, 1) ** -alpha


def _ending(alpha: float, t: Array) -> Array:
    """Its density."""
    return np.where(t < 1, 0, alpha * np.maximum(t, 1) ** (-1 - alpha))


@hookimpl
def register_processes(register):  # type: ignore[no-untyped-def]
    register(ContinuousTimeRandomWalk())
