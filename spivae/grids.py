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
    """A grid that reaches a tenth of the range beyond the training range; for alpha and D the seed's own."""
    if process.names == ("alpha", "D"):
        return Grid({"alpha": np.linspace(0.04, 1.96, 49), "D": np.geomspace(1e-6, 1e-1, 16)[2:-2]})
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
    if parameter.scale == "log":
        low, high = np.log10(parameter.low), np.log10(parameter.high)
        margin = (high - low) / 10
        return np.logspace(low - margin, high + margin, parameter.points)
    margin = (parameter.high - parameter.low) / 10
    low = parameter.low - margin
    if parameter.low >= 0:
        low = max(low, parameter.low / 2)  # what is never negative stays so
    return np.linspace(low, parameter.high + margin, parameter.points)
