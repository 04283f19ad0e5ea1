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

from spivae.cell_sums import CellSums
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
# the numbers of a trajectory that are summed; those of its latents follow
_NLL, _BOUND, _TRUE, _LATENTS = range(4)
# trajectories whose latents are kept, for what only single ones tell
KEPT = 100_000


@dataclass(frozen=True)
class Mean:
    """A mean over balanced cells and its standard error."""

    value: float
    error: float


@dataclass(frozen=True)
class Bound:
    """What a model loses on `per_cell` fresh trajectories in each cell of a grid, with z ~ q(z|x).

    `nll` and `neg_elbo` are nats per step. `kl_latents`, `var_mu` and `mean_logvar` (Z,) are the mean KL
    divergence of each latent, in nats, the variance of its mu and the mean of its logvar. `nll_cells`
    (cells,) is each cell's NLL, `excess` how far it lies above its entropy in the model's window, None where
    that is not known. `theta` (n, p), `mu` and `logvar` (n, Z) are those of the first trajectories of each
    cell, cell by cell: of all, or of `KEPT` in all cells together.
    """

    per_cell: int
    steps: int
    nll: Mean
    neg_elbo: Mean
    kl_latents: Array
    var_mu: Array
    mean_logvar: Array
    nll_cells: Array
    excess: Array | None
    theta: Array
    mu: Array
    logvar: Array

    @property
    def n(self) -> int:
        return len(self.nll_cells) * self.per_cell

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
    cells, latents, steps = len(grid.cells), model.args.latents, model.args.predicted
    at_once, room = max(1, _CHUNK // cells), max(1, KEPT // cells)
    sums = CellSums(cells, _LATENTS + 3 * latents)
    kept: dict[str, list[Array]] = {"theta": [], "mu": [], "logvar": []}
    while sums.count < per_cell:
        count = min(at_once, per_cell - sums.count)
        dataset = simulate_grid(process, grid, count, model.args.o_dim, rng)
        before = sums.n

        def advance(part: int, _: int, before: int = before) -> None:
            progress(before + part, per_cell * cells)

        found = predict(model, dataset, sample=generator, progress=advance)
        nll, kl = found.nll.mean(axis=1, dtype=np.float64), found.kl.sum(axis=1, dtype=np.float64)
        true = np.zeros(len(nll)) if exact is None else exact.nll(dataset)
        numbers = np.column_stack([nll, nll + kl / steps, true, found.kl, found.mu, found.logvar])
        if room > sums.count:
            for name, values in (("theta", dataset.theta), ("mu", found.mu), ("logvar", found.logvar)):
                kept[name].append(values.reshape(cells, count, values.shape[1])[:, : room - sums.count])
        sums.add(numbers.reshape(cells, count, -1))
    nll_cells, excess, entropy = sums.mean[:, _NLL], None, None
    if exact is not None:
        entropy = exact.entropy
        nll_cells = nll_cells - sums.mean[:, _TRUE] + entropy
        excess = nll_cells - exact.window_entropy
    neg_elbo, mean = controlled(sums, _BOUND, _TRUE, entropy), sums.mean.mean(axis=0)
    kl_latents, _, mean_logvar = mean[_LATENTS:].reshape(3, latents)
    # one control for both, so that they add up
    nll_mean = Mean(
        neg_elbo.value - float(kl_latents.sum()) / steps, controlled(sums, _NLL, _TRUE, entropy).error
    )
    # chunks run over all cells: side by side, each cell's trajectories are together
    whole = {name: np.concatenate(parts, axis=1) for name, parts in kept.items()}
    return Bound(
        per_cell=per_cell,
        steps=steps,
        nll=nll_mean,
        neg_elbo=neg_elbo,
        kl_latents=kl_latents,
        var_mu=sums.total_variance[_LATENTS + latents : _LATENTS + 2 * latents],
        mean_logvar=mean_logvar,
        nll_cells=nll_cells,
        excess=excess,
        **{name: values.reshape(cells * values.shape[1], values.shape[2]) for name, values in whole.items()},
    )


def controlled(sums: CellSums, of: int, control: int, expectation: Array | None) -> Mean:
    """The mean of a number, with another as a control variate where its expectation (cells,) is known.

    Its coefficient is that of the regression within cells, pooled; with one trajectory a cell it is 1.
    """
    mean, left = sums.mean[:, of].mean(), sums.within[of, of]
    if expectation is not None:
        both, alone = sums.within[of, control], sums.within[control, control]
        coefficient = both / max(alone, 1e-300) if sums.count > 1 else 1.0
        mean -= coefficient * (sums.mean[:, control] - expectation).mean()
        left += coefficient * (coefficient * alone - 2 * both)
    free = sums.n - len(sums.mean)
    return Mean(float(mean), math.sqrt(max(left, 0.0) / free / sums.n) if free else math.nan)
