"""What a model's latents know of the parameters, beside the best and the classical estimators."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spivae.accuracy import Accuracy, accuracy, learned, scaled, uniform
from spivae.dataset import Grid, simulate
from spivae.estimators import log_square_fit, ta_msd_fit
from spivae.generation import encode
from spivae.limits import has_limits, posterior
from spivae.process import Process

if TYPE_CHECKING:
    from spivae.model.vae import WaveNetVAE

Array = npt.NDArray[Any]
Progress = Callable[[int, int, str], None]
_CHUNK = 4096

LATENTS = "surviving latents"
BAYES = "Bayes posterior mean"
MEDIAN = "Bayes posterior median"
LIKELIHOOD = "maximum likelihood"


@dataclass(frozen=True)
class Knowledge:
    """Estimates (n, p) by each estimator of `truth` (n, p), on the parameters' own scales (ln where log)."""

    process: Process
    truth: Array
    estimates: Mapping[str, Array]

    def accuracy(self) -> dict[str, dict[str, Accuracy]]:
        """The accuracy of every estimator in every parameter."""
        bayes = self.estimates.get(BAYES)
        return {
            name: accuracy(self.process, found, self.truth, bayes) for name, found in self.estimates.items()
        }


def knowledge(
    model: WaveNetVAE,
    process: Process,
    grid: Grid,
    latents: Sequence[int],
    n: int,
    rng: np.random.Generator,
    progress: Progress = lambda done, total, what: None,
) -> Knowledge:
    """Estimate n parameters that are uniform between the ends of the grid, from a fresh trajectory of each.

    The latents speak through a regression that is cross-validated; without any there is none. The posterior
    and the maximum of the likelihood are there for a process with exact limits, classical fits for one with
    the parameters alpha and D.
    """
    theta = uniform(process, n, rng, grid)
    parts: list[dict[str, Array]] = []
    for start in range(0, n, _CHUNK):
        progress(start, n, "estimating")
        x = simulate(process, theta[start : start + _CHUNK], model.args.o_dim, rng).displacements[:, 0]
        parts.append(_estimates(model, process, grid, latents, x))
    found = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    truth = scaled(process, theta)
    if latents:
        found[LATENTS] = learned(found[LATENTS], truth, rng)
    return Knowledge(process, truth, found)


def _estimates(
    model: WaveNetVAE, process: Process, grid: Grid, latents: Sequence[int], x: Array
) -> dict[str, Array]:
    """What every estimator says of displacements x (n, L); of the latents, themselves."""
    found: dict[str, Array] = {LATENTS: encode(model, x)[0][:, list(latents)]} if latents else {}
    if has_limits(process):
        best = posterior(process, x, grid=grid)
        found |= {BAYES: best.mean, MEDIAN: best.median, LIKELIHOOD: best.maximum_likelihood}
    if process.names == ("alpha", "D"):
        found |= {"TA-MSD, lags 1-10": ta_msd_fit(x), "log dx² regression": log_square_fit(x)}
    return found
