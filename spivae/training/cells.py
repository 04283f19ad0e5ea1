"""What a validation says of each parameter cell, small enough for a line of metrics.jsonl and a header."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from spivae.dataset import Grid
from spivae.process import Process
from spivae.training.run import CellAxis

Array = npt.NDArray[Any]

MAX_CELLS = 1000  # of a larger grid nothing is recorded
MAX_MEANS = 2500  # latents x cells: of more, the means of the latents are left out
KEPT_EPOCHS = 16  # epochs whose cells a checkpoint's header keeps


def cell_axes(process: Process, grid: Grid) -> tuple[CellAxis, ...]:
    """The axes of a training grid in the process's order; none for one of more than `MAX_CELLS` cells."""
    if len(grid.cells) > MAX_CELLS:
        return ()
    return tuple(
        CellAxis(p.name, tuple(grid.values[p.name].tolist()), p.label, p.unit, p.scale)
        for p in process.parameters
    )


def describe_cells(cell: Array, cells: int, nll: Array, mu: Array) -> dict[str, Any]:
    """The cells of a validation as fields of an epoch's record.

    `cell` (n,) is the cell of each trajectory, `nll` (n,) its NLL per step and `mu` (n, Z) its latent means.
    `nll_cells` has a mean to five digits for each of `cells` cells, None where one is empty; `mu_cells` a
    list of such means, to two decimals, for each latent. Too many cells give no fields.
    """
    if cells > MAX_CELLS:
        return {}
    counts = np.bincount(cell, minlength=cells)
    fields = {"nll_cells": _means(cell, counts, nll, "{:.5g}")}
    if 0 < mu.shape[1] * cells <= MAX_MEANS:
        fields["mu_cells"] = [_means(cell, counts, column, "{:.2f}") for column in mu.T]
    return fields


def _means(cell: Array, counts: Array, values: Array, digits: str) -> list[Any]:
    sums = np.bincount(cell, weights=values.astype(np.float64), minlength=len(counts))
    means = sums / np.maximum(counts, 1)
    return [
        float(digits.format(mean)) if count else None
        for mean, count in zip(means.tolist(), counts.tolist(), strict=True)
    ]


def for_header(history: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Epoch records as a checkpoint's header keeps them, so that it stays small however long the training is.

    The NLL of the cells stays in at most `KEPT_EPOCHS` records, evenly spread with the first and the last;
    the means of the latents in the last alone.
    """
    having = [index for index, record in enumerate(history) if "nll_cells" in record]
    places = np.linspace(0, len(having) - 1, min(len(having), KEPT_EPOCHS)).round().astype(int)
    kept = {having[place] for place in places}
    lean = []
    for index, record in enumerate(history):
        dropped = {"nll_cells"} if index not in kept else set()
        dropped |= {"mu_cells"} if index + 1 < len(history) else set()
        lean.append({key: value for key, value in record.items() if key not in dropped})
    return lean
