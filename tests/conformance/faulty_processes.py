"""Brownian motion with one fault each, under the name of the check that has to find it."""

from __future__ import annotations

import os
import random
import time

import numpy as np

from spivae.api import Parameter, Process


class Right(Process):
    """Brownian motion with drift, as it should be."""

    name = "right"
    title = "Brownian motion"
    parameters = (
        Parameter("v", low=-0.1, high=0.1, doc="drift"),
        Parameter("D", low=1e-3, high=1e-1, scale="log", doc="diffusion coefficient"),
    )

    def displacements(self, rng, theta, steps):
        return theta[:, :1] + np.sqrt(2 * theta[:, 1:]) * rng.standard_normal((len(theta), steps))

    def msd(self, theta, t):
        t = np.asarray(t, dtype=float)
        return 2 * theta[:, 1:] * t + (theta[:, :1] * t) ** 2

    def diffusivity(self, theta, t):
        return np.repeat(theta[:, 1:], len(t), axis=1)

    def covariance(self, theta, steps):
        return np.repeat(2 * theta[:, 1:], steps, axis=1)

    def mean(self, theta, steps):
        return np.repeat(theta[:, :1], steps, axis=1)


class Named(Right):
    name = "not one word"


class Whole(Right):
    def displacements(self, rng, theta, steps):
        return np.sign(super().displacements(rng, theta, steps)).astype(int)


class NeedsTwoSteps(Right):
    def displacements(self, rng, theta, steps):
        return super().displacements(rng, theta, max(steps, 2))


class OfTheFirstRow(Right):
    def displacements(self, rng, theta, steps):
        return super().displacements(rng, np.repeat(theta[:1], len(theta), axis=0), steps)


class RandomOfItsOwn(Right):
    def displacements(self, rng, theta, steps):
        return super().displacements(np.random.default_rng(), theta, steps)


class AlwaysTheSame(Right):
    def displacements(self, rng, theta, steps):
        return super().displacements(np.random.default_rng(0), theta, steps)


class SeedsGlobally(Right):
    def displacements(self, rng, theta, steps):
        np.random.seed(0)  # noqa: NPY002  # the fault
        return super().displacements(rng, theta, steps)


class SeedsPython(Right):
    def displacements(self, rng, theta, steps):
        random.seed(0)
        random.random()
        return super().displacements(rng, theta, steps)


class SetsTheEnvironment(Right):
    def displacements(self, rng, theta, steps):
        os.environ["A_FAULTY_PLUGIN"] = str(rng.random())
        return super().displacements(rng, theta, steps)


class ChangesTheta(Right):
    def displacements(self, rng, theta, steps):
        theta *= 2
        return super().displacements(rng, theta, steps)


class Chatty(Right):
    def displacements(self, rng, theta, steps):
        print("hello")
        return super().displacements(rng, theta, steps)


class SkipsBySlowRows(Right):
    def displacements(self, rng, theta, steps):
        rng.standard_normal(int(1e4 * theta[-1, 1]))
        return super().displacements(rng, theta, steps)


class Overflows(Right):
    def displacements(self, rng, theta, steps):
        drawn = super().displacements(rng, theta, steps)
        drawn[theta[:, 1] == self.parameters[1].high, -1:] *= 1e40
        return drawn


class TakesNonsense(Right):
    def displacements(self, rng, theta, steps):
        return super().displacements(rng, np.abs(np.nan_to_num(theta)), steps)


class RowByRow(Right):
    def displacements(self, rng, theta, steps):
        time.sleep(5e-4 * len(theta))
        return super().displacements(rng, theta, steps)


class ScalarTheory(Right):
    def msd(self, theta, t):
        return super().msd(theta, t)[0]


class WrongMsd(Right):
    def msd(self, theta, t):
        return 1.1 * super().msd(theta, t)


class NeverMoves(Right):
    def displacements(self, rng, theta, steps):
        return 1e-300 * super().displacements(rng, theta, steps)


class Cauchy(Right):
    """A Lévy flight with drift: (x(t) - v t) / (D t) is a Cauchy variable, which has no moments."""

    heavy_tails = True
    covariance, mean, diffusivity = Process.covariance, Process.mean, Process.diffusivity
    wrong = 1.0

    def displacements(self, rng, theta, steps):
        scale = np.sqrt(theta[:, 1:]) ** 2  # not a number below 0
        return theta[:, :1] + scale * rng.standard_cauchy((len(theta), steps))

    def quantiles(self, theta, t, levels):
        away = self.wrong * theta[:, 1:, None] * np.tan(np.pi * (levels - 0.5))
        return (theta[:, :1, None] + away) * np.asarray(t)[:, None]


class WrongQuantiles(Cauchy):
    wrong = 1.1


class NoQuantiles(Cauchy):
    quantiles = Process.quantiles


class WrongDiffusivity(Right):
    def diffusivity(self, theta, t):
        return super().msd(theta, t) / np.asarray(t, dtype=float) / 2  # as if there were no drift


class WrongCovariance(Right):
    def covariance(self, theta, steps):
        return 1.1 * super().covariance(theta, steps)


class WrongAutocovariance(Right):
    def autocovariance(self, theta, steps):
        return 1.1 * super().covariance(theta, steps)


class WrongMean(Right):
    msd = Process.msd

    def mean(self, theta, steps):
        return -super().mean(theta, steps)


class NotGaussian(Right):
    """With the covariance of a Gaussian, but made of coins."""

    def displacements(self, rng, theta, steps):
        coins = np.sign(rng.standard_normal((len(theta), steps)))
        return theta[:, :1] + np.sqrt(2 * theta[:, 1:]) * coins


class Singular(Right):
    msd = Process.msd

    def covariance(self, theta, steps):
        return np.ones((len(theta), steps, steps))


FAULTS = {
    Named: "metadata",
    Whole: "shapes and dtypes",
    NeedsTwoSteps: "one trajectory and one step",
    OfTheFirstRow: "parameters of each row",
    RandomOfItsOwn: "equal rng, equal displacements",
    AlwaysTheSame: "equal rng, equal displacements",
    SeedsGlobally: "global state untouched",
    SeedsPython: "global state untouched",
    SetsTheEnvironment: "global state untouched",
    ChangesTheta: "global state untouched",
    Chatty: "nothing printed",
    SkipsBySlowRows: "rows independent of others",
    Overflows: "finite in single precision",
    TakesNonsense: "nonsense refused",
    RowByRow: "speed",
    ScalarTheory: "shapes of theory",
    WrongMsd: "moments and msd",
    NeverMoves: "moments and msd",
    WrongQuantiles: "quantiles",
    NoQuantiles: "quantiles",
    WrongDiffusivity: "diffusivity and msd",
    WrongCovariance: "covariance of samples",
    WrongAutocovariance: "covariance of samples",
    WrongMean: "covariance of samples",
    NotGaussian: "covariance of samples",
    Singular: "covariance of samples",
    type("CovarianceAgainstMsd", (WrongCovariance,), {}): "covariance and msd",
}
