"""Lévy walk: flights of all lengths at constant speed, each in a direction of its own.

Zaburdaev, Denisov and Klafter, Rev. Mod. Phys. 87, 483 (2015). Flights last at least one step, with
P(flight > t) = t^-(3 - alpha), and the first begins at time 0: <x^2> grows as t^alpha, between diffusion and
straight motion.
"""

from __future__ import annotations

import numpy as np

from spivae.api import Array, Parameter, Process, hookimpl, pareto_waits, renewal_mean, straight_flights


class LevyWalk(Process):
    name = "lw"
    title = "Lévy walk"
    parameters = (
        Parameter(
            "alpha", low=1.1, high=1.9, points=17, symbol="α", doc="anomalous exponent", above=1, below=2
        ),
        Parameter("v", low=1e-2, high=1.0, scale="log", points=10, unit="length/time", doc="speed", above=0),
    )

    def displacements(self, rng: np.random.Generator, theta: Array, steps: int) -> Array:
        self.check(theta)
        alpha, v = _columns(theta)

        def velocity(rows: Array, number: Array, duration: Array) -> Array:
            return v[rows, 0] * rng.choice((-1.0, 1.0), len(rows))

        return straight_flights(pareto_waits(rng, 3 - alpha[:, 0]), velocity, len(alpha), steps)

    def msd(self, theta: Array, t: Array) -> Array:
        """Flights are independent: their squares add up, as the renewal equation says."""
        alpha, v = _columns(theta)
        return v**2 * renewal_mean(3 - alpha[:, 0], _flown, t)

    def diffusivity(self, theta: Array, t: Array) -> Array:
        alpha, v = _columns(theta)
        return v**2 / 2 * renewal_mean(3 - alpha[:, 0], _flying, t)

    def combinations(self, theta: Array, length: int) -> dict[str, Array]:
        alpha, v = np.asarray(theta, dtype=float).T
        return {"log(v² T^α)": np.log(v**2 * length**alpha)}


def _columns(theta: Array) -> tuple[Array, Array]:
    theta = np.asarray(theta, dtype=float)
    return theta[:, :1], theta[:, 1:]


def _flown(exponent: float, t: Array) -> Array:
    """<min(w, t)^2> of a flight's duration w: at unit speed, the square of its length until time t."""
    late = np.maximum(t, 1)
    grown = (2 * late ** (2 - exponent) - exponent) / (2 - exponent)
    return np.where(t < 1, t**2, grown)


def _flying(exponent: float, t: Array) -> Array:
    """Its derivative: 2 t P(w > t)."""
    return 2 * t * np.maximum(t, 1) ** -exponent


@hookimpl
def register_processes(register):  # type: ignore[no-untyped-def]
    register(LevyWalk())
