"""The tensors of a checkpoint."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from spivae_tui.widgets.row_list import Cell, Column, RowList

if TYPE_CHECKING:
    from spivae.checkpoint import Checkpoint, TensorInfo

COLUMNS = (
    Column("name", "name", 24, grows=True),
    Column("shape", "shape", 18, right=True),
    Column("elements", "elements", 10, right=True),
    Column("dtype", "dtype", 8, drop=1),
)


def _cell(tensor: TensorInfo, key: str) -> Cell:
    if key == "name":
        return Cell(tensor.name)
    if key == "shape":
        return Cell(" × ".join(str(side) for side in tensor.shape) or "scalar")
    if key == "elements":
        return Cell(f"{math.prod(tensor.shape):,}", "muted")
    return Cell(tensor.dtype, "muted")


class TensorsPane(RowList):
    """Name, shape, number of elements and dtype of every tensor."""

    def __init__(self, checkpoint: Checkpoint, *, id: str | None = None) -> None:
        super().__init__(COLUMNS, _cell, checkpoint.tensors, id=id)
