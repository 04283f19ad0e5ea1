"""Datasets: trajectories on a grid of parameters, made by a process, and their split."""

from __future__ import annotations

import contextlib
import math
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from spivae.errors import SpivaeError, WorkFailed
from spivae.process import Process

Array = npt.NDArray[Any]
MAX_CELLS = 1_000_000  # of a grid, empty ones included
_AT_ONCE = 16_000_000  # displacements (64 MB, and twice that where a process draws doubles) made at a time
_BLOCK = 512  # rows: where a process draws blocks of this many, parts get the numbers of the whole


@dataclass(frozen=True)
class Grid:
    """The outer product of values for each parameter, in the process's order (the last varies fastest)."""

    values: Mapping[str, Array]

    def __post_init__(self) -> None:
        clean = {name: np.atleast_1d(np.asarray(v, dtype=float)) for name, v in self.values.items()}
        for name, v in clean.items():
            if v.ndim != 1 or v.size == 0 or not np.isfinite(v).all():
                raise SpivaeError(f"grid of {name}: needs one or more finite values")
        object.__setattr__(self, "values", clean)

    @classmethod
    def of(cls, process: Process, points: Mapping[str, int] | None = None) -> Grid:
        """The training grid of a process, with another number of points where `points` says so."""
        points = points or {}
        return cls({p.name: p.grid(points.get(p.name)) for p in process.parameters})

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.values)

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(len(v) for v in self.values.values())

    @property
    def cells(self) -> Array:
        """Every cell's parameters (prod(shape), p)."""
        axes = np.meshgrid(*self.values.values(), indexing="ij")
        return np.stack([axis.ravel() for axis in axes], axis=-1)

    def ordered(self, process: Process) -> Grid:
        """The same grid in the process's order of parameters. Raises SpivaeError where it is another's."""
        if set(self.names) != set(process.names):
            raise SpivaeError(
                f"grid has {', '.join(self.names)}, but process {process.name} has {', '.join(process.names)}"
            )
        return Grid({name: self.values[name] for name in process.names})


@dataclass(frozen=True)
class CellIndex:
    """Which trajectories belong to which cell of the parameter grid.

    `values` holds the distinct values of each parameter; `rows[i, j, ...]` the indices of the trajectories
    in that cell (object array of int arrays; an empty cell holds an empty one).
    """

    values: tuple[Array, ...]
    rows: Array

    @property
    def counts(self) -> Array:
        """Trajectories in each cell, in the grid's shape."""
        return np.asarray(np.vectorize(len, otypes=[int])(self.rows))

    def mean(self, per_trajectory: Array) -> Array:
        """Mean over each cell of an array (n, ...): the grid's shape + (...); NaN where a cell is empty."""
        out = np.full(self.rows.shape + per_trajectory.shape[1:], np.nan)
        for cell in np.ndindex(self.rows.shape):
            if len(self.rows[cell]):
                out[cell] = per_trajectory[self.rows[cell]].mean(axis=0, dtype=np.float64)
        return out


@dataclass(frozen=True)
class Dataset:
    """Displacements (n, 1, L) float32 and the parameters theta (n, p) that made them."""

    displacements: Array
    theta: Array
    names: tuple[str, ...]
    process: str = ""

    def __len__(self) -> int:
        return len(self.displacements)

    @property
    def steps(self) -> int:
        """L, the number of displacements of each trajectory."""
        return int(self.displacements.shape[-1])

    @cached_property
    def cells(self) -> CellIndex:
        return self.cells_by(*self.names)

    def cells_by(self, *names: str) -> CellIndex:
        """The trajectories in the cells of these parameters alone, whatever the others are.

        Raises SpivaeError where the values of the parameters are too many to be those of a grid.
        """
        found = [np.unique(self.column(name), return_inverse=True) for name in names]
        values = tuple(v for v, _ in found)
        shape = tuple(len(v) for v in values)
        if math.prod(shape) > MAX_CELLS:
            told = " x ".join(f"{count:,} of {name}" for count, name in zip(shape, names, strict=True))
            raise SpivaeError(f"{told}: these trajectories lie on no grid that could be told cell by cell")
        rows = np.empty(shape, dtype=object)
        if not shape:
            return CellIndex(values, rows)
        flat = np.ravel_multi_index(tuple(code.ravel() for _, code in found), shape)
        order = np.argsort(flat, kind="stable")
        bounds = np.searchsorted(flat[order], np.arange(math.prod(shape) + 1))
        for k, cell in enumerate(np.ndindex(shape)):
            rows[cell] = order[bounds[k] : bounds[k + 1]]
        return CellIndex(values, rows)

    def column(self, name: str) -> Array:
        """The values (n,) of one parameter."""
        if name not in self.names:
            raise SpivaeError(f"no parameter {name!r} in this dataset: it has {', '.join(self.names)}")
        return np.asarray(self.theta[:, self.names.index(name)])

    def take(self, rows: Array | slice) -> Dataset:
        """The trajectories with these indices, in this order; of a slice without a copy."""
        return Dataset(self.displacements[rows], self.theta[rows], self.names, self.process)


