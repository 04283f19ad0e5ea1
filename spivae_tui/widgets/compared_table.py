"""Runs side by side in a table: the fields in which they differ, and how they stand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from spivae import wording
from spivae_tui.run_words import short
from spivae_tui.widgets.entry_list import left_words, state_cell
from spivae_tui.widgets.row_list import Cell, Column, RowList, place

if TYPE_CHECKING:
    from spivae.following.comparison import Compared, Comparison

AT = "at "  # begins the key of a column with values at the cursor
FIRST_FIELDS = 2  # stay longer than any metric but -ELBO; the others go first, the last one before all
LAST_DROP = 8  # of what is no field
METRICS = (
    Column("neg_elbo", "-ELBO", 8, right=True),
    Column("nll", "NLL", 8, right=True, drop=5),
    Column("kl", "KL", 6, right=True, drop=4),
    Column("surviving", "latents", 7, right=True, drop=6),
)


class ComparedTable(RowList):
    """A row for each run, in the order that `mark_sorted` names."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__((Column("run", "run", 20, grows=True, keep_end=True),), self._cell, id=id)
        self._best: Compared | None = None
        self._values: Mapping[str, Mapping[str, float | None]] = {}

    def show_runs(self, comparison: Comparison, values: Mapping[str, Mapping[str, float | None]]) -> None:
        """Show the runs anew; the cursor stays on its run.

        `values` are those at the cursor in the curves, by their label and by the runs' paths; without any,
        the table tells how the runs stand.
        """
        before, self._best, self._values = self.row, comparison.best, values
        self.columns = self._columns(comparison)
        self.placed = place(self.columns, self.size.width)
        rows = self._ordered(comparison)
        at = [run.view.path for run in rows].index(before.view.path) if _is_among(before, rows) else 0
        self.show(rows, at)

    def _columns(self, comparison: Comparison) -> tuple[Column, ...]:
        fields = [
            Column(
                path,
                name,
                max(len(name), *(len(setting(run, path)) for run in comparison.runs)),
                right=True,
                drop=number + 1 if number < FIRST_FIELDS else number + LAST_DROP,
            )
            for number, (path, name) in enumerate(comparison.fields.items())
        ]
        return (
            Column("best", "", 1),
            Column("run", "run", 8, grows=True, keep_end=True),
            *fields,
            Column("state", "state", 10),
            *self._standing(comparison),
        )

    def _standing(self, comparison: Comparison) -> Iterable[Column]:
        """How the runs stand, or with a cursor what each of them is there."""
        if self._values:
            return [
                Column(f"{AT}{label}", label, 9, right=True, drop=n and n + FIRST_FIELDS)
                for n, label in enumerate(self._values)
            ]
        going = any(run.view.state == "running" for run in comparison.runs)
        tagged = max((len(_tags(run)) for run in comparison.runs), default=0)
        return (
            *([Column("left", "left", 11, right=True, drop=3)] if going else []),
            Column("epoch", "epoch", 9, right=True, drop=7),
            *METRICS,
            *([Column("tags", "tags", max(4, min(20, tagged)), drop=LAST_DROP)] if tagged else []),
        )

    def _cell(self, run: Compared, key: str) -> Cell:
        best = run is self._best
        view, metrics = run.view, run.metrics
        if key == "best":
            return Cell("*" if best else "", "accent")
        if key == "run":
            return Cell(view.info.id, "bad" if run.error else "strong" if best else "")
        if key.startswith(AT):
            return Cell(short(self._at_cursor(run, key)))
        if key == "state":
            return state_cell(view.state, view.step / view.info.steps if view.info.steps else None)
        if key == "left":
            left = view.left if view.state == "running" else None
            return Cell("" if left is None else left_words(left), "strong")
        if key == "tags":
            return Cell(_tags(run), "accent")
        if key == "epoch" and not run.view.epoch and run.error:
            return Cell(wording.NOTHING, "muted")
        if key == "epoch":
            return Cell(wording.epochs(view.epoch, view.info.epochs), "muted")
        if key == "kl":
            return Cell(wording.nats(metrics.get("kl")))
        if key == "surviving":
            return Cell(wording.survivors(metrics))
        if key in ("neg_elbo", "nll"):
            return Cell(wording.fixed(metrics.get(key)), "strong" if best and key == "neg_elbo" else "")
        return Cell(setting(run, key), "accent")

    def _at_cursor(self, run: Compared, key: str) -> float | None:
        return self._values.get(key.removeprefix(AT), {}).get(str(run.view.path))

    def _ordered(self, comparison: Comparison) -> list[Compared]:
        """The runs by the chosen column, those without a value last in either order."""
        if not self.sorted_by:
            return list(comparison.runs)
        known = [run for run in comparison.runs if self._value(run) is not None]
        unknown = [run for run in comparison.runs if self._value(run) is None]
        known.sort(key=lambda run: _rank(self._value(run)), reverse=self.descending)
        return known + unknown

    def _value(self, run: Compared) -> Any:
        view = run.view
        if self.sorted_by.startswith(AT):
            return self._at_cursor(run, self.sorted_by)
        own: dict[str, Any] = {
            "run": view.info.id,
            "state": view.state,
            "epoch": view.epoch,
            "left": view.left if view.state == "running" else None,
            "tags": _tags(run) or None,
        }
        value = own.get(self.sorted_by, run.metrics.get(self.sorted_by, run.settings.get(self.sorted_by)))
        return len(value) if self.sorted_by == "surviving" and value is not None else value


def setting(run: Compared, path: str) -> str:
    """The value of a field in which runs differ, in few characters."""
    from spivae.following.comparison import text as words

    return words(run.settings.get(path))


def _tags(run: Compared) -> str:
    return " ".join(run.view.tags)


def _is_among(row: Compared | None, rows: Sequence[Compared]) -> bool:
    return row is not None and any(run.view.path == row.view.path for run in rows)


def _rank(value: Any) -> tuple[int, Any]:
    """Numbers before words, so that both can be sorted."""
    return (0, value) if isinstance(value, int | float) else (1, str(value))
