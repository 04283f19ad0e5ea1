"""What a trajectory tells about its parameters: the Bayes posterior and the maximum of the likelihood.

The prior is uniform between the ends of each parameter's range, on the parameter's own scale. The posterior
is summed on a grid that is finer than any posterior is wide.
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
    between the ends of the ranges.
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
    value there is known. `points` of the fine grid are as many as the Fisher information asks for, unless
    told. Raises SpivaeError where the process has no covariance or arguments do not fit.
    """
    require_limits(process)
    x = checked_displacements(x)
    ends = _ends(process, grid)
    axes = _axes(process, ends, x.shape[1], points)
    cells = np.stack([axis.ravel() for axis in np.meshgrid(*axes, indexing="ij")], axis=-1)
    theta = np.stack([p.from_scale(c) for p, c in zip(process.parameters, cells.T, strict=True)], axis=-1)
    shapes, sizes = shapes_of(process, theta, x.shape[1]), tuple(map(len, axes))
    names = [item.name for item in fields(Posterior) if item.name != "names"]
    columns = {name: np.empty((len(x), len(axes))) for name in names}
    for block, sums in summed(process, x, shapes.rows):
        for rows in parts(block.stop - block.start, AT_ONCE // len(cells)):
            part = sums.take(rows)
            weight = part.log_likelihood(shapes.index, shapes.log_scale)
            weight -= weight.max(axis=1, keepdims=True)
            np.exp(weight, out=weight)
            found = _moments(weight.reshape(-1, *sizes), axes, ends)
            found["maximum_likelihood"] = _likeliest(part, shapes, axes, ends)
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


def _axes(process: Process, ends: Array, steps: int, points: int | Mapping[str, int] | None) -> list[Array]:
    """For each parameter the middles of equal parts of its range, on its own scale; one for a known one."""
    names = process.names
    if points is None:
        wanted = dict(zip(names, _needed(process, ends, steps), strict=True))
    else:
        wanted = dict.fromkeys(names, points) if isinstance(points, int) else dict(points)
    axes = []
    for name, (low, high) in zip(names, ends, strict=True):
        number = 1 if low == high else wanted.get(name, 0)
        if number < 3 and low < high:
            raise SpivaeError(f"points of {name}: needs 3 or more, not {number}")
        axes.append(low + (high - low) * (np.arange(number) + 0.5) / number)
    return axes


def _needed(process: Process, ends: Array, steps: int) -> list[int]:
    """Points of each parameter's axis that resolve the posterior everywhere.

    With a spacing up to 1.5 of the standard deviation given the other parameters, sums over the lattice are
    integrals to 2e-4 (Poisson summation). Quantiles are interpolated: they want 0.6 of the marginal's.
    """
    middles = [np.unique([low, (low + high) / 2, high]) for low, high in ends]
    corners = [
        [p.from_scale(value) for p, value in zip(process.parameters, row, strict=True)]
        for row in itertools.product(*middles)
    ]
    theta = np.array(corners, dtype=float)
    information = fisher_information(process, theta, steps)
    given_others = 1 / np.sqrt(np.maximum(information.diagonal(axis1=1, axis2=2), 1e-12))
    spacing = np.minimum(1.5 * given_others, 0.6 * least_deviations(information)).min(axis=0)
    return [max(25, int(np.ceil(number))) for number in (ends[:, 1] - ends[:, 0]) / spacing]


def _moments(weight: Array, axes: list[Array], ends: Array) -> dict[str, Array]:
    """Moments and quantiles (n, p) of weights (n, points of each axis)."""
    found: dict[str, list[Array]] = {name: [] for name in ("mean", "sd", "median", "low95", "high95")}
    for k, axis in enumerate(axes):
        others = tuple(i + 1 for i in range(len(axes)) if i != k)
        share = weight.sum(axis=others)
        share /= share.sum(axis=1, keepdims=True)
        mean = share @ axis
        found["mean"].append(mean)
        found["sd"].append(np.sqrt(np.einsum("nk,nk->n", share, (axis - mean[:, None]) ** 2)))
        edges = np.linspace(ends[k, 0], ends[k, 1], len(axis) + 1)
        below = np.cumsum(share, axis=1)
        for name, level in (("median", 0.5), ("low95", 0.025), ("high95", 0.975)):
            found[name].append(_quantile(edges, below, share, level))
    return {name: np.stack(values, axis=1) for name, values in found.items()}


def _quantile(edges: Array, below: Array, share: Array, level: float) -> Array:
    """Where the sums `below` (n, k) of shares of the parts between edges (k + 1,) reach the level."""
    part = np.minimum((below < level).sum(axis=1), below.shape[1] - 1)[:, None]
    held = np.take_along_axis(share, part, axis=1)
    inside = 1 - (np.take_along_axis(below, part, axis=1) - level) / held
    return np.asarray((edges[part] + np.clip(inside, 0, 1) * (edges[part + 1] - edges[part]))[:, 0])


def _likeliest(sums: Sums, shapes: Shapes, axes: list[Array], ends: Array) -> Array:
    """Maximum-likelihood estimates (n, p): each shape's scale in closed form, then the likeliest shape."""
    others = [k for k in range(len(axes)) if k != shapes.column]
    index, low, high = shapes.index.reshape([len(axis) for axis in axes]), 0.0, 0.0
    if shapes.column is not None:
        index = index.take(0, axis=shapes.column)
        low, high = ends[shapes.column] - shapes.log_unit
    scale = sums.likeliest_scale(low, high)
    height = sums.log_likelihood(np.arange(scale.shape[1]), scale)
    where, scale = peak(height[:, index], scale[:, index])
    found = np.empty((len(scale), len(axes)))
    for column, k in enumerate(others):
        found[:, k] = ends[k, 0] + (ends[k, 1] - ends[k, 0]) * (where[:, column] + 0.5) / len(axes[k])
    if shapes.column is not None:
        found[:, shapes.column] = scale + shapes.log_unit
    return np.clip(found, ends[:, 0], ends[:, 1])
