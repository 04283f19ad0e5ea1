"""Contexts for analyses, built from theory instead of a model."""

from __future__ import annotations

import numpy as np

from spivae.api import Context, Heatmap, Parameter, Predictions, Process
from spivae.checkpoint import Checkpoint
from spivae.dataset import Dataset

STEPS, RECEPTIVE_FIELD, BETA = 60, 32, 5e-3


class OneParameter(Process):
    name = "one"
    parameters = (Parameter("D", low=1e-3, high=1e-1, scale="log", points=3),)

    def msd(self, theta, t):
        return 2 * theta * np.asarray(t, float)


class ThreeParameters(Process):
    name = "three"
    parameters = (
        Parameter("k", low=0.1, high=0.5, points=3),
        Parameter("v", low=1.0, high=3.0, points=2),
        Parameter("D", low=1e-3, high=1e-1, scale="log", points=4),
    )

    def diffusivity(self, theta, t):
        theta = np.asarray(theta)
        return theta[:, 2:] + theta[:, 1:2] * np.exp(-theta[:, :1] * np.asarray(t, float))

    def combinations(self, theta, length):
        return {"log(k D)": np.log(theta[:, 0] * theta[:, 2])}


def theoretical(process, theta, out_std=None, latents=3, steps=STEPS, seed=0):
    """A dataset and what a model would say of it whose output has the given standard deviation (n, L - R)."""
    rng = np.random.default_rng(seed)
    theta = np.asarray(theta, dtype=float)
    n, predicted = len(theta), steps - RECEPTIVE_FIELD
    if out_std is None:
        out_std = np.full((n, predicted), 0.1)
    mu = rng.standard_normal((n, latents)) * np.linspace(1.5, 0.01, latents) if latents else np.empty((n, 0))
    logvar = np.full((n, latents), -0.1)
    dataset = Dataset(
        rng.standard_normal((n, 1, steps)).astype(np.float32), theta, process.names, process.name
    )
    predictions = Predictions(
        dataset=dataset,
        receptive_field=RECEPTIVE_FIELD,
        mu=mu,
        logvar=logvar,
        kl=(mu**2 + np.exp(logvar) - 1 - logvar) / 2,
        nll=np.log(out_std) + rng.standard_normal((n, predicted)),
        out_mean=rng.standard_normal((n, predicted)) * out_std,
        out_std=out_std,
    )
    return dataset, predictions


def context(analysis, process, theta, given=None, beta=BETA, **options):
    """What the analysis would be given; `given` is a pair as `theoretical` makes it."""
    dataset, predictions = given or theoretical(process, theta)
    checkpoint = Checkpoint(process=process.name, metrics={} if beta is None else {"beta": beta})
    return Context(checkpoint, process, dataset, predictions, analysis.options(**options))


def arrays_of(figure):
    """Every array in a figure's marks, without the empty bins of maps."""
    for panel in figure.panels:
        for mark in panel.marks:
            for name in mark.__struct_fields__:
                array = getattr(mark, name)
                if isinstance(array, np.ndarray):
                    yield array[~np.isnan(array)] if isinstance(mark, Heatmap) else array
