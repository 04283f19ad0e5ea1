"""Run directories with made-up metrics, always the same."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from spivae.model.latents import surviving
from spivae.training.metrics import MetricsWriter
from spivae.training.recipe import Recipe, parse, to_toml
from spivae.training.run import CellAxis, Run, RunInfo
from spivae.training.schedule import one_cycle

NOW = 1_800_000_000.0
PER_EPOCH = 60
RECIPE = parse(
    {
        "process": {
            "grid": {
                "alpha": {"low": 0.2, "high": 1.8, "n": 21},
                "D": {"low": 1e-5, "high": 1e-2, "n": 10, "scale": "log"},
            }
        },
        "dataset": {"trajectories": 19_200},
        "training": {"phase": [{"epochs": 3, "beta": 1e-4}, {"epochs": 5, "beta": 4e-3}]},
    }
)

GRID = (
    CellAxis("alpha", tuple(np.linspace(0.2, 1.8, 21).tolist()), "α"),
    CellAxis("D", tuple(np.geomspace(1e-5, 1e-2, 10).tolist()), scale="log"),
)


def step(number: int, recipe: Recipe = RECIPE) -> dict[str, Any]:
    """The record of a step, with a loss that falls and latents of which two survive."""
    rng = np.random.default_rng(number)
    epoch = number / PER_EPOCH
    phase = 0 if epoch <= recipe.training.phase[0].epochs else 1
    beta = recipe.training.phase[phase].beta
    nll = -2.32 + 3.2 * math.exp(-epoch / 0.7) + 0.02 * rng.standard_normal()
    strong = 4.0 * (1 - math.exp(-epoch)) + 0.05
    kl = [
        strong,
        0.003 + math.exp(-epoch),
        0.7 + 3 * math.exp(-epoch),
        *(0.004 + math.exp(-2 * epoch - k) for k in range(3)),
    ]
    kl = [value * math.exp(0.1 * rng.standard_normal()) for value in kl]
    lr, _ = one_cycle((number - 1) % (3 * PER_EPOCH), 3 * PER_EPOCH, 1e-3)
    return {
        "kind": "step",
        "step": number,
        "epoch": epoch,
        "phase": phase,
        "loss": nll + beta * sum(kl),
        "nll": nll,
        "kl": kl,
        "lr": lr,
        "beta": beta,
        "seconds": 0.35 * number,
    }


def epoch(number: int, recipe: Recipe = RECIPE) -> dict[str, Any]:
    """The record of an epoch's end."""
    last = step(number * PER_EPOCH, recipe)
    kl = last["kl"]
    return {
        "kind": "epoch",
        "epoch": number,
        "phase": last["phase"],
        "step": last["step"],
        "train_loss": last["loss"],
        "nll": last["nll"],
        "kl": kl,
        "neg_elbo": last["nll"] + sum(kl) / 367,
        "surviving": surviving(kl),
        "beta": last["beta"],
        "seconds": last["seconds"] + 1.0,
        **cells(last["nll"], number),
    }


def cells(nll: float, number: int) -> dict[str, Any]:
    """What an epoch says of the cells: displacements of a smaller D are more probable; latent 0 is alpha."""
    alpha, d = np.meshgrid(*(axis.values for axis in GRID), indexing="ij")
    each = nll + np.log(d / 3e-4) / 2 + 0.3 * (alpha - 1) ** 2
    learned = 1 - math.exp(-number / 2)
    mu = [
        learned * 2.2 * (alpha - 1) + 0.1 * np.log(d / 3e-4),
        *(0 * alpha + 0.01 * k for k in (1, 2)),
        *(0 * alpha + 0.02 * k for k in (3, 4, 5)),
    ]
    return {
        "nll_cells": each.ravel().round(4).tolist(),
        "mu_cells": [column.ravel().round(2).tolist() for column in mu],
    }


def make_run(folder: Path, steps: int, state: str = "running", *, log: str = "", **info: Any) -> Run:
    """A run on another host, so that nobody looks for its process here."""
    path = folder / "sbm-20270114-093200-5f1d"
    (path / "checkpoints").mkdir(parents=True)
    given = RunInfo(
        id=path.name,
        process="sbm",
        epochs=RECIPE.epochs,
        created=NOW - 900,
        started=NOW - 890,
        steps=RECIPE.epochs * PER_EPOCH,
        grid=GRID,
        host="node07",
        pid=4242,
        threads=2,
    )
    run = Run(path, msgspec.structs.replace(given, state=state, **info))
    run.save()
    run.recipe_path.write_text(to_toml(RECIPE))
    if log:
        run.log_path.write_text(log)
    write_steps(run, 1, steps)
    return run


def write_steps(run: Run, first: int, last: int) -> None:
    """Append the records of steps `first` to `last` with the epochs that end among them."""
    writer = MetricsWriter(run.metrics_path)
    for number in range(first, last + 1):
        writer.write(step(number))
        if number % PER_EPOCH == 0:
            writer.write(epoch(number // PER_EPOCH))
    writer.close()


def set_info(run: Run, **changes: Any) -> None:
    """Change run.json as the trainer does."""
    run.info = msgspec.structs.replace(run.info, **changes)
    run.save()


def save_checkpoint(run: Run, name: str) -> Path:
    """A file in the place of a checkpoint."""
    path = run.checkpoint_folder / f"{name}.safetensors"
    path.write_bytes(b"weights")
    return path
