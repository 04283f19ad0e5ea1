"""What a file format for answers of analyses is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from spivae.analysis import data_options

if TYPE_CHECKING:
    from spivae.analysis import Analysis, DataOptions, Result
    from spivae.figure.spec import Figure

BUILT_IN = (".png", ".svg", ".pdf", ".csv", ".json", ".npz")  # what spivae.exporting writes by itself


@dataclass(frozen=True)
class About:
    """What was asked: the analysis, its options, the data's, and the checkpoint's path."""

    name: str
    title: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    checkpoint: str = ""

    @classmethod
    def of(cls, analysis: Analysis, options: Any, data: DataOptions, checkpoint: Path | str) -> About:
        """What an analysis was asked; of the data's options, those that matter to it."""
        asked = {item.name: getattr(data, item.name) for item in data_options(analysis.needs)}
        return cls(analysis.name, analysis.title, vars(options), asked, str(checkpoint))


class Exporter:
    """A file format: `name` is the suffix of its files, such as ".txt", by which it is chosen."""

    name: ClassVar[str] = ""
    title: ClassVar[str] = ""

    def content(self, figure: Figure, result: Result, about: About) -> bytes:
        """What a file holds: the figure, or the numbers of the result, of what was asked."""
        raise NotImplementedError(f"{type(self).__name__} does not implement content")
