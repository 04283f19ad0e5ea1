"""All figures of a model on one page: the bound and its gap, latents, accuracy, generation."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from spivae.dataset import Grid
from spivae.evaluation.bound import Bound, measure
from spivae.process import Process

if TYPE_CHECKING:
    from spivae.model.vae import WaveNetVAE


@dataclass(frozen=True)
class Evaluation:
    """Figures of a model on fresh trajectories of the grid."""

    seed: int
    bound: Bound

    @property
    def surviving(self) -> list[int]:
        return self.bound.surviving

    def to_json(self) -> dict[str, Any]:
        """The keys of `spivae evaluate --json`."""
        bound = self.bound
        latents = zip(bound.kl_latents, bound.mu.var(0), bound.logvar.mean(0, dtype=np.float64), strict=True)
        return {
            "n": bound.n,
            "seed": self.seed,
            "nll": bound.nll.value,
            "kl": float(bound.kl_latents.sum()),
            "neg_elbo": bound.neg_elbo.value,
            "neg_elbo_se": bound.neg_elbo.error,
            "surviving": self.surviving,
            "latents": [
                {"index": index, "kl": float(kl), "var_mu": float(var_mu), "mean_logvar": float(mean_logvar)}
                for index, (kl, var_mu, mean_logvar) in enumerate(latents)
            ],
        }


def evaluate(
    model: WaveNetVAE,
    process: Process,
    grid: Grid,
    n: int,
    seed: int,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Evaluation:
    """Judge a model on at least n fresh trajectories, as many in each cell of the grid."""
    import torch

    per_cell = max(1, math.ceil(n / len(grid.cells)))
    bound = measure(
        model,
        process,
        grid,
        per_cell,
        np.random.default_rng(seed),
        torch.Generator().manual_seed(seed),
        progress=progress,
    )
    return Evaluation(seed=seed, bound=bound)
