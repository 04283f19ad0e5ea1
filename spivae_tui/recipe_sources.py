"""Where a new training can start from: shipped recipes, those at hand, and those of earlier runs."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from spivae.errors import SpivaeError
from spivae.training import recipe as recipes

MOST_RUNS = 100


@dataclass(frozen=True)
class Source:
    """A recipe file, and what it is called in the list."""

    label: str
    path: Path


def find(paths: Sequence[Path], folders: Iterable[Path], here: Path) -> list[Source]:
    """The given recipes first, then those in `here`, then those of the runs in `folders`, newest first.

    Several that would be labelled alike have their paths for labels.
    """
    found: dict[str, Source] = {}
    for path, label in _candidates(paths, folders, here):
        found.setdefault(os.path.realpath(path), Source(label, path))
    labels = Counter(source.label for source in found.values())
    return [
        Source(str(source.path), source.path) if labels[source.label] > 1 else source
        for source in found.values()
    ]


def _candidates(paths: Sequence[Path], folders: Iterable[Path], here: Path) -> Iterator[tuple[Path, str]]:
    for path in paths:
        yield path, _run_label(path) if path.name == "recipe.toml" else f"{path.parent.name}/{path.name}"
    for path in sorted(here.glob("*.toml")):
        if is_recipe(path):
            yield path, f"./{path.name}"
    runs = [path for folder in folders for path in folder.glob("*/recipe.toml")]
    newest = sorted(runs, key=lambda path: path.parent.name.rpartition("-")[0][-15:], reverse=True)
    for path in newest[:MOST_RUNS]:
        yield path, _run_label(path)


def _run_label(path: Path) -> str:
    return f"run {path.resolve().parent.name}"


def is_recipe(path: Path) -> bool:
    """Whether a .toml file means to be a recipe, a wrong one included."""
    try:
        recipes.load(path)
    except SpivaeError:
        try:
            return "[[training.phase]]" in recipes.read_text(path)
        except SpivaeError:
            return False
    return bool(recipes.read_text(path).strip())
