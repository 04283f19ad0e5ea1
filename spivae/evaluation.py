"""How good a model is: its -ELBO per step on fresh trajectories, with a standard error."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from spivae.dataset import Grid, simulate_grid
from spivae.model.latents import surviving
from spivae.prediction import predict
from spivae.process import Process

if TYPE_CHECKING:
    from spivae.model.vae import WaveNetVAE

# trajectories made and judged at a time, so that memory does not grow with n
_CHUNK_CELLS = 4096


@dataclass(frozen=True)
class Evaluation:
    """Figures of a model on n fresh trajectories: nats per step (nll, neg_elbo) and nats (kl)."""

    n: int
    seed: int
    nll: float
    kl: float
    neg_elbo: float
    neg_elbo_se: float
    kl_latents: list[float]
    var_mu: list[float]
    mean_logvar: list[float]

    @property
    def surviving(self) -> list[int]:
        return surviving(self.kl_latents)

    def to_json(self) -> dict[str, Any]:
        """The keys of `spivae evaluate --json`."""
        latents = zip(self.kl_latents, self.var_mu, self.mean_logvar, strict=True)
        return {
            "n": self.n,
            "seed": self.seed,
            "nll": self.nll,
            "kl": self.kl,
            "neg_elbo": self.neg_elbo,
            "neg_elbo_se": self.neg_elbo_se,
            "surviving": self.surviving,
            "latents": [
                {"index": index, "kl": kl, "var_mu": var_mu, "mean_logvar": mean_logvar}
                for index, (kl, var_mu, mean_logvar) in enumerate(latents)
            ],
        }


def evaluate(
    model: WaveNetVAE,
    process: Process,
    grid: Grid,
    n: int,
    seed: int,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Judge a model on at least n fresh trajectories, as many in each cell of the grid.

    The NLL is averaged over z ~ q(z|x), so that NLL + KL / steps bounds the entropy. The standard error is
    that of a mean over balanced cells: the spread within cells alone. With one trajectory a cell it is NaN.
    """
    import torch

    cells = len(grid.cells)
    per_cell = max(1, math.ceil(n / cells))
    total = per_cell * cells
    rng = np.random.default_rng(seed)
    generator = torch.Generator().manual_seed(seed)
    at_once = max(1, _CHUNK_CELLS // cells)
    mu, logvar, kl, nll, done = [], [], [], [], 0
    while done < per_cell:
        count = min(at_once, per_cell - done)
        dataset = simulate_grid(process, grid, count, model.args.o_dim, rng)
        before = done * cells

        def advance(part: int, _: int, before: int = before) -> None:
            if progress is not None:
                progress(before + part, total)

        found = predict(model, dataset, sample=generator, progress=advance)
        mu.append(found.mu)
        logvar.append(found.logvar)
        kl.append(found.kl.astype(np.float64))
        nll.append(found.nll.mean(axis=1, dtype=np.float64).reshape(cells, count))
        done += count
    kl_all = np.concatenate(kl)
    # (cells, per_cell) of each trajectory's -ELBO per step
    bound = np.concatenate(
        [n_ + k.sum(1).reshape(n_.shape) / model.args.predicted for n_, k in zip(nll, kl, strict=True)],
        axis=1,
    )
    within = bound.var(axis=1, ddof=1).mean() if per_cell > 1 else math.nan
    return Evaluation(
        n=total,
        seed=seed,
        nll=float(np.concatenate(nll, axis=1).mean()),
        kl=float(kl_all.sum(1).mean()),
        neg_elbo=float(bound.mean()),
        neg_elbo_se=math.sqrt(within / total),
        kl_latents=[float(v) for v in kl_all.mean(0)],
        var_mu=[float(v) for v in np.concatenate(mu).var(0)],
        mean_logvar=[float(v) for v in np.concatenate(logvar).mean(0)],
    )
