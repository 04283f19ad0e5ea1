"""Checks of an architecture: its arguments, its weights, and that it predicts, trains and generates."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np

from spivae.conformance.checking import Check, NotApplicable, each, require
from spivae.conformance.contexts import Drifting
from spivae.conformance.words import check_name
from spivae.dataset import Dataset, Grid, simulate_grid
from spivae.model.architectures import Architecture

N = 6  # trajectories in each cell of a grid of nine


def built(architecture: Architecture, seed: int = 0) -> Any:
    """A model with fresh weights, its arguments as declared."""
    import torch

    model = architecture.build(architecture.arguments(), torch.Generator().manual_seed(seed))
    require(isinstance(model, torch.nn.Module), f"model gave {type(model).__name__}, not a torch module")
    return model


def trajectories(architecture: Architecture) -> Dataset:
    """Displacements of the size that an untrained model expects, as long as its arguments say."""
    process = Drifting(2)
    drawn = simulate_grid(
        process, Grid.of(process), N, architecture.arguments().o_dim, np.random.default_rng(0)
    )
    return Dataset(drawn.displacements, drawn.theta, drawn.names, drawn.process)


def metadata(architecture: Architecture) -> str:
    check_name("architecture", architecture.name)
    fields = architecture.arguments().as_dict()
    for control in architecture.controls:
        require(control.name in fields, f"control {control.name!r}: there is no such argument")
    table = json.loads(json.dumps(fields))
    require(
        architecture.from_table(table) == architecture.arguments(),
        "arguments change on their way through a checkpoint's header",
    )
    return f"{len(fields)} arguments, {len(architecture.controls)} with a control"


def weights(architecture: Architecture) -> str:
    told = architecture.shapes(architecture.arguments())
    made = {name: tuple(value.shape) for name, value in built(architecture).state_dict().items()}
    for name in sorted(told.keys() | made.keys()):
        require(
            tuple(told.get(name, ())) == made.get(name, ()) and name in told and name in made,
            f"weight {name}: shapes says {told.get(name)}, but the model has {made.get(name)}",
        )
    return f"{sum(int(np.prod(shape)) for shape in made.values()):,} weights"


def equal_generators_equal_weights(architecture: Architecture) -> str:
    import torch

    before = torch.random.get_rng_state()
    first, again, other = (built(architecture, seed).state_dict() for seed in (0, 0, 1))
    require(torch.equal(before, torch.random.get_rng_state()), "changes torch's global random state")
    require(all(torch.equal(first[name], again[name]) for name in first), "two equal generators differ")
    require(
        not all(torch.equal(first[name], other[name]) for name in first), "takes nothing of the generator"
    )
    return ""


def predicts(architecture: Architecture) -> str:
    from spivae.prediction import predict

    dataset, arguments = trajectories(architecture), architecture.arguments()
    found = predict(built(architecture).eval(), dataset)
    n = len(dataset)
    for name, shape in (
        ("nll", (n, arguments.predicted)),
        ("out_std", (n, arguments.predicted)),
        ("mu", (n, arguments.latents)),
    ):
        value = getattr(found, name)
        require(value.shape == shape, f"{name} of {n} trajectories is {value.shape}, not {shape}")
        require(np.isfinite(value).all(), f"{name} is not finite")
    return f"{arguments.predicted} steps, {arguments.latents} latents"


def trains(architecture: Architecture) -> str:
    import torch

    from spivae.training.step import make_optimizer, train_step

    model = built(architecture)
    x = torch.from_numpy(trajectories(architecture).displacements)
    noise = torch.zeros(len(x), architecture.arguments().latents)
    optimizer = make_optimizer(model, 1e-3)
    losses = [train_step(model, optimizer, x, noise, 1e-3, 1.0).loss for _ in range(5)]
    require(np.isfinite(losses).all(), f"the loss is not finite: {losses}")
    require(losses[-1] < losses[0], f"five steps on one batch take the loss from {losses[0]} to {losses[-1]}")
    return f"loss {losses[0]:.3g} to {losses[-1]:.3g} in five steps"


def generates(architecture: Architecture) -> str:
    import torch

    from spivae.generation import generate

    latents = architecture.arguments().latents
    if not latents:
        raise NotApplicable("has no latents")
    made = generate(built(architecture).eval(), np.zeros((3, latents)), 8, torch.Generator().manual_seed(0))
    require(made.shape == (3, 8), f"three trajectories of 8 steps are {made.shape}")
    require(np.isfinite(made).all(), "trajectories are not finite")
    return ""


CHECKS: dict[str, Callable[[Architecture], str]] = {
    "metadata": metadata,
    "weights": weights,
    "equal generators, equal weights": equal_generators_equal_weights,
    "predicts": predicts,
    "trains": trains,
    "generates": generates,
}


def checks_of_architecture(architecture: Architecture) -> list[Check]:
    """All checks of one architecture."""
    return each(f"architecture {architecture.name}", architecture, CHECKS)
