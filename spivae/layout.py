"""The seed's .npz layout of datasets: an array for each cell of the grid, named by its parameters."""

from __future__ import annotations

import itertools
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spivae.dataset import Array, Dataset, Grid, filled_cells, joined, rows_at_once, simulate
from spivae.errors import SpivaeError
from spivae.files import replacing
from spivae.npz import Stored, put_rows
from spivae.process import Process
from spivae.subgrid import Subgrid


def _key(cell: Sequence[float]) -> str:
    return ",".join(f"{value:.3g}" for value in cell)


def save_npz(path: Path | str, dataset: Dataset) -> None:
    """Write the seed's layout: an array a cell, key = parameters as `.3g`, rows (parameters, displacements).

    Raises SpivaeError where two cells would get the same key (values closer than three digits).
    """
    index = dataset.cells
    full = [cell for cell in np.ndindex(index.rows.shape) if len(index.rows[cell])]
    cells = np.array([[values[i] for values, i in zip(index.values, cell, strict=True)] for cell in full])
    tables = ([_table(dataset.take(index.rows[cell]))] for cell in full)
    _write_cells(path, cells, [len(index.rows[cell]) for cell in full], dataset.steps, tables)


def simulate_npz(
    path: Path | str,
    process: Process,
    grid: Grid,
    per_cell: int,
    steps: int,
    rng: np.random.Generator,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """What `simulate_grid` makes, written as `save_npz` does, as many rows at a time as memory allows.

    Raises SpivaeError, with the parameters, where displacements are not finite.
    """
    cells = filled_cells(process, grid, per_cell)
    n = len(cells) * per_cell

    def parts() -> Iterator[tuple[int, Array]]:
        """Tables of rows that belong to one cell, and its number."""
        for start in range(0, n, rows_at_once(steps)):
            progress(start, n)
            cell = np.arange(start, min(start + rows_at_once(steps), n)) // per_cell
            made = simulate(process, cells[cell], steps, rng)
            _check_finite(made)
            for number in range(cell[0], cell[-1] + 1):
                begin = number * per_cell - start
                yield number, _table(made.take(slice(max(0, begin), begin + per_cell)))

    tables = (
        (table for _, table in of_cell) for _, of_cell in itertools.groupby(parts(), lambda part: part[0])
    )
    _write_cells(path, cells, [per_cell] * len(cells), steps, tables)


def _check_finite(dataset: Dataset) -> None:
    """Raise SpivaeError, with the parameters, where a process has no displacements at them."""
    bad = ~np.isfinite(dataset.displacements).all(axis=(1, 2))
    if bad.any():
        at = zip(dataset.names, dataset.theta[bad.argmax()], strict=True)
        where = ", ".join(f"{name} = {value:g}" for name, value in at)
        raise SpivaeError(f"process {dataset.process}: its displacements are not finite at {where}")


def _table(dataset: Dataset) -> Array:
    # float64, because the seed reads the parameters back from the rows
    return np.concatenate([dataset.theta, dataset.displacements[:, 0].astype(np.float64)], axis=1)


def _write_cells(
    path: Path | str, cells: Array, counts: Sequence[int], steps: int, tables: Iterable[Iterable[Array]]
) -> None:
    """The seed's layout of cells (m, p) with so many rows each, whose tables come in parts."""
    keys: dict[str, int] = {}
    for cell, count in zip(cells, counts, strict=True):
        key = _key(cell)
        if key in keys:
            raise SpivaeError(f"{path}: two cells share the key {key!r}; the layout keeps three digits")
        keys[key] = count
    with replacing(path) as handle, zipfile.ZipFile(handle, "w") as archive:
        for (key, count), parts in zip(keys.items(), tables, strict=True):
            put_rows(archive, key, (count, cells.shape[1] + steps), np.float64, parts)


@dataclass(frozen=True)
class Wanted:
    """What is read of a file: of every cell of `grid`, or without one of all, or those of `subset`, the first
    `per_cell` rows and `steps` displacements. With `fewer`, a cell may hold less than `per_cell` rows.
    """

    grid: Grid | None = None
    per_cell: int | None = None
    steps: int | None = None
    fewer: bool = False
    subset: Subgrid | None = None


def load_npz(
    path: Path | str,
    names: Sequence[str] = ("alpha", "D"),
    *,
    grid: Grid | None = None,
    per_cell: int | None = None,
    steps: int | None = None,
    process: str = "",
    fewer: bool = False,
    subset: Subgrid | None = None,
) -> Dataset:
    """Read the seed's layout, what is `Wanted` of it.

    Raises SpivaeError for a missing file or cell, too few rows or steps, or values that are not finite.
    """
    parts = list(read_npz(path, names, Wanted(grid, per_cell, steps, fewer, subset), process))
    if len({part.steps for part in parts}) > 1:
        raise SpivaeError(f"{path}: cells differ in length; pass steps to cut them to one")
    return joined(parts)


def read_npz(path: Path | str, names: Sequence[str], wanted: Wanted, process: str = "") -> Iterator[Dataset]:
    """What `load_npz` reads, a few rows at a time: a cell may come in parts, and differ in length."""
    try:
        with zipfile.ZipFile(path) as archive:
            held = {name[:-4]: name for name in archive.namelist() if name.endswith(".npy")}
            for key in _wanted_keys(path, list(held), names, wanted):
                if key not in held:
                    some = ", ".join(itertools.islice(held, 3))
                    raise SpivaeError(f"{path}: no cell {key!r}; it has {len(held)}, such as {some}")
                with archive.open(held[key]) as entry:
                    for rows in _cell(f"{path}: cell {key!r}", Stored.of(entry), len(names), wanted):
                        # copies: views would keep the rows themselves in memory
                        theta, displacements = rows[:, : len(names)].copy(), rows[:, None, len(names) :]
                        yield Dataset(displacements.astype(np.float32), theta, tuple(names), process)
    except FileNotFoundError:
        raise SpivaeError(f"{path}: no such file") from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise SpivaeError(f"{path}: not a readable .npz file ({error})") from None


def _wanted_keys(path: Path | str, held: list[str], names: Sequence[str], wanted: Wanted) -> list[str]:
    keys = held if wanted.grid is None else [_key(cell) for cell in wanted.grid.cells]
    if not keys:
        raise SpivaeError(f"{path}: holds no cells")
    if wanted.subset is None or not wanted.subset.ranges:
        return keys
    kept = wanted.subset.keeps(names, named_parameters(path, keys, len(names)))
    return [key for key, keep in zip(keys, kept, strict=True) if keep]


def named_parameters(path: Path | str, keys: Sequence[str], p: int) -> Array:
    """The parameters (cells, p) that the keys of a file name. Raises SpivaeError for other keys."""
    try:
        found = np.array([[float(value) for value in key.split(",")] for key in keys])
    except ValueError:
        found = np.empty(0)
    if found.ndim != 2 or found.shape[1] != p:
        raise SpivaeError(f"{path}: its cells are not named by {p} parameters, such as {keys[0]!r}")
    return found


def _cell(where: str, stored: Stored, p: int, wanted: Wanted) -> Iterator[Array]:
    """The wanted corner of one cell's array, checked, a few rows at a time."""
    shape, per_cell, steps = stored.shape, wanted.per_cell, wanted.steps
    if len(shape) != 2 or shape[1] <= p:
        raise SpivaeError(f"{where} has shape {shape}, not (rows, {p} parameters + steps)")
    if per_cell is not None and shape[0] < per_cell and not wanted.fewer:
        raise SpivaeError(f"{where} has {shape[0]} trajectories, not {per_cell}")
    if steps is not None and shape[1] - p < steps:
        raise SpivaeError(f"{where} has {shape[1] - p} steps, not {steps}")
    left = shape[0] if per_cell is None else min(per_cell, shape[0])
    for part in stored.parts():
        rows = part[:left, : None if steps is None else p + steps]
        if not np.isfinite(rows).all():
            raise SpivaeError(f"{where} holds values that are not finite")
        yield rows
        left -= len(rows)
        if left <= 0:
            break
