"""Part of a parameter grid, as a person writes it: "alpha=0.2..1, D=1e-3"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from spivae.errors import SpivaeError

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Subgrid:
    """A range of values for some of the parameters; the others are not restricted.

    Values are compared at three significant digits, as the .npz layout keeps them.
    """

    ranges: tuple[tuple[str, float, float], ...] = ()

    @classmethod
    def parse(cls, text: str, names: Sequence[str]) -> Subgrid:
        """Read NAME=VALUE and NAME=LOW..HIGH, joined by commas. Raises SpivaeError that quotes the part."""
        found: dict[str, tuple[float, float]] = {}
        for part in filter(None, (part.strip() for part in text.split(","))):
            name, equals, value = (piece.strip() for piece in part.partition("="))
            if not equals or name in found:
                raise SpivaeError(
                    f"subset {part!r}: needs NAME=VALUE or NAME=LOW..HIGH, each name once, joined by commas"
                )
            if name not in names:
                raise SpivaeError(f"subset {part!r}: no parameter {name!r}; there are {', '.join(names)}")
            low, _, high = value.partition("..")
            try:
                found[name] = (_three_digits(float(low)), _three_digits(float(high or low)))
            except ValueError:
                raise SpivaeError(f"subset {part!r}: {value!r} is no number and no LOW..HIGH") from None
            if not found[name][0] <= found[name][1]:
                raise SpivaeError(f"subset {part!r}: {low} is not below {high}")
        return cls(tuple((name, low, high) for name, (low, high) in found.items()))

    def keeps(self, names: Sequence[str], theta: Array) -> Array:
        """Which rows of parameters (n, p) belong to it, as booleans (n,).

        Raises SpivaeError where none does, naming the first range that leaves nothing.
        """
        kept = np.ones(len(theta), dtype=bool)
        for name, low, high in self.ranges:
            column = theta[:, list(names).index(name)]
            values, where = np.unique(column, return_inverse=True)
            rounded = np.array([_three_digits(value) for value in values])
            kept &= ((low <= rounded) & (rounded <= high))[where.ravel()]
            if not kept.any():
                wanted = f"{low:g}" if low == high else f"{low:g}..{high:g}"
                raise SpivaeError(
                    f"subset {name}={wanted}: leaves no trajectories; {name} has {_told(values)}"
                )
        return kept


def _three_digits(value: float) -> float:
    return float(f"{value:.3g}")


def _told(values: Array) -> str:
    """The values themselves where they are few, else their ends and number."""
    if len(values) <= 12:
        return ", ".join(f"{value:.3g}" for value in values)
    return f"{len(values)} values from {values[0]:.3g} to {values[-1]:.3g}"
