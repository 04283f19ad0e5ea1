"""How positions are seen: with a localisation error, and averaged over the exposure of each frame.

Berglund, Phys. Rev. E 82, 011917 (2010). The exposure begins at each frame and lasts for a fraction f of
the time to the next one. The mean position in it is taken as (1 - w) x(t) + w x(t + 1), a point between the
positions at two frames, with w (1 - w) = f / 6. For Brownian motion, with drift or without, displacements
then have exactly the law of means over the exposure: with the noise s, variances 2 D (1 - f / 3) + 2 s^2, and
covariances D f / 3 - s^2 of neighbours and 0 of others. For other processes, it takes their path between two
frames for Brownian.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from spivae.errors import SpivaeError
from spivae.process import Array, Process

KEPT = "observation"  # where a checkpoint keeps noise and blur among the arguments of its data


class Observed(Process):
    """A process whose positions are seen with the localisation noise `noise`, and a motion blur `blur`.

    `noise` is the standard deviation of each position's Gaussian error, in units of the displacements;
    `blur` is the fraction of the time between frames for which the shutter is open, from 0 to 1. Parameters
    are those of the process itself. What is known of that is known of this one too, but not the diffusivity
    with blur, nor the MSD with blur where there is no covariance. Raises SpivaeError for noise or blur that
    cannot be.
    """

    def __init__(self, process: Process, noise: float = 0.0, blur: float = 0.0) -> None:
        check_observation(noise, blur)
        self.process, self.noise, self.blur = process, noise, blur
        self.name, self.parameters = process.name, process.parameters
        told = [f"noise {noise:g}"] * (noise > 0) + [f"blur {blur:g}"] * (blur > 0)
        self.title = ", ".join([process.title or process.name, *told])
        self._w = (1 - math.sqrt(1 - 2 * blur / 3)) / 2

    def displacements(self, rng: np.random.Generator, theta: Array, steps: int) -> Array:
        drawn = self.process.displacements(rng, theta, steps + (self.blur > 0))
        if self.blur:
            drawn = (1 - self._w) * drawn[:, :-1] + self._w * drawn[:, 1:]
        if self.noise:
            error = rng.standard_normal((len(drawn), steps + 1), dtype=np.float32)
            drawn = drawn + self.noise * np.diff(error, axis=1)
        return drawn

    def covariance(self, theta: Array, steps: int) -> Array | None:
        """Matrices (n, steps, steps): those of the process between two frames, and of the noise."""
        inner = self.process.covariance(theta, steps + (self.blur > 0))
        if inner is None:
            return None
        if inner.ndim == 2:
            inner = inner[:, :, None] * np.eye(inner.shape[1])
        if self.blur:
            w = self._w
            inner = (1 - w) * inner[:, :-1] + w * inner[:, 1:]
            inner = (1 - w) * inner[:, :, :-1] + w * inner[:, :, 1:]
        beside = np.eye(steps, k=1) + np.eye(steps, k=-1)
        return np.asarray(inner + self.noise**2 * (2 * np.eye(steps) - beside))

    def autocovariance(self, theta: Array, steps: int) -> Array | None:
        inner = self.process.autocovariance(theta, steps + 1)
        if inner is None:
            return None
        w = self._w
        before = np.concatenate([inner[:, 1:2], inner[:, :-2]], axis=1)  # at lag -1 as at lag 1
        seen = (1 - 2 * w * (1 - w)) * inner[:, :-1] + w * (1 - w) * (before + inner[:, 1:])
        seen[:, :1] += 2 * self.noise**2
        seen[:, 1:2] -= self.noise**2
        return np.asarray(seen)

    def mean(self, theta: Array, steps: int) -> Array | None:
        inner = self.process.mean(theta, steps + (self.blur > 0))
        if inner is None or not self.blur:
            return inner
        return np.asarray((1 - self._w) * inner[:, :-1] + self._w * inner[:, 1:])

    def msd(self, theta: Array, t: Array) -> Array | None:
        """Between the seen positions; that of blurred ones at whole times, and between them on a line."""
        t = np.asarray(t, dtype=float)
        if self.blur:
            return self._summed(theta, t)
        inner = self.process.msd(theta, t)
        return None if inner is None else np.asarray(inner + np.where(t > 0, 2 * self.noise**2, 0))

    def _summed(self, theta: Array, t: Array) -> Array | None:
        """The MSD (n, len(t)) as the sum of covariances, one row at a time: each may be a square matrix."""
        steps = max(1, math.ceil(t.max(initial=1.0)))
        out = np.empty((len(theta), len(t)))
        for k, row in enumerate(np.asarray(theta, dtype=float)):
            spread, mean = self._position_variance(row[None], steps), self.mean(row[None], steps)
            if spread is None:
                return None
            msd = np.zeros(steps + 1)
            msd[1:] = spread
            if mean is not None:
                msd[1:] += np.cumsum(mean[0]) ** 2
            out[k] = np.interp(t, np.arange(steps + 1), msd)
        return out

    def _position_variance(self, theta: Array, steps: int) -> Array | None:
        """That of the position (steps,) at times 1, 2, ..., for one row of parameters."""
        stationary = self.autocovariance(theta, steps)
        if stationary is not None:
            return np.asarray(np.cumsum(2 * np.cumsum(stationary[0]) - stationary[0, 0]))
        matrix = self.covariance(theta, steps)
        return None if matrix is None else np.cumsum(np.cumsum(matrix[0], axis=0), axis=1).diagonal()

    def diffusivity(self, theta: Array, t: Array) -> Array | None:
        """That of the process itself: noise adds a constant to the variance of positions."""
        return None if self.blur else self.process.diffusivity(theta, t)

    def combinations(self, theta: Array, length: int) -> dict[str, Array]:
        return self.process.combinations(theta, length)


def check_observation(noise: float, blur: float) -> None:
    """Raise SpivaeError, with the name first, for a noise below 0 or a blur that is no fraction."""
    if not 0 <= noise < math.inf:
        raise SpivaeError(f"noise: needs at least 0, not {noise:g}")
    if not 0 <= blur <= 1:
        raise SpivaeError(f"blur: needs a fraction between 0 and 1, not {blur:g}")


def observed(process: Process, noise: float = 0.0, blur: float = 0.0) -> Process:
    """The process as it is seen: itself, where there is neither noise nor blur."""
    return Observed(process, noise, blur) if noise or blur else process


def observed_as(process: Process, ds_args: Mapping[str, Any]) -> Process:
    """The process as a model was trained to see it, from what its checkpoint keeps of the data.

    Raises SpivaeError where that is no noise or blur.
    """
    kept = ds_args.get(KEPT, {})
    if not isinstance(kept, Mapping) or not all(type(value) in (int, float) for value in kept.values()):
        raise SpivaeError(f"checkpoint: ds_args.{KEPT}: needs numbers noise and blur, not {kept!r}")
    return observed(process, kept.get("noise", 0.0), kept.get("blur", 0.0))
