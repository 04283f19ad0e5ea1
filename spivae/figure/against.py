"""What quantities are drawn against: parameters, named combinations of them, and cells of the grid."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from spivae.dataset import Grid
from spivae.errors import SpivaeError
from spivae.figure.spec import Axis, Line
from spivae.grids import evenly
from spivae.process import Process

Array = npt.NDArray[Any]
Spacing = Literal["linear", "log"]


class Described(Protocol):
    """What an axis says of a quantity; a Parameter and an Abscissa are such."""

    @property
    def label(self) -> str: ...
    @property
    def unit(self) -> str: ...
    @property
    def scale(self) -> Spacing: ...


@dataclass(frozen=True)
class Abscissa:
    """Values (n,) of one parameter or combination, one a trajectory."""

    name: str
    label: str
    values: Array
    unit: str = ""
    scale: Spacing = "linear"
    combined: bool = False  # a combination, which has no grid of its own


def abscissas(process: Process, theta: Array, length: int, against: str | None = None) -> list[Abscissa]:
    """Each parameter of the rows theta (n, p), then each combination over `length` positions; or one alone.

    `against` names it: a parameter's name or symbol, a combination as it is written, or its number from 1.
    Raises SpivaeError that tells the choices.
    """
    found = [
        Abscissa(parameter.name, parameter.label, column, parameter.unit, parameter.scale)
        for parameter, column in zip(process.parameters, np.asarray(theta).T, strict=True)
    ]
    named = process.combinations(theta, length)
    found += [Abscissa(name, name, np.asarray(values), combined=True) for name, values in named.items()]
    if against is None:
        return found
    numbers = {name: str(number) for number, name in enumerate(named, start=1)}
    for item in found:
        if against.strip() in (item.name, item.label, numbers.get(item.name)):
            return [item]
    choices = [*process.names, *(f"{number} for {name}" for name, number in numbers.items())]
    raise SpivaeError(f"option against: {process.name} has no {against!r}; choose from {', '.join(choices)}")


def describe(quantities: Iterable[Described]) -> dict[str, Array]:
    """Arrays `labels`, `units` and `scales` for a result, from which `axes_of` makes the axes again."""
    rows = [(item.label, item.unit, item.scale) for item in quantities]
    table = np.array(rows, dtype=str).reshape(-1, 3)
    return {"labels": table[:, 0], "units": table[:, 1], "scales": table[:, 2]}


def axes_of(arrays: Mapping[str, Array]) -> list[Axis]:
    """An axis for each quantity that `describe` put into a result's arrays."""
    columns = (arrays[key].tolist() for key in ("labels", "units", "scales"))
    return [Axis(label=label, unit=unit, scale=scale) for label, unit, scale in zip(*columns, strict=True)]


def expected(closed_form: Callable[..., Array | None], theta: Array, times: Any) -> Array | None:
    """Mean (len(times),) of a process's closed form over rows of parameters (n, p); None where it has none.

    `closed_form` is such as `process.msd`: parameters and times to (n, len(times)).
    """
    cells, counts = np.unique(theta, axis=0, return_counts=True)
    values = closed_form(cells, times)
    return None if values is None else np.asarray(np.average(values, axis=0, weights=counts))


def nearest(values: Array, wanted: float, scale: str = "linear") -> int:
    """Index of the value nearest to the wanted one on a linear or log scale."""
    if scale == "log":
        values, wanted = np.log(values), float(np.log(max(wanted, 1e-300)))
    return int(np.abs(values - wanted).argmin())


def few_cells(process: Process, grid: Grid, curves: int, panels: int = 1, value: float | None = None) -> Grid:
    """Few cells of a grid: up to `curves` values of the first parameter and `panels` of the last, evenly.

    Of each parameter between them the middle value; of the last the nearest to `value`, where that is given.
    """
    counts = [curves, *[1] * (len(grid.names) - 2), panels][: len(grid.names)]
    chosen = {}
    for parameter, count in zip(process.parameters, counts, strict=True):
        values = grid.values[parameter.name]
        rows = evenly(len(values), count)
        if value is not None and len(counts) > 1 and parameter is process.parameters[-1]:
            rows = np.array([nearest(values, value, parameter.scale)])
        chosen[parameter.name] = values[rows]
    return Grid(chosen)


def family(values: Sequence[float] | Array) -> Iterator[tuple[int, float, str]]:
    """Index, shade and label of each of a family of curves, the largest value first as in a legend."""
    for k in reversed(range(len(values))):
        yield k, k / max(len(values) - 1, 1), f"{values[k]:.3g}"


def error_bars(x: Array, y: Array, error: Array, color: int) -> list[Line]:
    """An upright line from y - error to y + error (n,) at each x (n,); draw the points after them, on top."""
    ends = zip(x, y - error, y + error, strict=True)
    return [Line(x=np.array([at, at]), y=np.array([low, high]), color=color) for at, low, high in ends]


def edges_around(centres: Array, scale: str = "linear") -> Array:
    """Edges (k + 1,) of cells around k ascending centres; one alone gets a width of 1 (log: a decade)."""
    if scale == "log":
        return np.asarray(10 ** edges_around(np.log10(centres)))
    if len(centres) == 1:
        return np.array([centres[0] - 0.5, centres[0] + 0.5])
    middle = (centres[1:] + centres[:-1]) / 2
    return np.concatenate([[2 * centres[0] - middle[0]], middle, [2 * centres[-1] - middle[-1]]])


def edges_of(values: Array, scale: str, most: int) -> Array:
    """Edges of bins for finite values (n,): around each distinct one, or `most` equal ones for more."""
    distinct = np.unique(values)
    if len(distinct) <= most:
        return edges_around(distinct, scale)
    space = np.geomspace if scale == "log" else np.linspace
    return np.asarray(space(distinct[0], distinct[-1], most + 1))
