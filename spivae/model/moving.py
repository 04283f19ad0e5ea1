"""Moving numbers to where a model computes."""

from __future__ import annotations

import torch
from torch import Tensor


def to_device(values: Tensor, device: torch.device | str) -> Tensor:
    """The same values there. A GPU gets them from pinned memory, and nobody waits until they are there.

    torch keeps the pinned copy until then, and orders what reads the values after their arrival.
    """
    if torch.device(device).type == "cuda":
        return values.pin_memory().to(device, non_blocking=True)
    return values.to(device)
