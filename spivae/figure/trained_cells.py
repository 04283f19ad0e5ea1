"""The panels of a training's parameter cells: the newest loss of all, that of a few over time, and mu."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spivae.figure.against import edges_around
from spivae.figure.spec import Axis, Heatmap, Line, Mark, Panel, Points
from spivae.figure.steady import inside, trimmed_limits
from spivae.grids import evenly

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class TrainedCells:
    """What the validations say of each cell: `nll` (k, cells) at the places `at` (k,) along the training.

    Each of `axes` describes a parameter, `values` has its grid; cells are in the order of their outer
    product, the last parameter varying fastest. `mu` (Z, cells) is the newest mean of each latent.
    """

    axes: Sequence[Axis]
    values: Sequence[Array]
    at: Array
    nll: Array
    mu: Array | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(len(values) for values in self.values)


def cell_panels(cells: TrainedCells, x: Axis, alive: Sequence[int]) -> list[Panel]:
    """mu against the first parameter, the newest NLL of all cells, and that of a few along `x`."""
    moment = f"{x.label} {cells.at[-1]:,.0f}"
    panels = [] if cells.mu is None else [_means(cells, cells.mu, alive, moment)]
    return [*panels, _newest(cells, moment), _over_time(cells, x)]


def few_cells(shape: Sequence[int]) -> list[tuple[int, ...]]:
    """Up to five cells that stand for a grid: of one parameter evenly spread ones, else corners and middle.

    The corners are those of the first two parameters, at the middle of all others.
    """
    if len(shape) == 1:
        return [(int(index),) for index in evenly(shape[0], 5)]
    middle = tuple(count // 2 for count in shape)
    ends = [sorted({0, count - 1}) for count in shape[:2]]
    corners = [(*corner, *middle[2:]) for corner in itertools.product(*ends)]
    return list(dict.fromkeys([*corners, middle]))


def _means(cells: TrainedCells, mu: Array, alive: Sequence[int], moment: str) -> Panel:
    first = np.repeat(cells.values[0], int(np.prod(cells.shape[1:])))
    idle: list[Mark] = [Points(x=first, y=row, muted=True) for z, row in enumerate(mu) if z not in alive]
    marks = [Points(x=first, y=mu[z], label=f"z{z}", color=z) for z in alive]
    return Panel(
        title=f"Mean latents of each cell at {moment}",
        x=cells.axes[0],
        y=Axis(label="μ"),
        marks=(*idle, *marks),
    )


def _newest(cells: TrainedCells, moment: str) -> Panel:
    """A map over the first two parameters, all others averaged over; of one parameter a curve."""
    title, label = f"NLL of each cell at {moment}", "NLL"
    nll = cells.nll[-1].reshape(cells.shape)
    if len(cells.shape) == 1:
        marks: tuple[Mark, ...] = (Line(x=cells.values[0], y=nll, color=0),)
        return Panel(title=title, x=cells.axes[0], y=Axis(label=label, unit="nats"), marks=marks)
    across, up = cells.axes[:2]
    known = np.isfinite(nll)
    rest = tuple(range(2, nll.ndim))
    count = known.sum(axis=rest)
    mean = np.where(known, nll, 0.0).sum(axis=rest) / np.maximum(count, 1)
    return Panel(
        title=title,
        x=across,
        y=up,
        marks=(
            Heatmap(
                x_edges=edges_around(cells.values[0], across.scale),
                y_edges=edges_around(cells.values[1], up.scale),
                values=np.where(count > 0, mean, np.nan).T,
                label=label,
            ),
        ),
    )


def _over_time(cells: TrainedCells, x: Axis) -> Panel:
    marks, parts = [], []
    for color, cell in enumerate(few_cells(cells.shape)):
        values = (f"{cells.values[axis][index]:.3g}" for axis, index in enumerate(cell))
        column = cells.nll[:, np.ravel_multi_index(cell, cells.shape)]
        marks.append(Line(x=cells.at, y=column, label=", ".join(values), color=color))
        parts.append((inside(x, cells.at, column), 0.9))
    low, high = trimmed_limits(parts)
    return Panel(
        title="NLL of some cells",
        x=x,
        y=Axis(label="NLL", unit="nats", low=low, high=high),
        marks=tuple(marks),
        legend=", ".join(axis.label for axis in cells.axes),
    )
