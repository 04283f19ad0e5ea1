"""What a stochastic process is: named parameters, and displacements drawn from them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from spivae.errors import SpivaeError

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Parameter:
    """One parameter of a process, and the range and grid that models of it are trained on.

    The process exists at values above `above` and below `below`; training takes those from `low` to `high`.
    """

    name: str
    low: float
    high: float
    scale: Literal["linear", "log"] = "linear"
    points: int = 10
    symbol: str = ""
    unit: str = ""
    doc: str = ""
    above: float = -math.inf
    below: float = math.inf

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise ValueError(f"parameter {self.name}: low {self.low} is not below high {self.high}")
        if self.scale == "log" and self.low <= 0:
            raise ValueError(f"parameter {self.name}: a log scale needs low > 0, not {self.low}")
        if not (self.above < self.low and self.high < self.below):
            raise ValueError(f"parameter {self.name}: {self.low} to {self.high} is not {self.allowed}")

    @property
    def allowed(self) -> str:
        """The values at which the process exists, in words."""
        bounds = [f"above {self.above:g}"] if self.above > -math.inf else []
        bounds += [f"below {self.below:g}"] if self.below < math.inf else []
        return " and ".join(bounds) or "finite"

    def admits(self, values: Array | float) -> Array:
        """At which of the values the process exists."""
        return np.asarray(np.greater(values, self.above) & np.less(values, self.below))

    @property
    def label(self) -> str:
        """The symbol for axes, or the name where there is none."""
        return self.symbol or self.name

    def grid(self, points: int | None = None) -> Array:
        """Values (points,) from low to high, evenly spaced on the parameter's scale."""
        space = np.geomspace if self.scale == "log" else np.linspace
        return np.asarray(space(self.low, self.high, points or self.points))

    def to_scale(self, values: Array | float) -> Array:
        """Values on the parameter's own scale: their logarithm (ln) where that is log."""
        return np.log(values) if self.scale == "log" else np.asarray(values, dtype=float)

    def from_scale(self, values: Array | float) -> Array:
        """The inverse of `to_scale`."""
        return np.exp(values) if self.scale == "log" else np.asarray(values, dtype=float)


class Process:
    """A stochastic process on a line, sampled at t = 0, 1, 2, ... (dt = 1).

    A subclass names itself and its parameters and implements `displacements`. The other methods are
    optional: each returns None where the process has no closed form, and what needs it is then left out.
    Everywhere `theta` is an array (n, p) with one row of parameters a trajectory, in the order of
    `parameters`.
    """

    name: str = ""
    title: str = ""
    parameters: tuple[Parameter, ...] = ()
    heavy_tails: bool = False  # moments of samples converge too slowly to be tested: `quantiles` are instead

    def displacements(self, rng: np.random.Generator, theta: Array, steps: int) -> Array:
        """Displacements (n, steps): x(t) - x(t - 1) for t = 1..steps, one row for each row of theta."""
        raise NotImplementedError(f"{type(self).__name__} does not implement displacements")

    def msd(self, theta: Array, t: Array) -> Array | None:
        """Ensemble-averaged mean squared displacement (n, len(t)) from the start to times t."""
        return None

    def quantiles(self, theta: Array, t: Array, levels: Array) -> Array | None:
        """Positions (n, len(t), len(levels)) at times t, below which these fractions of trajectories are."""
        return None

    def diffusivity(self, theta: Array, t: Array) -> Array | None:
        """Time-dependent diffusion coefficient (n, len(t)): half the derivative of the position's variance.

        That is half the derivative of the MSD, unless there is a drift: it moves, but does not spread.
        """
        return None

    def covariance(self, theta: Array, steps: int) -> Array | None:
        """Covariance (n, steps, steps) of the displacements, or variances (n, steps) if independent.

        To have one is to say that the displacements are Gaussian; exact limits follow from it. That of
        stationary ones follows from `autocovariance`.
        """
        row = self.autocovariance(theta, steps)
        if row is None:
            return None
        lag = np.abs(np.subtract.outer(np.arange(steps), np.arange(steps)))
        return np.asarray(row[:, lag])

    def autocovariance(self, theta: Array, steps: int) -> Array | None:
        """Covariance (n, steps) of a displacement with those after it, if they are stationary.

        At lags 0, 1, ...: the first row of `covariance`, which takes the square of its memory.
        """
        return None

    def mean(self, theta: Array, steps: int) -> Array | None:
        """Mean displacements (n, steps) of a process with a covariance; None where they are all zero."""
        return None

    def combinations(self, theta: Array, length: int) -> dict[str, Array]:
        """Named functions of theta, each (n,), that latents may encode over `length` positions."""
        return {}

    def check(self, theta: Array) -> None:
        """Raise SpivaeError where rows of parameters (n, p) hold values at which it does not exist."""
        for parameter, column in zip(self.parameters, np.asarray(theta, dtype=float).T, strict=True):
            wrong = ~parameter.admits(column)
            if wrong.any():
                raise SpivaeError(
                    f"process {self.name}: {parameter.name} needs to be {parameter.allowed}, "
                    f"not {column[wrong][0]:g}"
                )

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(parameter.name for parameter in self.parameters)


def sigma_to_D(sigma: Array | float) -> Any:
    """Diffusion coefficient of displacements with standard deviation sigma in one step: sigma^2 / 2."""
    return np.asarray(sigma) ** 2 / 2


def D_to_sigma(D: Array | float) -> Any:
    """Standard deviation of the displacements of one step at diffusion coefficient D: sqrt(2 D)."""
    return np.sqrt(2 * np.asarray(D))
