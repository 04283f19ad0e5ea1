"""All figures of a model on one page: the bound and its gap, latents, accuracy, generation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from spivae.accuracy import Accuracy
from spivae.dataset import Grid
from spivae.evaluation.bound import Bound
from spivae.evaluation.comparison import compare
from spivae.evaluation.gap import Gap
from spivae.evaluation.knowledge import LATENTS, knowledge
from spivae.generation_quality import GenerationQuality, generation_quality
from spivae.grids import evenly
from spivae.identification import Identified, identify
from spivae.limits import Limits
from spivae.process import Process

if TYPE_CHECKING:
    from spivae.model.vae import WaveNetVAE

Progress = Callable[[int, int, str], None]
_GENERATED = 200  # steps of each generated trajectory
_OTHERS = 4  # values of each parameter but the first that trajectories are generated at
_JUDGED = 200  # trajectories that a regression from latents can be learned from, at least
_MOST = 100_000  # on which accuracy is judged: its third digit is known then


@dataclass(frozen=True)
class Evaluation:
    """What a model does on fresh trajectories of a grid, and how far that is from the best.

    `limits` and `gap` are None for a process without exact limits; `identified` has an entry for each
    surviving latent, `accuracy` the surviving latents' and all other estimators' by name. `beta` is the
    weight of the KL term that the model was trained with last, None where its checkpoint does not say.
    """

    seed: int
    grid: Grid
    bound: Bound
    limits: Limits | None
    gap: Gap | None
    identified: Sequence[Identified]
    accuracy: dict[str, dict[str, Accuracy]]
    generation: GenerationQuality | None = None
    beta: float | None = None

    @property
    def surviving(self) -> list[int]:
        return self.bound.surviving

    @property
    def weight(self) -> float | None:
        """beta in units of its true value, 1 / (predicted steps)."""
        return None if self.beta is None else self.beta * self.bound.steps

    @property
    def worst_cell(self) -> tuple[dict[str, float], float] | None:
        """The cell whose NLL lies highest above its entropy: its parameters, and nats per step."""
        if self.bound.excess is None:
            return None
        worst = int(np.argmax(self.bound.excess))
        cell = dict(zip(self.grid.names, self.grid.cells[worst].tolist(), strict=True))
        return cell, float(self.bound.excess[worst])

    def to_json(self) -> dict[str, Any]:
        """The keys of `spivae evaluate --json`."""
        bound, known = self.bound, self.limits
        identified = {item.latent: item for item in self.identified}
        worst = self.worst_cell
        columns = zip(bound.kl_latents, bound.var_mu, bound.mean_logvar, strict=True)
        latents = []
        for index, (kl, var_mu, mean_logvar) in enumerate(columns):
            latents.append({"index": index, "kl": kl, "var_mu": var_mu, "mean_logvar": mean_logvar})
            latents[-1] |= _encoded(identified.get(index))
        return {
            "n": bound.n,
            "seed": self.seed,
            "beta": self.beta,
            "beta_true_units": self.weight,
            "nll": bound.nll.value,
            "nll_se": bound.nll.error,
            "kl": bound.kl_latents.sum(),
            "neg_elbo": bound.neg_elbo.value,
            "neg_elbo_se": bound.neg_elbo.error,
            "entropy": known and known.entropy,
            "information": known and known.information,
            "floor": known and known.floor,
            "gap_nats": self.gap and self.gap.nats,
            "gap": self.gap and asdict(self.gap),
            "limits": known and asdict(known) | {"floor": known.floor, "bound": known.bound},
            "surviving": self.surviving,
            "latents": latents,
            "parameters": _by_parameter(self.accuracy.get(LATENTS)),
            "estimators": {name: _by_parameter(found) for name, found in self.accuracy.items()},
            "worst_cell_nats": worst and worst[1],
            "worst_cell": worst and worst[0],
            "generation": self.generation and self.generation.to_json(),
        }


def _encoded(found: Identified | None) -> dict[str, Any]:
    if found is None or not found.expression:
        return {"expression": None, "r2": None}
    keys = ("expression", "r2", "r2_trajectory", "ceiling", "spearman", "terms", "t_star", "t_star_sd")
    return {key: getattr(found, key) for key in keys}


def _by_parameter(found: dict[str, Accuracy] | None) -> dict[str, Any] | None:
    return found and {name: asdict(item) for name, item in found.items()}


def evaluate(
    model: WaveNetVAE,
    process: Process,
    grid: Grid,
    n: int,
    seed: int,
    *,
    beta: float | None = None,
    generated: int = 0,
    progress: Progress = lambda done, total, what: None,
) -> Evaluation:
    """Judge a model on at least n fresh trajectories, as many in each cell of the grid.

    What latents encode is read off the first 100,000 of them; accuracy is judged on as many again (from 200
    to 100,000), with parameters uniform between the ends of the grid; generation on `generated` trajectories
    of 200 steps in each cell of a thinner grid, or not at all.
    """
    compared = compare(model, process, grid, n, seed, beta=beta, progress=progress)
    args, grid, bound = model.args, compared.grid, compared.bound
    # a stream of its own for each part: one that changes leaves the others' figures as they were
    streams = [np.random.default_rng([seed, part]) for part in (2, 3)]
    survivors, identified, accuracy = bound.surviving, [], {}
    if len(bound.kl_latents):
        identified = identify(
            process, bound.theta, bound.mu, logvar=bound.logvar, latents=survivors, length=args.o_dim + 1
        )
        judged = min(max(bound.n, _JUDGED), _MOST)
        accuracy = knowledge(model, process, grid, survivors, judged, streams[0], progress).accuracy()
    return Evaluation(
        seed=seed,
        grid=grid,
        bound=bound,
        limits=compared.limits,
        gap=compared.gap,
        identified=identified,
        accuracy=accuracy,
        generation=_generation(model, process, grid, generated, streams[1], progress),
        beta=beta,
    )


def _generation(
    model: WaveNetVAE,
    process: Process,
    grid: Grid,
    per_cell: int,
    rng: np.random.Generator,
    progress: Progress,
) -> GenerationQuality | None:
    """On all values of the first parameter, and up to four of each other one from end to end."""
    if not per_cell or not model.args.latents:
        return None

    def advance(done: int, total: int) -> None:
        progress(done, total, "generating")

    first, *others = grid.names
    thinner = {first: grid.values[first]}
    thinner |= {name: grid.values[name][evenly(len(grid.values[name]), _OTHERS)] for name in others}
    return generation_quality(model, process, Grid(thinner), per_cell, _GENERATED, rng, advance)
