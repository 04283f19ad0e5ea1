"""Fractional Brownian motion: Gaussian displacements with a memory that decays as a power of the lag.

Mandelbrot and Van Ness, SIAM Rev. 10, 422 (1968). Drawn exactly by circulant embedding (Davies and Harte,
Biometrika 74, 95 (1987)): a longer series with periodic covariance has the Fourier modes for eigenvectors,
and its eigenvalues are positive for every alpha (Craigmile, J. Time Ser. Anal. 24, 505 (2003)).
"""

from __future__ import annotations

import numpy as np

from spivae.api import Array, Parameter, Process, SpivaeError, fill_in_blocks, hookimpl, standard_normals

_ROWS = 128  # drawn at a time, so that the transforms stay in the cache


class FractionalBrownianMotion(Process):
    name = "fbm"
    title = "Fractional Brownian motion"
    parameters = (
        Parameter("alpha", low=0.2, high=1.8, points=21, symbol="α", doc="anomalous exponent, below 2"),
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
        alpha, d = _columns(theta)
        if not ((alpha > 0) & (alpha < 2)).all():
            raise SpivaeError("fractional Brownian motion: alpha needs to be above 0 and below 2")
        period = _period(steps)
        alphas, kind = np.unique(alpha, return_inverse=True)
        deviation, amplitude = _mode_deviation(alphas, period), np.sqrt(d).astype(np.float32)
        drawn = np.empty((len(alpha), steps), dtype=np.float32)

        def fill(rng: np.random.Generator, rows: slice) -> None:
            # fresh noise for each row: rows that share it would be copies of each other up to their D
            modes = _complex_normal(rng, deviation[kind.ravel()[rows]])
            drawn[rows] = np.fft.irfft(modes, period, axis=1)[:, :steps] * amplitude[rows]

        fill_in_blocks(rng, len(drawn), fill, at_once=_ROWS)
        return drawn

    def autocovariance(self, theta: Array, steps: int) -> Array:
        """(n, steps): D (|k+1|^alpha - 2 |k|^alpha + |k-1|^alpha) at lag k."""
        alpha, d = _columns(theta)
        return d * _autocovariance(alpha, steps)

    def msd(self, theta: Array, t: Array) -> Array:
        alpha, d = _columns(theta)
        return 2 * d * np.asarray(t, dtype=float) ** alpha

    def diffusivity(self, theta: Array, t: Array) -> Array:
        alpha, d = _columns(theta)
        return alpha * d * np.asarray(t, dtype=float) ** (alpha - 1)

    def combinations(self, theta: Array, length: int) -> dict[str, Array]:
        return {
            "log MSD(10)": np.log(self.msd(theta, np.array([10]))[:, 0]),
            "log MSD(T)": np.log(self.msd(theta, np.array([length]))[:, 0]),
        }


def _columns(theta: Array) -> tuple[Array, Array]:
    theta = np.asarray(theta, dtype=float)
    return theta[:, :1], theta[:, 1:]


def _autocovariance(alpha: Array, lags: int) -> Array:
    """Autocovariance (n, lags) of the displacements at lags 0, 1, ... for alpha (n, 1) and D = 1."""
    power = np.arange(lags + 1.0) ** alpha
    return np.concatenate([2 * power[:, 1:2], power[:, 2:] - 2 * power[:, 1:-1] + power[:, :-2]], axis=1)


def _period(steps: int) -> int:
    """The shortest even period >= 2 (steps - 1) without a prime factor above 5, fast to transform."""
    period = max(2, 2 * (steps - 1))
    while _without_small_factors(period) > 1:
        period += 2
    return period


def _without_small_factors(number: int) -> int:
    for factor in (2, 3, 5):
        while number % factor == 0:
            number //= factor
    return number


def _mode_deviation(alphas: Array, period: int) -> Array:
    """Standard deviations (n, period / 2 + 1) of the real and the imaginary part of the modes of a series."""
    half = _autocovariance(alphas[:, None], period // 2 + 1)
    eigenvalues = period * np.fft.irfft(half, period)[:, : period // 2 + 1]
    variance = np.maximum(eigenvalues, 0) * period / 2  # rounding may leave one a hair below 0
    variance[:, [0, -1]] *= 2  # these two modes are real, and `irfft` takes them so
    return np.sqrt(variance).astype(np.float32)


def _complex_normal(rng: np.random.Generator, deviation: Array) -> Array:
    """Complex normal numbers whose real and imaginary parts have these standard deviations (n, m)."""
    rows, modes = deviation.shape
    noise = standard_normals(rng, rows, 2 * modes)
    drawn = np.empty(deviation.shape, dtype=np.complex64)
    np.multiply(noise[:, :modes], deviation, out=drawn.real)
    np.multiply(noise[:, modes:], deviation, out=drawn.imag)
    return drawn


@hookimpl
def register_processes(register):  # type: ignore[no-untyped-def]
    register(FractionalBrownianMotion())
