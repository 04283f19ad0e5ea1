"""Moving numbers to where a model computes."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt
import torch
from torch import Tensor, nn


def to_device(values: Tensor, device: torch.device | str) -> Tensor:
    """The same values there. A GPU gets them from pinned memory, and nobody waits until they are there.

    torch keeps the pinned copy until then, and orders what reads the values after their arrival.
    """
    if torch.device(device).type == "cuda":
        return values.pin_memory().to(device, non_blocking=True)
    return values.to(device)


def device_of(model: nn.Module) -> torch.device:
    """Where a model computes."""
    return next(model.parameters()).device


def to_numpy(values: Tensor) -> npt.NDArray[Any]:
    """The same values as an array: a GPU's are waited for and copied, those of the CPU shared."""
    return values.cpu().numpy()
