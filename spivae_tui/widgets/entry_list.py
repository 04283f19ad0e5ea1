"""The columns of Browse, and what stands in them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from spivae import wording
from spivae_tui.listing import is_broken, kind_label
from spivae_tui.widgets.row_list import Cell, Column, Role, RowList

if TYPE_CHECKING:
    from spivae.catalog import Entry

COLUMNS = (
    Column("mark", "", 1),
    Column("name", "name", 20, grows=True, keep_end=True),
    Column("kind", "kind", 10, drop=2),
    Column("process", "process", 8, drop=3),
    Column("beta", "beta", 6, right=True),
    Column("nll", "NLL", 7, right=True),
    Column("kl", "KL", 6, right=True),
    Column("surviving", "latents", 9, right=True, drop=4),
    Column("size", "size", 8, right=True, drop=5),
    Column("age", "age", 11, right=True, drop=1),
)

STATE_ROLES: dict[str, Role] = {
    "running": "accent",
    "finished": "good",
    "queued": "muted",
    "stopped": "warn",
    "lost": "warn",
    "failed": "bad",
    "broken": "bad",
}
BAR = 5  # cells of a bar
MARKS = {"running": "▶", "failed": "✗", "lost": "?", "stopped": "‖", "queued": "…"}


class EntryList(RowList):
    """Checkpoints and runs. `now` gives the time that ages are counted to."""

    def __init__(self, now: Callable[[], float], *, id: str | None = None) -> None:
        super().__init__(COLUMNS, self._entry_cell, id=id)
        self._now = now
        self.marked: set[str] = set()  # paths of the runs to compare

    def _entry_cell(self, entry: Entry, key: str) -> Cell:
        metrics = entry.metrics
        if key == "mark" and entry.path in self.marked:
            return Cell("●", "accent")
        if key == "mark":
            return Cell("✗", "bad") if is_broken(entry) else Cell(MARKS.get(entry.state, ""), _state(entry))
        if key == "name":
            words = " ".join((entry.name, *(f"#{tag}" for tag in entry.tags)))
            return Cell(words, "bad" if is_broken(entry) else "strong" if entry.kind == "run" else "")
        if key == "kind" and not is_broken(entry) and entry.kind == "run":
            return state_cell(entry.state or "run", entry.progress)
        if key == "kind":
            return Cell(kind_label(entry), "bad" if is_broken(entry) else _state(entry))
        if key == "process":
            return Cell(entry.process or wording.NOTHING, "" if entry.process else "muted")
        if key == "size":
            return Cell(wording.size(entry.size) if entry.size else wording.NOTHING, "muted")
        if key == "age" and entry.left is not None:
            return Cell(left_words(entry.left), "strong")
        if key == "age":
            age = wording.age(self._now() - entry.modified) if entry.modified else wording.NOTHING
            return Cell(age, "muted")
        value = {
            "beta": lambda: wording.power(metrics.get("beta"), 1),
            "nll": lambda: wording.fixed(metrics.get("nll")),
            "kl": lambda: wording.nats(metrics.get("kl")),
            "surviving": lambda: wording.survivors(metrics),
        }[key]()
        return Cell(value, "muted" if value == wording.NOTHING else "")


def _state(entry: Entry) -> Role:
    return STATE_ROLES.get(entry.state, "muted")


def state_cell(state: str, progress: float | None) -> Cell:
    """What a run does; of one at work, how far it is: a bar and per cent, in ten cells."""
    role = STATE_ROLES.get(state, "muted")
    if state != "running" or progress is None:
        return Cell(state, role)
    filled = min(BAR, max(0, round(progress * BAR)))
    return Cell(f"{'━' * filled}{'┄' * (BAR - filled)} {min(99, int(progress * 100)):3d}%", role)


def left_words(seconds: float) -> str:
    """The time that a run will still take, in eleven cells: `12 min left`, `1.8 h left`, `30 h left`."""
    minutes, hours = seconds / 60, seconds / 3600
    if minutes < 0.5:
        return "soon done"
    if minutes < 59.5:
        return f"{minutes:.0f} min left"
    if hours < 72:
        return f"{hours:.1f} h left" if hours < 9.95 else f"{hours:.0f} h left"
    return f"{hours / 24:.0f} d left"
