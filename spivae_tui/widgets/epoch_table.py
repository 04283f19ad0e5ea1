"""The epochs of a run, newest first, the best one marked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from spivae import wording
from spivae_tui.widgets.row_list import Cell, Column, RowList

COLUMNS = (
    Column("best", "", 1),
    Column("epoch", "epoch", 5, right=True),
    Column("phase", "phase", 5, right=True, drop=3),
    Column("beta", "beta", 7, right=True, drop=1),
    Column("train_loss", "train", 8, right=True, drop=2),
    Column("nll", "NLL", 8, right=True),
    Column("kl", "KL", 6, right=True),
    Column("neg_elbo", "-ELBO", 8, right=True),
    Column("surviving", "latents", 8, right=True, grows=True),
)


class EpochTable(RowList):
    """Rows are the epoch records of metrics.jsonl."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(COLUMNS, self._epoch_cell, selectable=False, id=id)
        self._best: int | None = None

    def show_epochs(self, epochs: Sequence[dict[str, Any]]) -> None:
        """Show these epochs; they come in the order of training."""
        judged = [row for row in epochs if row.get("neg_elbo") is not None]
        self._best = min(judged, key=lambda row: float(row["neg_elbo"]))["epoch"] if judged else None
        self.show(list(reversed(epochs)))

    def _epoch_cell(self, row: dict[str, Any], key: str) -> Cell:
        best = row["epoch"] == self._best
        if key == "best":
            return Cell("*" if best else "", "accent")
        if key == "epoch":
            return Cell(str(row["epoch"]), "accent" if best else "")
        if key == "phase":
            return Cell(str(row.get("phase", 0) + 1), "muted")
        if key == "beta":
            return Cell(wording.power(row.get("beta")), "muted")
        if key == "kl":
            kl = row.get("kl") or ()
            return Cell(wording.nats(sum(kl)) if kl and None not in kl else wording.NOTHING)
        if key == "surviving":
            alive, kl = row.get("surviving"), row.get("kl") or ()
            return Cell(f"{len(alive)}/{len(kl)}" if alive is not None and kl else wording.NOTHING)
        return Cell(wording.fixed(row.get(key)), "strong" if key == "neg_elbo" and best else "")
