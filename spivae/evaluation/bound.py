"""The -ELBO of a model on fresh trajectories, known better than their spread would allow.

Entropy differs by nats a step between the cells of a grid, so that a plain mean over random trajectories is
uncertain. Two things help: as many trajectories in every cell, and where the process has a likelihood, that
of each trajectory as a control variate, since its expectation is known exactly.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spivae.dataset import Grid, simulate_grid
from spivae.model.latents import surviving
from spivae.prediction import predict
from spivae.process import Process

if TYPE_CHECKING:
    import torch

    from spivae.evaluation.exact import Exact
    from spivae.model.vae import WaveNetVAE

Array = npt.NDArray[Any]
Progress = Callable[[int, int], None]

# trajectories made and judged at a time, so that memory does not grow with n
_CHUNK = 4096


@dataclass(frozen=True)
class Mean:
    """A mean over balanced cells and its standard error."""

    value: float
    error: float


@dataclass(frozen=True)
class Bound:
    """What a model loses on `per_cell` fresh trajectories in each cell of a grid, with z ~ q(z|x).

    `nll` and `neg_elbo` are nats per step; `mu`, `logvar` and `kl` are (n, Z), cell by cell. `nll_cells`
    (cells,) is each cell's NLL, `excess` how far it lies above its entropy in the model's window, None where
    that is not known.
    """

    theta: Array
    per_cell: int
    steps: int
    nll: Mean
    neg_elbo: Mean
    mu: Array
    logvar: Array
    kl: Array
    nll_cells: Array
    excess: Array | None

    @property
    def n(self) -> int:
        return len(self.theta)

    @property
    def kl_latents(self) -> Array:
        """Mean KL divergence (Z,) of each latent, in nats."""
        return np.asarray(self.kl.mean(0, dtype=np.float64))

    @property
    def surviving(self) -> list[int]:
        return surviving(self.kl_latents)


def measure(
    model: WaveNetVAE,
    process: Process,
    grid: Grid,
    per_cell: int,
    rng: np.random.Generator,
    generator: torch.Generator,
    exact: Exact | None = None,
    progress: Progress = lambda done, total: None,
) -> Bound:
    """Judge a model on `per_cell` fresh trajectories in each cell of the grid.

    The NLL is averaged over z ~ q(z|x), so that NLL + KL / steps bounds the entropy from above. The standard
    errors are those of means over balanced cells; with one trajectory a cell they are NaN.
    """
    cells = len(grid.cells)
    at_once = max(1, _CHUNK // cells)
    columns: dict[str, list[Array]] = {"theta": [], "mu": [], "logvar": [], "kl": [], "nll": [], "true": []}
    done = 0
    while done < per_cell:
        count = min(at_once, per_cell - done)
        dataset = simulate_grid(process, grid, count, model.args.o_dim, rng)
        before = done * cells

        def advance(part: int, _: int, before: int = before) -> None:
            progress(before + part, per_cell * cells)

        found = predict(model, dataset, sample=generator, progress=advance)
        columns["theta"].append(dataset.theta)
        for name in ("mu", "logvar", "kl"):
            columns[name].append(getattr(found, name))
        columns["nll"].append(found.nll.mean(axis=1, dtype=np.float64))
        if exact is not None:
            columns["true"].append(exact.nll(dataset))
        done += count
    # chunks run over all cells: (cells, per_cell, ...) puts each cell's trajectories together
    whole = {
        name: np.concatenate(
            [part.reshape(cells, len(part) // cells, *part.shape[1:]) for part in parts], axis=1
        )
        for name, parts in columns.items()
        if parts
    }
    steps = model.args.predicted
    true, entropy = whole.get("true"), None if exact is None else exact.entropy
    bound = whole["nll"] + whole["kl"].sum(-1, dtype=np.float64) / steps
    nll_cells = whole["nll"].mean(1)
    excess = None
    if exact is not None and true is not None:
        nll_cells = (whole["nll"] - true).mean(1) + exact.entropy
        excess = nll_cells - exact.window_entropy
    neg_elbo, kl = controlled(bound, true, entropy), whole["kl"].sum(-1, dtype=np.float64).mean()
    # one control for both, so that they add up
    nll = Mean(neg_elbo.value - float(kl) / steps, controlled(whole["nll"], true, entropy).error)
    flat = {name: part.reshape(cells * per_cell, *part.shape[2:]) for name, part in whole.items()}
    return Bound(
        theta=flat["theta"],
        per_cell=per_cell,
        steps=steps,
        nll=nll,
        neg_elbo=neg_elbo,
        mu=flat["mu"],
        logvar=flat["logvar"],
        kl=flat["kl"],
        nll_cells=nll_cells,
        excess=excess,
    )


def controlled(values: Array, control: Array | None, expectation: Array | None) -> Mean:
    """The mean of values (cells, k), with a control variate (cells, k) of known expectation (cells,).

    Its coefficient is that of the regression within cells, pooled; with k = 1 it is 1.
    """
    cells, k = values.shape
    mean, residual = values.mean(), values
    if control is not None and expectation is not None:
        coefficient = 1.0
        if k > 1:
            inside = control - control.mean(1, keepdims=True)
            coefficient = float((inside * values).sum() / max((inside**2).sum(), 1e-300))
        residual = values - coefficient * (control - expectation[:, None])
        mean = residual.mean()
    within = residual.var(axis=1, ddof=1).mean() if k > 1 else math.nan
    return Mean(float(mean), math.sqrt(within / (cells * k)))
