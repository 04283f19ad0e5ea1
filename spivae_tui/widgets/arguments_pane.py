"""Data and model arguments side by side, and where the file comes from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from textual.app import ComposeResult
from textual.containers import Horizontal

from spivae_tui import text
from spivae_tui.describe import arguments
from spivae_tui.widgets.row_list import Cell, Column, Role, RowList

if TYPE_CHECKING:
    from spivae.checkpoint import Checkpoint


class _Fact(NamedTuple):
    name: str
    value: str
    role: Role = ""


def _cell(fact: _Fact, key: str) -> Cell:
    return Cell(fact.name, "muted") if key == "name" else Cell(fact.value, fact.role)


def _list(title: str, facts: list[_Fact], id: str) -> RowList:
    columns = (Column("name", title, 18), Column("value", "", 16, grows=True))
    return RowList(columns, _cell, facts, selectable=False, id=id)


class ArgumentsPane(Horizontal):
    """Item by item what the model was trained on and how it is built."""

    def __init__(self, checkpoint: Checkpoint, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.checkpoint = checkpoint

    def compose(self) -> ComposeResult:
        yield _list("Data", list(self._data()), "data-arguments")
        yield _list("Model", self._facts(self.checkpoint.model_args) or [_Fact("", "not recorded", "muted")],
                    "model-arguments")  # fmt: skip

    @staticmethod
    def _facts(mapping: dict[str, object]) -> list[_Fact]:
        return [_Fact(name, value) for name, value in arguments(mapping)]

    def _data(self) -> Iterator[_Fact]:
        checkpoint = self.checkpoint
        yield from self._facts(checkpoint.ds_args) or [_Fact("", "not recorded", "muted")]
        yield _Fact("", "")
        yield _Fact("file", text.shorten(checkpoint.path, 60))
        yield _Fact("format", checkpoint.format)
        yield _Fact("architecture", checkpoint.architecture)
        if checkpoint.created:
            yield _Fact("created", checkpoint.created)
        for name, version in checkpoint.versions.items():
            yield _Fact(f"{name} version", str(version))
