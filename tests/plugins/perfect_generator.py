"""A context whose model generates exact trajectories of its process, or those spoiled on purpose."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from spivae.api import Context, Parameter, Process
from spivae.checkpoint import Checkpoint

RECEPTIVE_FIELD, STEPS, LATENTS = 32, 160, 3
GRID = {"alpha": [0.4, 0.7, 1.0, 1.3, 1.6], "D": [1e-4, 1e-3, 1e-2]}


class Perfect(Context):
    """What a perfect model would be: `spoil(displacements)` is what this one makes of them.

    Latent 1 encodes alpha = 1 + 0.3 z at D = 1e-3, the others nothing.
    """

    begins_at = RECEPTIVE_FIELD + 1

    def __init__(self, process, options, *, spoil=lambda dx: dx, latents=LATENTS, steps=STEPS, **more):
        metrics = {"kl_latents": [0.1, 4.0, 0.7][:latents]}
        checkpoint = Checkpoint(path="x", process=process.name, ds_args=dict(GRID), metrics=metrics)
        args = SimpleNamespace(o_dim=steps, latents=latents)
        model = SimpleNamespace(args=args, receptive_field=RECEPTIVE_FIELD)
        super().__init__(checkpoint, process, options=options, model=model, **more)
        self.spoil = spoil

    def generate_cells(self, cells, per_cell, length, rng):
        for cell in cells:
            theta = np.repeat(cell[None], per_cell, axis=0)
            exact = self.process.displacements(rng, theta, self.begins_at + length)
            yield self.spoil(exact[:, self.begins_at :])

    def generate_like(self, theta, length, rng):
        cells, per_cell = np.unique(theta, axis=0), len(theta) // len(np.unique(theta, axis=0))
        for k, displacements in enumerate(self.generate_cells(cells, per_cell, length, rng)):
            yield slice(k * per_cell, (k + 1) * per_cell), displacements

    def generate(self, z, length, rng):
        theta = np.stack([1 + 0.3 * z[:, 1], np.full(len(z), 1e-3)], axis=1)
        exact = self.process.displacements(rng, theta, self.begins_at + length)
        return self.spoil(exact[:, self.begins_at :])


class OneParameter(Process):
    name = "one"
    title = "One parameter"
    parameters = (Parameter("D", low=1e-3, high=1e-1, scale="log", points=3),)

    def displacements(self, rng, theta, steps):
        return np.sqrt(2 * theta[:, :1]) * rng.standard_normal((len(theta), steps))


class ThreeParameters(Process):
    name = "three"
    title = "Three parameters"
    parameters = (
        Parameter("k", low=0.1, high=0.5, points=3),
        Parameter("v", low=1.0, high=3.0, points=3),
        Parameter("D", low=1e-3, high=1e-1, scale="log", points=4),
    )

    def displacements(self, rng, theta, steps):
        return np.sqrt(2 * theta[:, 2:]) * rng.standard_normal((len(theta), steps)) + theta[:, 1:2]

    def covariance(self, theta, steps):
        return np.repeat(2 * theta[:, 2:], steps, axis=1)

    def mean(self, theta, steps):
        return np.repeat(theta[:, 1:2], steps, axis=1)


def with_memory_of(process, theta, field, rng, count, length):
    """Displacements of a generator that draws each step rightly given the last `field` alone, and no more."""
    covariance = process.covariance(np.atleast_2d(theta), field + 1)[0]
    weights = np.linalg.solve(covariance[:field, :field], covariance[:field, field])
    sd = np.sqrt(covariance[field, field] - weights @ covariance[:field, field])
    made = np.empty((count, field + length))
    made[:, :field] = process.displacements(rng, np.repeat(np.atleast_2d(theta), count, axis=0), field)
    noise = sd * rng.standard_normal((count, length))
    for k in range(length):
        made[:, field + k] = made[:, k : field + k] @ weights + noise[:, k]
    return made[:, field:]
