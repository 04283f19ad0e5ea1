"""The grid of a sweep: settings that vary, as they are typed, and every combination of them."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from spivae.errors import SpivaeError

if TYPE_CHECKING:
    from spivae.training.recipe import Recipe

MOST_RUNS = 10_000
_RANGE = re.compile(r"(-?\d+)\.\.(-?\d+)")


def points(grid: Mapping[str, Sequence[str]]) -> list[dict[str, str]]:
    """Every combination of the values. Raises SpivaeError where there are none, or too many."""
    count = math.prod(map(len, grid.values())) if grid else 0
    if not 1 <= count <= MOST_RUNS:
        raise SpivaeError(f"--grid: makes {count} runs; needs 1 to {MOST_RUNS:,}")
    return [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]


def applied(recipe: Recipe, settings: Mapping[str, str]) -> Recipe:
    """The recipe with these settings. Raises SpivaeError with the path of a wrong one."""
    from spivae.training.recipe import with_overrides

    try:
        return with_overrides(recipe, settings)
    except SpivaeError as error:
        said = ", ".join(f"{path}={value}" for path, value in settings.items())
        raise SpivaeError(f"--grid: {said}: {error}") from None


def read_grid(texts: Iterable[str]) -> dict[str, list[str]]:
    """`a.b=v1,v2` and `a.b=0..4` (both ends included) as values by path. Raises SpivaeError."""
    grid: dict[str, list[str]] = {}
    for text in texts:
        path, equals, values = (part.strip() for part in text.partition("="))
        if not path or not equals or not values:
            raise SpivaeError(f"--grid: {text!r} is not of the form a.b=v1,v2 or a.b=0..4")
        if path in grid:
            raise SpivaeError(f"--grid: {path} is given twice; write {path}=V1,V2")
        grid[path] = [value for part in _parts(text, values) for value in _values(text, part)]
        if len(set(grid[path])) < len(grid[path]):
            raise SpivaeError(f"--grid: {path}: {values} has a value twice")
    return grid


def _parts(where: str, text: str) -> list[str]:
    """What stands between commas; one within brackets or braces is part of a value."""
    parts, depth = [""], 0
    for char in text:
        depth += (char in "[{") - (char in "]}")
        if char == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += char
    if depth:
        raise SpivaeError(f"--grid: {where!r} has a bracket without its other half")
    parts = [part.strip() for part in parts]
    if not all(parts):
        raise SpivaeError(f"--grid: {where!r} has an empty value; take one comma away")
    return parts


def _values(where: str, part: str) -> list[str]:
    """The values of a range; of all else, the one that it is."""
    span = _RANGE.fullmatch(part)
    if span is None:
        if ".." in part and not set(part) & set("[{'\""):
            raise SpivaeError(f"--grid: {where!r}: {part} is no range; one is two whole numbers, as in 0..4")
        return [part]
    first, last = map(int, span.groups())
    if last < first:
        raise SpivaeError(f"--grid: {where!r}: needs a range that rises, as {last}..{first}")
    if last - first >= MOST_RUNS:
        raise SpivaeError(f"--grid: {where!r}: makes {last - first + 1} runs; needs at most {MOST_RUNS:,}")
    return [str(value) for value in range(first, last + 1)]
