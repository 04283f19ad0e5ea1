"""What a trajectory tells about its parameters: the Bayes posterior and the maximum of the likelihood.

The prior is uniform between the ends of each parameter's range, on the parameter's own scale. The posterior
is integrated on a grid that is finer than it is wide.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from spivae.dataset import Grid
from spivae.errors import SpivaeError
from spivae.limits.axes import Axis
from spivae.limits.fisher import fisher_information, least_deviations
from spivae.limits.gaussian import Sums, parts, summed
from spivae.limits.moments import AT_ONCE, checked_displacements, require_limits
from spivae.limits.peak import peak
from spivae.limits.shapes import Shapes, shapes_of
from spivae.process import Process

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Posterior:
    """The posterior of n trajectories; every array is (n, p), on the parameters' own scales (ln where log).

    `low95` and `high95` hold the central 95 %. `maximum_likelihood` is where the likelihood is largest
    between the ends of the ranges; within one `sd` of an end it may be off by a quarter of that.
    """

    names: tuple[str, ...]
    mean: Array
    sd: Array
    median: Array
    low95: Array
    high95: Array
    maximum_likelihood: Array


def posterior(
    process: Process,
    x: Array,
    *,
    points: int | Mapping[str, int] | None = None,
    grid: Grid | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Posterior:
    """The posterior of each trajectory x (n, L).

    The prior's range is that of the process, or from end to end of a (training) grid; a parameter with one
    value there is known. The fine grid has as many points an axis as the Fisher information asks for, or as
    `points` says: fewer are faster, and coarser. Raises SpivaeError where the process has no covariance or
    arguments do not fit.
    """
    require_limits(process)
    x = checked_displacements(x)
    ends = _ends(process, grid)
    axes = _axes(process, ends, x.shape[1], points)
    lattice = np.meshgrid(*(axis.points for axis in axes), indexing="ij")
    cells = np.stack([values.ravel() for values in lattice], axis=-1)
    theta = np.stack([p.from_scale(c) for p, c in zip(process.parameters, cells.T, strict=True)], axis=-1)
    shapes, sizes = shapes_of(process, theta, x.shape[1]), [axis.size for axis in axes]
    names = [item.name for item in fields(Posterior) if item.name != "names"]
    columns = {name: np.empty((len(x), len(axes))) for name in names}
    for block, sums in summed(process, x, shapes.rows):
        for rows in parts(block.stop - block.start, AT_ONCE // len(cells)):
            part = sums.take(rows)
            weight = part.log_likelihood(shapes.index, shapes.log_scale)
            weight -= weight.max(axis=1, keepdims=True)
            np.exp(weight, out=weight)
            found = _moments(weight.reshape(-1, *sizes), axes)
            found["maximum_likelihood"] = _likeliest(part, shapes, axes)
            for name in names:
                columns[name][block][rows] = found[name]
            progress(block.start + rows.stop, len(x))
    return Posterior(process.names, **columns)


def _ends(process: Process, grid: Grid | None) -> Array:
    """The ends of each parameter's range (p, 2), on its own scale."""
    values = (Grid.of(process) if grid is None else grid.ordered(process)).values
    return np.array(
        [p.to_scale(np.array([values[p.name].min(), values[p.name].max()])) for p in process.parameters]
    )


def _axes(process: Process, ends: Array, steps: int, points: int | Mapping[str, int] | None) -> list[Axis]:
    """The fine grid's axis of each parameter, on its own scale."""
    names = process.names
    if points is None:
        wanted = dict(zip(names, _needed(process, ends, steps), strict=True))
    else:
        wanted = dict.fromkeys(names, points) if isinstance(points, int) else dict(points)
    axes = []
    for name, (low, high) in zip(names, ends, strict=True):
        if low < high and wanted.get(name, 0) < 3:
            raise SpivaeError(f"points of {name}: needs 3 or more, not {wanted.get(name, 0)}")
        axes.append(Axis(low, high, wanted.get(name, 1)))
    return axes


def _needed(process: Process, ends: Array, steps: int) -> list[int]:
    """Points of each parameter's axis that resolve the posterior everywhere.

    A spacing of 1.5 of the standard deviation given all other parameters makes sums over the lattice
    integrals to 2e-4 (Poisson summation); 0.8 of the marginal one does so for what lies between points.
    At least 32, for the posteriors of short trajectories that an end of the range cuts off.
    """
    angle = np.arccos([0.9, 0.0, -0.9])  # near both ends and in the middle of a range
    middle, half = ends.mean(axis=1), (ends[:, 1] - ends[:, 0]) / 2
    angles = np.stack(list(itertools.product(angle, repeat=len(ends))))
    places = middle - half * np.cos(angles)
    theta = np.stack([p.from_scale(v) for p, v in zip(process.parameters, places.T, strict=True)], axis=1)
    information = fisher_information(process, theta, steps)
    given_others = 1 / np.sqrt(np.maximum(information.diagonal(axis1=1, axis2=2), 1e-12))
    spacing = np.minimum(1.5 * given_others, 0.8 * least_deviations(information))
    return [max(32, int(np.ceil(n))) for n in (np.pi * half * np.sin(angles) / spacing).max(axis=0)]


def _moments(weight: Array, axes: list[Axis]) -> dict[str, Array]:
    """Moments and quantiles (n, p) of densities (n, size of each axis), not normalised."""
    found: dict[str, list[Array]] = {name: [] for name in ("mean", "sd", "low95", "median", "high95")}
    for k, axis in enumerate(axes):
        density = weight
        for other in reversed(range(len(axes))):
            if other != k:
                density = np.tensordot(density, axes[other].measure, axes=(other + 1, 0))
        share = density * axis.measure
        share /= share.sum(axis=1, keepdims=True)
        mean = share @ axis.points
        found["mean"].append(mean)
        variance = np.einsum("nk,nk->n", share, (axis.points - mean[:, None]) ** 2)
        found["sd"].append(np.sqrt(np.maximum(variance, 0)))
        quantiles = axis.quantiles(density, (0.025, 0.5, 0.975))
        for name, values in zip(("low95", "median", "high95"), quantiles.T, strict=True):
            found[name].append(values)
    return {name: np.stack(values, axis=1) for name, values in found.items()}


def _likeliest(sums: Sums, shapes: Shapes, axes: list[Axis]) -> Array:
    """Maximum-likelihood estimates (n, p): each shape's scale in closed form, then the likeliest shape."""
    others = [k for k in range(len(axes)) if k != shapes.column]
    index, low, high = shapes.index.reshape([axis.size for axis in axes]), 0.0, 0.0
    if shapes.column is not None:
        index = index.take(0, axis=shapes.column)
        low, high = axes[shapes.column].low - shapes.log_unit, axes[shapes.column].high - shapes.log_unit
    scale = sums.likeliest_scale(low, high)
    height = sums.log_likelihood(np.arange(scale.shape[1]), scale)
    found = np.empty((len(scale), len(axes)))
    found[:, others], scale = peak(height[:, index], scale[:, index], [axes[k] for k in others])
    if shapes.column is not None:
        found[:, shapes.column] = np.clip(scale, low, high) + shapes.log_unit
    return found
