"""What a latent encodes: the sparsest expression in a process's parameters that its cell means follow.

Candidates are the parameters (the logarithm where the scale is one; value and logarithm where a linear one
is positive) and the process's own `combinations`. A fit is linear in up to three of them: of a latent that
follows its expression monotonely but bends, the R^2 is smaller and the rank correlation still near one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from spivae.errors import SpivaeError
from spivae.identification.features import Feature, distinct, features_of, taken_apart
from spivae.identification.fitting import CellMeans, Choice, cell_means, choose
from spivae.identification.wording import aging, time_of, wording
from spivae.process import Array, Process

__all__ = ["Identified", "identify"]

# an expression that leaves more than this part of what it could explain is none
_LEAST = 0.5


@dataclass(frozen=True)
class Identified:
    """The expression e that a latent encodes, or an empty one and the reason.

    In every cell the mean of mu is about intercept + slope * e, which is constant + the sum of `terms`
    {feature: coefficient}. `r2` and the rank correlation `spearman` (of mu with e) are those of the cell
    means; `r2_trajectory` is that of single trajectories with z drawn from q(z|x), at most about `ceiling` =
    1 - exp(-2 KL). An expression of ln D and α refers to a time: `t_star` as in ln(α D t*^(α-1)), below 1
    where the exponent has the other sign; it is the best one, also where `expression` says T because T is as
    good. What is not known is NaN or None.
    """

    latent: int
    expression: str = ""
    terms: Mapping[str, float] = field(default_factory=dict)
    constant: float = math.nan
    slope: float = math.nan
    intercept: float = math.nan
    r2: float = math.nan
    r2_trajectory: float = math.nan
    ceiling: float = math.nan
    spearman: float = math.nan
    t_star: float | None = None
    t_star_sd: float | None = None
    reason: str = ""

    def values(self, process: Process, theta: Array, length: int) -> Array:
        """The expression (n,) at theta (n, p). Raises SpivaeError where there is none."""
        if not self.expression:
            raise SpivaeError(f"latent {self.latent}: {self.reason}")
        theta = np.asarray(theta, dtype=float)
        features = {feature.name: feature.values for feature in features_of(process, theta, length)}
        total = sum((c * features[name] for name, c in self.terms.items()), np.zeros(len(theta)))
        return np.asarray((self.constant + total - self.intercept) / self.slope)


def identify(
    process: Process, theta: Array, mu: Array, *, logvar: Array, latents: Sequence[int], length: int
) -> list[Identified]:
    """What each of `latents` encodes, from theta (n, p) and the latents' mu and logvar (n, Z).

    `length` is the trajectories' number of positions, T. Those with the same parameters are a cell; those
    whose latents are not finite are left out. Raises SpivaeError where shapes do not fit each other, the
    process or the latents asked for.
    """
    theta, mu, logvar = (np.asarray(values, dtype=float) for values in (theta, mu, logvar))
    if theta.ndim != 2 or theta.shape[1] != len(process.parameters):
        raise SpivaeError(
            f"theta: needs shape (n, {len(process.parameters)}) for process {process.name}, not {theta.shape}"
        )
    if mu.ndim != 2 or mu.shape != logvar.shape or len(mu) != len(theta):
        raise SpivaeError(
            f"mu and logvar: need a row for each of theta, so shape ({len(theta)}, Z), "
            f"not {mu.shape} and {logvar.shape}"
        )
    for latent in latents:
        if not 0 <= latent < mu.shape[1]:
            raise SpivaeError(f"latent {latent}: this model has latents 0..{mu.shape[1] - 1}")
    return [_identify(process, theta, mu[:, k], logvar[:, k], k, length) for k in latents]


def _identify(
    process: Process, theta: Array, mu: Array, logvar: Array, latent: int, length: int
) -> Identified:
    whole = np.isfinite(mu) & np.isfinite(logvar)
    theta, mu, logvar = theta[whole], mu[whole], logvar[whole]
    if not len(mu):
        return Identified(latent, reason="no trajectory has it")
    ceiling = -math.expm1(-float(np.mean(mu**2 + np.exp(logvar) - 1 - logvar)))
    blank = Identified(latent, ceiling=ceiling)
    cells, cell = cell_means(theta, mu)
    if len(cells.mean) < 3:
        return replace(blank, reason=f"needs three or more cells of parameters, not {len(cells.mean)}")
    features = features_of(process, cells.theta, length)
    if not (candidates := distinct(features)):
        return replace(blank, reason=f"process {process.name} has nothing that varies")
    if not cells.variance > 1e-20 * float(np.mean(mu**2)):
        return replace(blank, reason="its mean is the same in every cell")
    choice = choose(candidates, cells)
    if choice is None:
        return replace(blank, reason=f"needs more than {len(cells.mean)} cells of parameters")
    told = _told(blank, process, choice, {f.name: f for f in features}, cells, length)
    spread = float(np.var(mu) + np.mean(np.exp(logvar)))  # of z
    explained = float(np.var(mu) - np.mean((mu - choice.fit.values[cell]) ** 2))
    told = replace(told, r2_trajectory=explained / spread)
    possible = 1.0 if math.isnan(cells.noise) else 1 - cells.noise / cells.variance
    if told.r2 >= _LEAST * possible and not choice.chance:
        return told
    best = f"the best, {told.expression}, has R² {told.r2:.2f}"
    why = "chance explains as much" if told.r2 >= _LEAST else "no expression explains half of it"
    return replace(blank, r2=told.r2, r2_trajectory=told.r2_trajectory, reason=f"{why}: {best}")


def _told(
    blank: Identified,
    process: Process,
    choice: Choice,
    features: Mapping[str, Feature],
    cells: CellMeans,
    length: int,
) -> Identified:
    """A fit in words. Combinations of an exponent and a D are taken apart, so as to have their time."""
    found = choice.fit
    own = set(aging(process) or ()) & features.keys()
    terms: dict[str, float] = {}
    for feature, coefficient in zip(found.features, found.coefficients, strict=True):
        parts = taken_apart(process, feature.name, length) if feature.combined and own else None
        if parts is None or not parts.keys() <= own:
            parts = {feature.name: 1.0}
        for name, value in parts.items():
            terms[name] = terms.get(name, 0.0) + float(coefficient) * value
    total = sum((c * features[name].values for name, c in terms.items()), np.zeros(len(cells.mean)))
    time = time_of(process, terms, features, cells, choice.v)
    largest = max(terms, key=lambda name: abs(terms[name]) * float(np.std(features[name].values)))
    words = wording(process, terms, largest, time, length)
    constant = float(cells.share @ (found.values - total))
    intercept = constant - words.slope * words.offset
    return replace(
        blank,
        expression=words.text,
        terms=terms,
        constant=constant,
        slope=words.slope,
        intercept=intercept,
        r2=1 - found.left / cells.variance,
        spearman=_rank_correlation(cells.mean, (found.values - intercept) / words.slope),
        t_star=None if time is None else math.exp(time.log),
        t_star_sd=None if time is None else math.exp(time.log) * time.log_sd,
    )


def _rank_correlation(x: Array, y: Array) -> float:
    """Spearman's: the correlation of the ranks, ties sharing their mean rank."""
    return float(np.corrcoef(_ranks(x), _ranks(y))[0, 1])


def _ranks(values: Array) -> Array:
    steps = np.round(values / np.ptp(values), 12)  # a fit's ties differ in their last digits
    _, inverse, counts = np.unique(steps, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts + 1) / 2)[inverse.ravel()])