def joined(parts: Sequence[Dataset]) -> Dataset:
    """The trajectories of one dataset or more, all of one kind and length."""
    displacements = np.concatenate([part.displacements for part in parts])
    theta = np.concatenate([part.theta for part in parts])
    return Dataset(displacements, theta, parts[0].names, parts[0].process)


def in_batches(parts: Iterable[Dataset], size: int) -> Iterator[Dataset]:
    """The same trajectories in the same order, `size` at a time; the last ones may be fewer."""
    waiting: list[Dataset] = []
    for part in parts:
        waiting.append(part)
        if sum(map(len, waiting)) < size:
            continue
        whole = joined(waiting)
        rest = len(whole) % size
        for start in range(0, len(whole) - rest, size):
            yield whole.take(slice(start, start + size))
        waiting = [whole.take(slice(len(whole) - rest, None))]
    if any(map(len, waiting)):
        yield joined(waiting)


def simulate(process: Process, theta: Array, steps: int, rng: np.random.Generator) -> Dataset:
    """One trajectory of `steps` displacements for each row of theta (n, p).

    Raises SpivaeError for what the process refuses, and WorkFailed, naming it, where it breaks.
    """
    if steps < 1:
        raise SpivaeError(f"steps: needs at least 1, not {steps}")
    theta = np.asarray(theta, dtype=float)
    try:
        with contextlib.redirect_stdout(sys.stderr):  # what a process prints is no part of an answer
            drawn = np.asarray(process.displacements(rng, theta, steps))
    except (SpivaeError, MemoryError):
        raise
    except Exception as error:
        raise WorkFailed(f"process {process.name}: {type(error).__name__}: {error}") from error
    if drawn.shape != (len(theta), steps):
        raise SpivaeError(
            f"process {process.name}: made displacements {drawn.shape}, not {(len(theta), steps)}"
        )
    return Dataset(np.asarray(drawn, dtype=np.float32)[:, None, :], theta, process.names, process.name)


def rows_at_once(steps: int) -> int:
    """How many trajectories of `steps` displacements are made at a time, so that memory does not grow."""
    return max(1, _AT_ONCE // max(1, steps) // _BLOCK) * _BLOCK


def simulate_in_parts(
    process: Process, theta: Array, steps: int, rng: np.random.Generator
) -> Iterator[tuple[slice, Dataset]]:
    """What `simulate` makes, as many rows at a time as memory allows: which rows, and their dataset."""
    for start in range(0, len(theta), rows_at_once(steps)):
        rows = slice(start, min(start + rows_at_once(steps), len(theta)))
        yield rows, simulate(process, theta[rows], steps, rng)


def simulate_grid(
    process: Process, grid: Grid, per_cell: int, steps: int, rng: np.random.Generator
) -> Dataset:
    """`per_cell` trajectories in each cell of a grid, cell by cell."""
    cells = filled_cells(process, grid, per_cell)
    return simulate(process, np.repeat(cells, per_cell, axis=0), steps, rng)


def filled_cells(process: Process, grid: Grid, per_cell: int) -> Array:
    """The cells (m, p) of a grid that are to hold so many trajectories each, in the process's order."""
    if per_cell < 1:
        raise SpivaeError(f"trajectories per cell: needs at least 1, not {per_cell}")
    return grid.ordered(process).cells


def split(n: int, validation: float, seed: int) -> tuple[Array, Array]:
    """Training and validation rows as the original draws them: torch.randperm after manual_seed(seed)."""
    cut = validation_rows(n, validation)
    import torch

    shuffled = torch.randperm(n, generator=torch.Generator().manual_seed(seed)).numpy()
    return shuffled[cut:], shuffled[:cut]


def validation_rows(n: int, validation: float) -> int:
    """How many of n trajectories the validation set gets."""
    if not 0 <= validation <= 1:
        raise SpivaeError(f"validation: needs a fraction between 0 and 1, not {validation}")
    return int(validation * n)
