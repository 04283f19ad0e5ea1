"""Do a checkpoint's tensors fit the model that its arguments describe?"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from spivae.checkpoint.structs import TensorInfo
from spivae.errors import SpivaeError
from spivae.model.architectures import architecture, known
from spivae.model.base import Arguments

if TYPE_CHECKING:
    from spivae.checkpoint.structs import Weights

# the receptive field doubles with every layer: 2**64 displacements are past any file
_MOST = {"layer_size": 64, "stack_size": 1024}
_BLOCK = re.compile(r"res_stack\.([0-9]{1,6})\.(.+)")


def check_tensors(
    name: str, model_args: dict[str, Any], tensors: Sequence[TensorInfo]
) -> tuple[list[TensorInfo], dict[str, str]]:
    """The tensors in the model's order, and the repeats among them: {repeated name: its first name}.

    The original's file lists the blocks of stack_size > 1 once for each stack; they are the same weights.
    Raises SpivaeError that names the first tensor that is missing, unknown or of another shape than the
    arguments ask for. The tensors of an architecture that is not known are returned as they are.
    """
    if name not in known():
        return list(tensors), {}
    kind = architecture(name)
    for key, most in _MOST.items():
        value = model_args.get(key)
        if isinstance(value, int) and value > most:
            raise SpivaeError(f"model arguments: {key} {value} is past {most}")
    arguments = kind.from_table(model_args)
    expected = kind.shapes(arguments)
    found: dict[str, TensorInfo] = {}
    repeats: dict[str, str] = {}
    for tensor in tensors:
        name = _first_name(tensor.name, arguments)
        shape = expected.get(name)
        if shape is None:
            raise SpivaeError(
                f"tensor {tensor.name!r} of shape {tensor.shape} does not belong to the model that its "
                "arguments describe"
            )
        if tensor.shape != shape:
            raise SpivaeError(
                f"tensor {tensor.name!r} has shape {tensor.shape}, but its arguments ask for {shape}"
            )
        if name == tensor.name:
            found[name] = tensor
        else:
            repeats[tensor.name] = name
    for name, shape in expected.items():
        if name not in found:
            raise SpivaeError(f"tensor {name!r} of shape {shape} is missing")
    return [found[name] for name in expected], repeats


def _first_name(name: str, arguments: Arguments) -> str:
    """The name under which a shared block's weight appears first; any other name as it is."""
    block = _BLOCK.fullmatch(name) if arguments.stack_size > 1 else None
    if block is None:
        return name
    index = int(block[1])
    if index >= arguments.layer_size * arguments.stack_size:
        return name
    return f"res_stack.{index % arguments.layer_size}.{block[2]}"


def check_weights(weights: Weights, repeats: dict[str, str]) -> Weights:
    """The weights without repeats. Raises SpivaeError where one is not finite or a repeat differs."""
    import numpy as np

    for name, array in weights.items():
        if np.issubdtype(array.dtype, np.inexact) and not np.isfinite(array).all():
            raise SpivaeError(f"weights of {name!r} are not finite (NaN or infinity)")
    for name, first in repeats.items():
        if weights[name].dtype != weights[first].dtype or not np.array_equal(weights[name], weights[first]):
            raise SpivaeError(f"tensor {name!r} should repeat {first!r} (stack_size > 1) but differs from it")
    return {name: array for name, array in weights.items() if name not in repeats}
