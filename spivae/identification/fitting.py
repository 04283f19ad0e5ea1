"""Linear fits to cell means, and the choice among them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from spivae.identification.features import Feature, subsets
from spivae.process import Array

# A latent is seldom an exactly linear function of anything. What the best candidate leaves is smooth over the
# grid, like a quadratic and a cubic in two parameters: it holds about this many independent values, however
# many cells there are. Counted as independent cells, it would ask for every term on every large grid.
_SMOOTH = 8
_WORTH = 9.0  # a term's, in units of what chance gives it
_BENDS = 4


@dataclass(frozen=True)
class CellMeans:
    """Cells' parameters (m, p), their share of the trajectories (m,), a latent's means (m,) in them.

    `noise` is the mean square of the means' sampling errors, NaN where no cell has two trajectories.
    """

    theta: Array
    share: Array
    mean: Array
    noise: float

    @property
    def variance(self) -> float:
        return float(self.share @ (self.mean - self.share @ self.mean) ** 2)


@dataclass(frozen=True)
class Fit:
    """mean = constant + sum of coefficients * features, with the mean square of what is left."""

    features: tuple[Feature, ...]
    constant: float
    coefficients: Array
    left: float

    @property
    def values(self) -> Array:
        """What the fit says (m,)."""
        return self.constant + sum(
            (c * f.values for c, f in zip(self.coefficients, self.features, strict=True)), np.zeros(1)
        )


@dataclass(frozen=True)
class Choice:
    """A fit, the variance v its coefficients are judged by, and whether a constant does as well by chance."""

    fit: Fit
    v: float
    chance: bool


def cell_means(theta: Array, mu: Array) -> tuple[CellMeans, Array]:
    """The means over each distinct row of theta (n, p) of mu (n,); and the cell (n,) of each row."""
    cells, inverse = np.unique(theta, axis=0, return_inverse=True)
    inverse = inverse.ravel()
    counts = np.bincount(inverse)
    mean = np.bincount(inverse, mu) / counts
    spare = len(mu) - len(cells)
    within = float(((mu - mean[inverse]) ** 2).sum() / spare) if spare else math.nan
    # the share-weighted mean of within / count
    return CellMeans(cells, counts / len(mu), mean, within * len(cells) / len(mu)), inverse


def fit(features: Sequence[Feature], cells: CellMeans) -> Fit | None:
    """Least squares weighted by the cells' shares; None where the features are collinear or too many."""
    m, k = len(cells.mean), len(features)
    if m < k + 2:
        return None
    design = np.column_stack([feature.values for feature in features])
    middle = cells.share @ design
    centred = (design - middle) * np.sqrt(cells.share)[:, None]
    size = np.linalg.norm(centred, axis=0)
    if np.linalg.matrix_rank(centred / size, tol=1e-8) < k:
        return None
    average = cells.share @ cells.mean
    target = (cells.mean - average) * np.sqrt(cells.share)
    coefficients = np.linalg.lstsq(centred / size, target, rcond=None)[0] / size
    left = float(np.square(target - centred @ coefficients).sum())
    return Fit(tuple(features), float(average - middle @ coefficients), coefficients, left)


def choose(features: Sequence[Feature], cells: CellMeans) -> Choice | None:
    """The sparsest fit that nothing beats; None where there are too few cells for any.

    Minimises left / v + 9 k + 2 ln C(p, k) for k of p features, v being what one more useless term takes away
    on average: the sampling error over the number of cells, and the misfit of the best candidate over the
    number of its independent values. It is the extended Bayesian information criterion (Chen and Chen,
    Biometrika 95, 759, 2008) with three standard deviations in the place of the logarithm, so that a wrong
    term is rare.
    """
    m, p = len(cells.mean), len(features)
    fits = [found for chosen in subsets(features) if (found := fit(chosen, cells)) is not None]
    if not fits:
        return None
    least = min(found.left * m / (m - len(found.features) - 1) for found in fits)
    # without two trajectories in any cell the two errors cannot be told apart: all is taken for sampling
    noise = least if math.isnan(cells.noise) else cells.noise
    misfit = max(least - noise * (1 + 2 * math.sqrt(2 / m)), 0.0)  # beyond what noise alone may leave
    v = max(noise / m + misfit / min(m, _SMOOTH), 1e-14 * cells.variance)

    def cost(found: Fit) -> float:
        k = len(found.features)
        return found.left / v + _WORTH * k + 2 * math.log(math.comb(p, k))

    least_cost = min(map(cost, fits))
    # of those that are the same but for rounding the first: parameters rather than combinations
    best = next(found for found in fits if cost(found) <= least_cost + 1e-6 * abs(least_cost))
    return Choice(best, v, cost(best) >= cells.variance / v)


def choose_curve(features: Sequence[Feature], cells: CellMeans) -> Fit | None:
    """The best polynomial of degree `_BENDS` in one feature, for a latent that folds back.

    The features of the fit are the powers of the feature, moved and scaled; each bears its name. None where
    there are too few cells, or chance does as well by the criterion of `choose`.
    """
    m = len(cells.mean)
    if m < 5 * _BENDS:
        return None
    fits: list[Fit] = []
    for feature in features:
        unit = feature.values - cells.share @ feature.values
        unit /= np.abs(unit).max()
        found = fit([replace(feature, values=unit**k) for k in range(1, _BENDS + 1)], cells)
        if found is not None:
            fits.append(found)
    if not fits:
        return None
    best = min(fits, key=lambda found: found.left)
    noise = best.left * m / (m - _BENDS - 1) if math.isnan(cells.noise) else cells.noise
    worth = (cells.variance - best.left) * m
    needed = (_WORTH * _BENDS + 2 * math.log(len(features))) * noise
    return best if worth > needed else None


def covariance(columns: Array, cells: CellMeans, v: float) -> tuple[Array, Array] | None:
    """Coefficients (k,) of columns (m, k) in a fit with a constant, and their covariance (k, k)."""
    found = fit([Feature("", column, frozenset()) for column in columns.T], cells)
    if found is None:
        return None
    centred = columns - cells.share @ columns
    return found.coefficients, v * np.linalg.inv((centred * cells.share[:, None]).T @ centred)
