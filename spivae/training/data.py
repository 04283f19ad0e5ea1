"""The batches of a training: fresh noise every epoch or a fixed set, in an order that the seed decides."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from spivae.dataset import Dataset, Grid, simulate, simulate_grid, split, validation_rows
from spivae.errors import SpivaeError
from spivae.layout import load_npz
from spivae.observation import KEPT, observed
from spivae.process import Process
from spivae.training.recipe import ObservationTable, Recipe

Array = npt.NDArray[Any]

# streams of random numbers that must not overlap: (seed, stream, epoch) seeds a generator of its own, so
# that any epoch can be made again without those before it
_VALIDATION, _TRAINING, _ORDER, _NOISE = range(4)


def recipe_grid(recipe: Recipe, process: Process) -> Grid:
    """The recipe's grid, in the process's order; parameters that it leaves out keep the process's own."""
    unknown = set(recipe.process.grid) - set(process.names)
    if unknown:
        raise SpivaeError(
            f"recipe: process.grid.{min(unknown)}: process {process.name} has {', '.join(process.names)}"
        )
    values = {}
    for parameter in process.parameters:
        axis = recipe.process.grid.get(parameter.name)
        if axis is None:
            values[parameter.name] = parameter.grid()
        else:
            space = np.geomspace if axis.scale == "log" else np.linspace
            values[parameter.name] = space(axis.low, axis.high, axis.n)
    return Grid(values)


def sizes(recipe: Recipe, cells: int) -> tuple[int, int]:
    """Training and validation trajectories of so many cells in all; a file is split whatever their cells."""
    train, validation = (share * cells for share in recipe.shares(cells))
    if recipe.dataset.file is None:
        return train, validation
    cut = validation_rows(train + validation, recipe.dataset.validation)
    return train + validation - cut, cut


def example(recipe: Recipe, process: Process) -> tuple[Array, Array]:
    """A batch (B, 1, L) of the recipe's trajectories, and latent noise (B, Z), to try steps on."""
    rng, batch = np.random.default_rng(recipe.training.seed), recipe.training.batch
    cells = recipe_grid(recipe, process).cells
    x = simulate(process, cells[np.arange(batch) % len(cells)], recipe.dataset.steps, rng).displacements
    return x, rng.standard_normal((batch, recipe.model_args.latents), dtype=np.float32)


@dataclass
class TrainingData:
    """The training and validation trajectories of a recipe, epoch by epoch.

    `validation_cell` (n,) says in which of `grid.cells` each validation trajectory is.
    """

    recipe: Recipe
    process: Process
    grid: Grid
    train_per_cell: int
    validation: Dataset
    validation_cell: Array
    fixed: Dataset | None

    @classmethod
    def prepare(cls, recipe: Recipe, process: Process) -> TrainingData:
        """Make the validation set, and the training set where it is fixed.

        Raises SpivaeError where a batch is larger than the training set, or a file does not fit.
        """
        process = observed(process, recipe.observation.noise, recipe.observation.blur)
        table, grid = recipe.dataset, recipe_grid(recipe, process)
        cells = len(grid.cells)
        train_per_cell, validation_per_cell = recipe.shares(cells)
        per_cell = train_per_cell + validation_per_cell
        if table.file is not None:
            whole = load_npz(
                table.file,
                process.names,
                grid=grid,
                per_cell=per_cell,
                steps=table.steps,
                process=process.name,
            )
            train_rows, held_out = split(len(whole), table.validation, table.seed)
            if not len(train_rows) or not len(held_out):
                raise SpivaeError(f"{table.file}: too few trajectories to split ({len(whole)})")
            recipe.check_batch(len(train_rows))
            return cls(
                recipe,
                process,
                grid,
                train_per_cell,
                whole.take(held_out),
                held_out // per_cell,  # a file is read cell by cell
                whole.take(train_rows),
            )
        recipe.check_batch(train_per_cell * cells)
        validation = simulate_grid(
            process, grid, validation_per_cell, table.steps, _generator(table.seed, _VALIDATION, 0)
        )
        cell = np.repeat(np.arange(cells), validation_per_cell)
        data = cls(recipe, process, grid, train_per_cell, validation, cell, None)
        if not table.fresh:
            data.fixed = data._draw(0)
        return data

    @property
    def size(self) -> int:
        """Training trajectories of an epoch."""
        return len(self.fixed) if self.fixed is not None else self.train_per_cell * len(self.grid.cells)

    @property
    def steps_per_epoch(self) -> int:
        """Batches of an epoch; the last, smaller one is left out."""
        return self.size // self.recipe.training.batch

    def _draw(self, epoch: int) -> Dataset:
        table = self.recipe.dataset
        rng = _generator(table.seed, _TRAINING, epoch)
        return simulate_grid(self.process, self.grid, self.train_per_cell, table.steps, rng)

    def batches(self, epoch: int) -> Iterator[tuple[Array, Array]]:
        """Displacements (B, 1, L) and latent noise (B, Z) of each step of an epoch (counted from 0)."""
        dataset = self.fixed if self.fixed is not None else self._draw(epoch)
        seed, batch = self.recipe.training.seed, self.recipe.training.batch
        order = _generator(seed, _ORDER, epoch).permutation(len(dataset))
        latents = self.recipe.model_args.latents
        noise = _generator(seed, _NOISE, epoch).standard_normal((len(dataset), latents), dtype=np.float32)
        for step in range(self.steps_per_epoch):
            rows = order[step * batch : (step + 1) * batch]
            yield dataset.displacements[rows], noise[step * batch : step * batch + len(rows)]

    def description(self) -> dict[str, Any]:
        """What the checkpoint's header keeps of the data, with the keys of the original."""
        table, seen = self.recipe.dataset, self.recipe.observation
        return {
            "model": self.process.name,
            "N": self.train_per_cell,
            "T": table.steps + 1,
            **{name: values.tolist() for name, values in self.grid.values.items()},
            "seed": table.seed,
            "valid_pct": table.validation,
            "bs": self.recipe.training.batch,
            "fresh": self.fixed is None,
            **({KEPT: msgspec.to_builtins(seen)} if seen != ObservationTable() else {}),
        }


def _generator(seed: int, stream: int, epoch: int) -> np.random.Generator:
    return np.random.default_rng([seed, stream, epoch])
