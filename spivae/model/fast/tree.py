"""Weights as named tuples of tensors, lists and more of the kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from torch import Tensor

Tree = TypeVar("Tree")


def mapped(change: Callable[[Tensor], Tensor], tree: Tree) -> Tree:
    """The same tree with every tensor changed."""
    found: Any = tree
    if isinstance(found, Tensor):
        found = change(found)
    elif isinstance(found, list):
        found = [mapped(change, part) for part in found]
    elif isinstance(found, tuple):  # a named one
        found = type(found)(*(mapped(change, part) for part in found))
    return found  # type: ignore[no-any-return]


def tensors(tree: object) -> list[Tensor]:
    """All tensors of a tree, in order."""
    if isinstance(tree, Tensor):
        return [tree]
    parts = tree if isinstance(tree, (list, tuple)) else ()
    return [tensor for part in parts for tensor in tensors(part)]
