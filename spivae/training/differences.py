"""In what recipes differ: the fields that are not the same in all of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

if TYPE_CHECKING:
    from spivae.training.recipe import Recipe


def differences(recipes: Sequence[Recipe | None]) -> dict[str, list[Any]]:
    """Dotted paths of fields, and the value of each recipe; None where a recipe has no such field.

    What a recipe does not say of its model has the default of its architecture.
    """
    flat = [dict(_leaves(_table(recipe))) if recipe is not None else {} for recipe in recipes]
    paths = dict.fromkeys(path for leaves in flat for path in leaves)
    known = [leaves for leaves, recipe in zip(flat, recipes, strict=True) if recipe is not None]
    return {
        path: [leaves.get(path) for leaves in flat]
        for path in paths
        if any(leaves.get(path) != known[0].get(path) for leaves in known[1:])
    }


def _table(recipe: Recipe) -> dict[str, Any]:
    """The recipe with all arguments of its model but `o_dim`, which follows dataset.steps."""
    from spivae.training.recipe import to_table

    model = {"architecture": recipe.architecture.name} | recipe.model_args.as_dict()
    model.pop("o_dim", None)
    return to_table(replace(recipe, model=model))


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every value with its dotted path; lists of plain values are values."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        for index, item in enumerate(value):
            yield from _leaves(item, f"{path}.{index}")
    else:
        yield path, value


def short_names(paths: Sequence[str]) -> dict[str, str]:
    """The end of each path that tells it from the others: `training.phase.1.beta` is `beta`.

    A number alone says nothing, so beside `training.phase.0.beta` it is `phase.1.beta`.
    """
    found = {}
    for path in paths:
        parts = path.split(".")
        begins = [at for at, part in enumerate(parts) if not part.isdecimal()]
        ends = [".".join(parts[at:]) for at in reversed(begins)]
        alone = (end for end in ends if sum(f".{other}".endswith(f".{end}") for other in paths) == 1)
        found[path] = next(alone, path)
    return found
