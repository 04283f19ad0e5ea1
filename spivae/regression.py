"""Nonlinear regression without a network: polynomials with a ridge, judged out of fold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from spivae.errors import SpivaeError
from spivae.process import Array

_HIGHEST = 12  # degree of a polynomial
_MOST_TERMS = 200
_ROWS_A_TERM = 5
_RIDGES = np.geomspace(1e-10, 1.0, 11)  # for terms of unit length
_FAR = 4.0  # standard deviations: a feature beyond is taken for one there, where polynomials are still tame
_AT_ONCE = 8192  # rows


def regress(features: Array, target: Array, folds: int, rng: np.random.Generator) -> Array:
    """Predictions (n,) of a target (n,) from features (n, d), each made without the rows of its own fold.

    A polynomial in the standardised features, least squares with a ridge; degree and ridge are those that
    predict the other folds best, each left out in turn. It estimates the conditional mean, which for errors
    that are near to Gaussian is the conditional median too, and stays within the range of the targets it has
    seen. Raises SpivaeError for rows that differ or are
    not finite, and for fewer than two rows a fold.
    """
    features, target = np.asarray(features, dtype=float), np.asarray(target, dtype=float)
    n = len(target)
    if features.ndim != 2 or features.shape[0] != n or target.ndim != 1:
        raise SpivaeError(f"features and target: shapes {features.shape} and {target.shape} do not fit")
    if not (np.isfinite(features).all() and np.isfinite(target).all()):
        raise SpivaeError("features and target: need finite values")
    if folds < 3 or n < 2 * folds:
        raise SpivaeError(
            f"{n} trajectories in {folds} folds: needs three or more folds, of two or more each"
        )
    basis = _Basis.of(features, n)
    fold = rng.permutation(n) % folds
    grams = np.stack([_gram(basis, features[fold == k], target[fold == k]) for k in range(folds)])
    predictions = np.empty(n)
    for k in range(folds):
        others = [j for j in range(folds) if j != k]
        weights = _best(grams[others], basis.sizes)
        known = target[fold != k]
        for rows in _blocks(np.flatnonzero(fold == k)):
            predicted = basis.design(features[rows])[:, : len(weights)] @ weights
            predictions[rows] = np.clip(predicted, known.min(), known.max())
    return predictions


@dataclass(frozen=True)
class _Basis:
    """Products of Legendre polynomials of the features; `sizes` counts those up to each total degree."""

    mean: Array
    scale: Array
    powers: Array
    sizes: tuple[int, ...]

    @classmethod
    def of(cls, features: Array, n: int) -> _Basis:
        d = features.shape[1]
        powers: list[tuple[int, ...]] = []
        sizes: list[int] = []
        for degree in range(_HIGHEST + 1):
            powers += list(_of_degree(d, degree))
            if sizes and len(powers) > min(_MOST_TERMS, n / _ROWS_A_TERM):
                break
            sizes.append(len(powers))
            if d == 0:
                break
        spread = features.std(axis=0)
        return cls(
            features.mean(axis=0),
            _FAR * np.where(spread > 0, spread, 1.0),
            np.array(powers[: sizes[-1]], dtype=int).reshape(sizes[-1], d),
            tuple(sizes),
        )

    def design(self, features: Array) -> Array:
        """The basis (n, terms) at features (n, d), the terms of low degree first."""
        x = np.clip((features - self.mean) / self.scale, -1, 1)
        highest = int(self.powers.max(initial=0))
        each = np.polynomial.legendre.legvander(x, highest)  # (n, d, highest + 1)
        out = np.ones((len(x), len(self.powers)))
        for k, power in enumerate(self.powers.T):
            out *= each[:, k, power]
        return out


def _of_degree(d: int, degree: int) -> Iterator[tuple[int, ...]]:
    """Every way to share a total degree among d features."""
    if d == 0:
        if degree == 0:
            yield ()
        return
    for first in range(degree, -1, -1) if d > 1 else (degree,):
        for rest in _of_degree(d - 1, degree - first) if d > 1 else ((),):
            yield (first, *rest)


def _blocks(rows: Array) -> Iterator[Array]:
    for start in range(0, len(rows), _AT_ONCE):
        yield rows[start : start + _AT_ONCE]


def _gram(basis: _Basis, features: Array, target: Array) -> Array:
    """Products (terms + 1, terms + 1) of the basis and, last, the target, summed over rows."""
    total = np.zeros((basis.sizes[-1] + 1,) * 2)
    for rows in _blocks(np.arange(len(target))):
        joined = np.column_stack([basis.design(features[rows]), target[rows]])
        total += joined.T @ joined
    return total


def _best(grams: Array, sizes: Sequence[int]) -> Array:
    """Weights of the degree and ridge that predict each fold, given as its products, best from the others."""
    whole = grams.sum(axis=0)
    errors = np.zeros((len(sizes), len(_RIDGES)))
    for held in grams:
        for i, size in enumerate(sizes):
            weights = _ridges(whole - held, size)
            fitted = np.einsum("rk,kl,rl->r", weights, held[:size, :size], weights)
            errors[i] += held[-1, -1] - 2 * weights @ held[:size, -1] + fitted
    degree, ridge = divmod(int(errors.argmin()), len(_RIDGES))
    found: Array = _ridges(whole, sizes[degree])[ridge]
    return found


def _ridges(gram: Array, size: int) -> Array:
    """Weights (ridges, size) of the first terms for every ridge; the constant, which is first, has none."""
    count, sums = gram[0, 0], gram[0, 1:size]
    target = gram[1:size, -1] - sums * gram[0, -1] / count
    centred = gram[1:size, 1:size] - np.outer(sums, sums) / count
    scale = np.sqrt(np.maximum(np.diag(centred), 1e-12 * np.diag(gram)[1:size]))
    scale[scale == 0] = 1.0  # a feature that is the same everywhere
    values, vectors = np.linalg.eigh(centred / np.outer(scale, scale))
    along = vectors.T @ (target / scale)
    weights = (along / (np.maximum(values, 0.0) + _RIDGES[:, None])) @ vectors.T / scale
    return np.column_stack([(gram[0, -1] - weights @ sums) / count, weights])
