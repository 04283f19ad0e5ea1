"""Interpretable generative models of diffusion.

`import spivae` is cheap: each name below is imported from where it lives when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spivae.checkpoint import Checkpoint, convert, resolve
    from spivae.checkpoint.load import load_checkpoint
    from spivae.dataset import Dataset, Grid, simulate, simulate_grid
    from spivae.errors import SpivaeError
    from spivae.layout import load_npz as load_dataset
    from spivae.layout import save_npz as save_dataset
    from spivae.model.losses import Loss
    from spivae.model.sampler import sample
    from spivae.notebook import analyze
    from spivae.plugins import load_plugins
    from spivae.prediction import Predictions, predict
    from spivae.process import D_to_sigma, sigma_to_D
    from spivae.training.recipe import Recipe
    from spivae_plugins.sbm import sbm

__version__ = "0.1.0"

_HOME = {
    "Checkpoint": "spivae.checkpoint",
    "D_to_sigma": "spivae.process",
    "Dataset": "spivae.dataset",
    "Grid": "spivae.dataset",
    "Loss": "spivae.model.losses",
    "Predictions": "spivae.prediction",
    "Recipe": "spivae.training.recipe",
    "SpivaeError": "spivae.errors",
    "analyze": "spivae.notebook",
    "convert": "spivae.checkpoint",
    "load_checkpoint": "spivae.checkpoint.load",
    "load_dataset": "spivae.layout:load_npz",
    "load_plugins": "spivae.plugins",
    "predict": "spivae.prediction",
    "resolve": "spivae.checkpoint",
    "sample": "spivae.model.sampler",
    "save_dataset": "spivae.layout:save_npz",
    "sbm": "spivae_plugins.sbm",
    "sigma_to_D": "spivae.process",
    "simulate": "spivae.dataset",
    "simulate_grid": "spivae.dataset",
}

__all__ = [
    "Checkpoint",
    "D_to_sigma",
    "Dataset",
    "Grid",
    "Loss",
    "Predictions",
    "Recipe",
    "SpivaeError",
    "analyze",
    "convert",
    "load_checkpoint",
    "load_dataset",
    "load_plugins",
    "predict",
    "resolve",
    "sample",
    "save_dataset",
    "sbm",
    "sigma_to_D",
    "simulate",
    "simulate_grid",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'spivae' has no attribute {name!r}")
    module, _, attribute = _HOME[name].partition(":")
    value = getattr(importlib.import_module(module), attribute or name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
