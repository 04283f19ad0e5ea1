"""What a latent encodes: the sparsest expression in a process's parameters that its cell means follow.

Candidates are the parameters (the logarithm where the scale is one; value and logarithm where a linear one
is positive) and the process's own `combinations`. A fit is linear in up to three of them: of a latent that
follows its expression monotonely but bends, the R^2 is smaller and the rank correlation still near one. Where
no such sum explains a latent, a polynomial in a single one of them may: then it folds back.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from spivae.errors import SpivaeError
from spivae.identification.features import Feature, distinct, features_of, taken_apart
from spivae.identification.fitting import CellMeans, Fit, cell_means, choose, choose_curve
from spivae.identification.wording import Time, Wording, aging, has_time, time_of, wording
from spivae.process import Array, Process

__all__ = ["Identified", "identify"]

# an expression that explains less of what it could explain is none; a curve could follow more by chance
_LEAST, _LEAST_BENT = 0.5, 0.8


@dataclass(frozen=True)
class Identified:
    """The expression e that a latent encodes, or an empty one and the reason.

    The values of e are `offset` + the sum of `terms` {feature: coefficient}, and a cell's mean of mu is about
    curve[0] + curve[1] e, with higher powers where the latent is `folded`. `r2` is that of the cell means on
    this curve, and `spearman` the rank correlation of the means with e; `r2_trajectory` is that of single
    trajectories with z drawn from q(z|x), at most about `ceiling` = 1 - exp(-2 KL).

    An expression of ln D and α refers to a time: `t_star` as in ln(α D t*^(α-1)), below 1 where the exponent
    has the other sign. It is the best one, also where `expression` says T because T is as good; None beyond
    T^2, where one of the two is hardly encoded. What is not known is NaN or None.
    """

    latent: int
    expression: str = ""
    terms: Mapping[str, float] = field(default_factory=dict)
    offset: float = 0.0
    curve: tuple[float, ...] = ()
    r2: float = math.nan
    r2_trajectory: float = math.nan
    ceiling: float = math.nan
    spearman: float = math.nan
    t_star: float | None = None
    t_star_sd: float | None = None
    reason: str = ""

    @property
    def folded(self) -> bool:
        """Whether a line does not do."""
        return len(self.curve) > 2

    def values(self, process: Process, theta: Array, length: int) -> Array:
        """The expression (n,) at theta (n, p). Raises SpivaeError where there is none."""
        if not self.expression:
            raise SpivaeError(f"latent {self.latent}: {self.reason}")
        features = features_of(process, np.asarray(theta, dtype=float), length)
        return _values(self.terms, self.offset, {feature.name: feature for feature in features})

    def expected(self, values: Array) -> Array:
        """The mean of mu (n,) where the expression has these values."""
        return np.asarray(np.polynomial.polynomial.polyval(values, np.array(self.curve)))


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

    def told(found: Fit, expression: Fit, degree: int) -> Identified:
        explained = float(np.var(mu) - np.mean((mu - found.values[cell]) ** 2))
        spread = float(np.var(mu) + np.mean(np.exp(logvar)))  # of z
        named = {feature.name: feature for feature in features}
        words, time = _worded(process, expression, named, cells, choice.v, length)
        values = _values(words.terms, words.offset, named)
        curve = np.polynomial.Polynomial.fit(values, found.values, degree).convert().coef
        return replace(
            blank,
            expression=words.text,
            terms=words.terms,
            offset=words.offset,
            curve=tuple(map(float, curve)),
            r2=1 - found.left / cells.variance,
            r2_trajectory=explained / spread,
            spearman=_rank_correlation(cells.mean, values),
            t_star=None if time is None or degree > 1 else math.exp(time.log),
            t_star_sd=None if time is None or degree > 1 else math.exp(time.log) * time.log_sd,
        )

    line = told(choice.fit, choice.fit, 1)
    possible = 1.0 if math.isnan(cells.noise) else max(1 - cells.noise / cells.variance, 0.0)
    if line.r2 >= _LEAST * possible and not choice.chance:
        return line
    bent = choose_curve(candidates, cells)
    if bent is not None and 1 - bent.left / cells.variance >= _LEAST_BENT * possible:
        return told(bent, Fit(bent.features[:1], 0.0, np.ones(1), 0.0), len(bent.features))
    best = f"the best, {line.expression}, has R² {line.r2:.2f}"
    why = "chance explains as much" if line.r2 >= _LEAST else "no expression explains half of it"
    return replace(blank, r2=line.r2, r2_trajectory=line.r2_trajectory, reason=f"{why}: {best}")


def _worded(
    process: Process, found: Fit, features: Mapping[str, Feature], cells: CellMeans, v: float, length: int
) -> tuple[Wording, Time | None]:
    """A fit in words, and its time; for that, combinations of an exponent and a D are taken apart."""
    own = set(aging(process) or ()) & features.keys()
    terms: dict[str, float] = {}
    for feature, coefficient in zip(found.features, found.coefficients, strict=True):
        parts = taken_apart(process, feature.name, length) if feature.combined and own else None
        if parts is None or not parts.keys() <= own:
            parts = {feature.name: 1.0}
        for name, value in parts.items():
            terms[name] = terms.get(name, 0.0) + float(coefficient) * value
    time = time_of(process, terms, features, cells, v) if has_time(process, terms, length) else None
    largest = max(terms, key=lambda name: abs(terms[name]) * float(np.std(features[name].values)))
    return wording(process, terms, largest, time, length), time


def _values(terms: Mapping[str, float], offset: float, features: Mapping[str, Feature]) -> Array:
    return np.asarray(offset + np.sum([c * features[name].values for name, c in terms.items()], axis=0))


def _rank_correlation(x: Array, y: Array) -> float:
    """Spearman's: the correlation of the ranks, ties sharing their mean rank."""
    return float(np.corrcoef(_ranks(x), _ranks(y))[0, 1])


def _ranks(values: Array) -> Array:
    steps = np.round(values / np.ptp(values), 12)  # a fit's ties differ in their last digits
    _, inverse, counts = np.unique(steps, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts + 1) / 2)[inverse.ravel()])
