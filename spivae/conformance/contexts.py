"""What analyses are checked on: trajectories and predictions from theory, and a small untrained model."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from spivae.analysis import Analysis, Context, DataOptions, declared_options
from spivae.checkpoint.structs import Checkpoint
from spivae.dataset import Dataset, Grid
from spivae.model.arguments import ModelArgs
from spivae.prediction import Predictions
from spivae.process import Array, Parameter, Process

ARGS = ModelArgs(
    o_dim=80,
    nc_out=3,
    c_channels=3,
    nf=(4, 4),
    avg_size=4,
    encoder=(8,),
    z_dim=3,
    decoder=(8,),
    res_channels=4,
    skip_channels=4,
)
PER_CELL = 3
MANY = 100  # trajectories and the like, where an analysis takes more: enough to see that it works


class Drifting(Process):
    """Brownian motion with a drift and as many parameters as are asked for; the last is D."""

    name = "drifting"
    title = "Drifting Brownian motion"

    def __init__(self, count: int) -> None:
        others = tuple(Parameter(f"v{k}", low=0.0, high=0.1, points=3) for k in range(count - 1))
        self.parameters = (*others, Parameter("D", low=1e-3, high=1e-1, scale="log", points=3))

    def displacements(self, rng: np.random.Generator, theta: Array, steps: int) -> Array:
        noise = rng.standard_normal((len(theta), steps))
        return np.asarray(self.mean(theta, steps) + np.sqrt(2 * theta[:, -1:]) * noise)

    def mean(self, theta: Array, steps: int) -> Array:
        return np.repeat(theta[:, :-1].sum(axis=1, keepdims=True), steps, axis=1)

    def covariance(self, theta: Array, steps: int) -> Array:
        return np.repeat(2 * theta[:, -1:], steps, axis=1)

    def msd(self, theta: Array, t: Array) -> Array:
        t = np.asarray(t, dtype=float)
        drift = theta[:, :-1].sum(axis=1, keepdims=True) * t
        return np.asarray(2 * theta[:, -1:] * t + drift**2)

    def diffusivity(self, theta: Array, t: Array) -> Array:
        return np.repeat(theta[:, -1:], len(t), axis=1)


def grid_theta(process: Process) -> Array:
    """The parameters (n, p) of a few trajectories in each cell of a small grid."""
    return np.repeat(Grid.of(process).cells, PER_CELL, axis=0)


def make(
    analysis: Analysis,
    process: Process,
    theta: Array,
    *,
    latents: int = ARGS.z_dim,
    broken: bool = False,
) -> Context:
    """A context for an analysis; with `broken`, every third prediction is NaN: some in each cell of the grid.

    Options are as declared, but for whole numbers above MANY.
    """
    rng = np.random.default_rng(0)
    drawn = process.displacements(rng, theta, ARGS.o_dim).astype(np.float32)
    dataset = Dataset(drawn[:, None, :], theta, process.names, process.name)
    predictions = _predictions(dataset, latents, rng)
    if broken:
        for values in vars(predictions).values():
            if isinstance(values, np.ndarray):
                values[::3] = np.nan
    args = ARGS if latents else ModelArgs(**{**ARGS.as_dict(), "c_channels": 0, "nc_out": 3})
    checkpoint = Checkpoint(
        path="conformance.safetensors",
        process=process.name,
        model_args=args.as_dict(),
        ds_args={name: values.tolist() for name, values in Grid.of(process).values.items()},
        metrics={"beta": 1e-3, "kl_latents": [2.0, 0.5, 0.01][:latents]},
        history=[_epoch(number, latents) for number in (1, 2, 3)],
    )
    return Context(
        checkpoint,
        process,
        dataset if {"dataset", "predictions"}.intersection(analysis.needs) else None,
        predictions if "predictions" in analysis.needs else None,
        _options(analysis),
        model=_model(args) if "model" in analysis.needs else None,
        data=DataOptions(per_cell=PER_CELL),
    )


def _options(analysis: Analysis) -> Any:
    """The declared options, with fewer of what there is much of."""
    fewer = {
        option.name: max(int(option.low or 0), MANY)
        for option in declared_options(analysis.options)
        if option.kind is int and option.default is not None and option.default > MANY
    }
    return analysis.options(**fewer)


def _predictions(dataset: Dataset, latents: int, rng: np.random.Generator) -> Predictions:
    n, predicted = len(dataset), ARGS.predicted
    mu = rng.standard_normal((n, latents)) * np.linspace(1.5, 0.01, latents) if latents else np.empty((n, 0))
    logvar = np.full((n, latents), -0.1)
    out_std = np.sqrt(2 * dataset.theta[:, -1:]) * np.ones((n, predicted))
    return Predictions(
        dataset=dataset,
        receptive_field=ARGS.receptive_field,
        mu=mu.astype(np.float32),
        logvar=logvar.astype(np.float32),
        kl=((mu**2 + np.exp(logvar) - 1 - logvar) / 2).astype(np.float32),
        nll=(np.log(out_std) + rng.standard_normal((n, predicted)) ** 2 / 2).astype(np.float32),
        out_mean=(out_std * rng.standard_normal((n, predicted)) / 10).astype(np.float32),
        out_std=out_std.astype(np.float32),
    )


def _epoch(number: int, latents: int) -> dict[str, Any]:
    return {
        "kind": "epoch",
        "epoch": number,
        "phase": 0,
        "step": 10 * number,
        "train_loss": 1 / number,
        "nll": 1 / number,
        "kl": [0.1 * number] * latents,
        "neg_elbo": 1.1 / number,
        "surviving": list(range(latents)),
        "beta": 1e-3,
        "seconds": float(number),
    }


@cache
def _model(args: ModelArgs) -> Any:
    import torch

    from spivae.model.vae import build

    return build(args, torch.Generator().manual_seed(0)).eval()
