"""Checkpoints: the native safetensors files, and a safe reader of the original's.

Importing this package is cheap; every name is imported from where it lives when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spivae.checkpoint.converting import convert
    from spivae.checkpoint.load import load_checkpoint, load_model
    from spivae.checkpoint.naming import resolve, shipped_models
    from spivae.checkpoint.native import write
    from spivae.checkpoint.reading import read, read_header
    from spivae.checkpoint.structs import Checkpoint, TensorInfo

_HOME = {
    "Checkpoint": "structs",
    "TensorInfo": "structs",
    "convert": "converting",
    "load_checkpoint": "load",
    "load_model": "load",
    "read": "reading",
    "read_header": "reading",
    "resolve": "naming",
    "shipped_models": "naming",
    "write": "native",
}

__all__ = [
    "Checkpoint",
    "TensorInfo",
    "convert",
    "load_checkpoint",
    "load_model",
    "read",
    "read_header",
    "resolve",
    "shipped_models",
    "write",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'spivae.checkpoint' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"spivae.checkpoint.{_HOME[name]}"), name)
    globals()[name] = value
    return value
