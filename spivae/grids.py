"""Which cells of a process's parameters a model is looked at in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from spivae.dataset import Grid
from spivae.process import Parameter, Process
from spivae.subgrid import Subgrid


def training_grid(process: Process, ds_args: Mapping[str, Any]) -> Grid:
    """The grid a checkpoint was trained on, or where it does not say, the process's own."""
    recorded = {name: ds_args.get(name) for name in process.names}
    if any(values is None for values in recorded.values()):
        return Grid.of(process)
    return Grid({name: np.asarray(values, dtype=float) for name, values in recorded.items()})


def wide_grid(process: Process) -> Grid:
    """A grid that reaches a tenth of the range beyond the training range; for alpha and D the seed's own.

    Where the process ceases to exist before that, it reaches half the way there.
    """
    seed = {"alpha": np.linspace(0.04, 1.96, 49), "D": np.geomspace(1e-6, 1e-1, 16)[2:-2]}
    if process.names == tuple(seed) and all(p.admits(seed[p.name]).all() for p in process.parameters):
        return Grid(seed)
    return Grid({parameter.name: _widened(parameter) for parameter in process.parameters})


def chosen_grid(process: Process, ds_args: Mapping[str, Any], which: str, subset: Subgrid) -> Grid:
    """The part that a subset leaves of the "training" grid, or of the wider "test" grid.

    Raises SpivaeError where that is nothing.
    """
    grid = wide_grid(process) if which == "test" else training_grid(process, ds_args)
    kept = grid.cells[subset.keeps(grid.names, grid.cells)]
    pairs = zip(grid.values.items(), kept.T, strict=True)
    return Grid({name: values[np.isin(values, column)] for (name, values), column in pairs})


def evenly(count: int, wanted: int) -> npt.NDArray[Any]:
    """Indices of up to `wanted` of `count` values, evenly spread with both ends; the middle one for 1."""
    if wanted == 1 or count == 1:
        return np.array([count // 2])
    return np.unique(np.linspace(0, count - 1, min(wanted, count)).round().astype(int))


def _widened(parameter: Parameter) -> npt.NDArray[Any]:
    low, high = parameter.to_scale(np.array([parameter.low, parameter.high]))
    margin = (high - low) / 10
    with np.errstate(divide="ignore", invalid="ignore"):  # a log scale has no end at 0
        least, most = parameter.to_scale(np.array([parameter.above, parameter.below]))
    if parameter.scale == "linear" and parameter.low >= 0:
        least = max(least, 0.0)  # what is never negative stays so
    ends = np.fmax(low - margin, (low + least) / 2), np.fmin(high + margin, (high + most) / 2)
    return parameter.from_scale(np.linspace(*ends, parameter.points))
