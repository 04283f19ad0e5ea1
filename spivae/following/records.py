"""The records of metrics.jsonl as viewers need them, and whether one is as a trainer writes it."""

from __future__ import annotations

from typing import Any

import msgspec


class Step(msgspec.Struct):
    """What is drawn of a step."""

    step: int
    epoch: float
    kl: list[float | None]
    lr: float
    beta: float
    seconds: float
    loss: float | None = None
    kind: str = ""
    phase: int = 0


class Epoch(msgspec.Struct):
    """An epoch without its cells, which are passed over in a tenth of the time."""

    epoch: int
    step: int
    seconds: float
    phase: int = 0
    train_loss: float | None = None
    nll: float | None = None
    kl: list[float | None] = []
    neg_elbo: float | None = None
    surviving: list[int] = []
    beta: float | None = None
    kind: str = "epoch"


class _WithCells(Epoch):
    nll_cells: list[float | None] = []
    mu_cells: list[list[float | None]] = []


def is_whole(record: dict[str, Any]) -> bool:
    """Whether a record is a step or an epoch with all that is needed of it, and nothing else in its place."""
    try:
        if record.get("kind") == "step":
            msgspec.convert(record, Step)
            return "loss" in record
        if record.get("kind") == "epoch":
            cells = msgspec.convert(record, _WithCells).mu_cells
            return len(set(map(len, cells))) <= 1
    except msgspec.ValidationError:
        pass  # somebody else has written into the file, or the disk is at fault
    return False
