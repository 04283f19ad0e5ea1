"""Geometric Brownian motion: S(t) = s exp(sigma W(t) - sigma^2 t / 2), which on average stays at s.

Black and Scholes, J. Polit. Econ. 81, 637 (1973). A trajectory is S(t) - s.
"""

from statistics import NormalDist

import numpy as np

from spivae.api import Parameter, Process, SpivaeError, hookimpl


class GeometricBrownianMotion(Process):
    name = "gbm"
    title = "Geometric Brownian motion"
    heavy_tails = True  # the log-normal: its quantiles are tested, its moments would need too many samples
    parameters = (
        Parameter(
            "sigma", low=0.01, high=0.1, scale="log", points=5, symbol="σ", doc="volatility of one step"
        ),
        Parameter("s", low=0.1, high=10.0, scale="log", points=4, doc="where it begins"),
    )

    def displacements(self, rng, theta, steps):
        if not (theta > 0).all():
            raise SpivaeError("geometric Brownian motion: sigma and s need to be above 0")
        sigma, start = theta[:, :1], theta[:, 1:]
        log = np.cumsum(sigma * rng.standard_normal((len(theta), steps)) - sigma**2 / 2, axis=1)
        return np.diff(start * np.exp(log), axis=1, prepend=start)

    def msd(self, theta, t):
        return theta[:, 1:] ** 2 * np.expm1(theta[:, :1] ** 2 * np.asarray(t, dtype=float))

    def diffusivity(self, theta, t):
        variance = theta[:, :1] ** 2
        return theta[:, 1:] ** 2 * variance * np.exp(variance * np.asarray(t, dtype=float)) / 2

    def quantiles(self, theta, t, levels):
        sigma, start, t = theta[:, :1, None], theta[:, 1:, None], np.asarray(t, dtype=float)[:, None]
        normal = np.array([NormalDist().inv_cdf(level) for level in levels])
        return start * np.expm1(sigma * np.sqrt(t) * normal - sigma**2 * t / 2)

    def combinations(self, theta, length):
        return {"log(σ s)": np.log(theta[:, 0] * theta[:, 1])}


@hookimpl
def register_processes(register):
    register(GeometricBrownianMotion())
