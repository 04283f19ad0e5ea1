"""Memory for activations, and the views of it that a pass needs, kept for the next part of a batch.

Fresh memory costs a page fault every 4 kB, a fifth of a training step, and misses the caches; and to make the
views of small parts again each time would cost more than their arithmetic. So what computes a part of some
shape is made once by each thread, with all that it writes to, and used again.
"""

from __future__ import annotations

import contextlib
import math
import mmap
import threading
from typing import Any, TypeVar

import torch
from torch import Tensor

_ALIGN = 64  # bytes of a cache line
_HUGE = 2 << 20  # a huge page: with small ones the look-up of addresses is felt
# plans of a thread: three for each shape, of which an epoch has its batches' and two of the last, smaller one
_KEPT = 9


class Plan:
    """What computes parts of one shape, in memory of its own: each pass overwrites what the last one left."""

    def __init__(self) -> None:
        self.passes = 0  # begun so far: whoever needs the activations of one can check that they are there
        self._block = torch.empty(0, dtype=torch.uint8)
        self._used = 0

    def begin(self) -> int:
        """Begin a pass; its number."""
        self.passes += 1
        return self.passes

    def check(self, number: int) -> None:
        """Raises RuntimeError where the activations of this pass are gone."""
        if number != self.passes:
            raise RuntimeError(
                "backward: the activations of this pass are gone; call it before the next pass"
            )

    def take(self, *shape: int) -> Tensor:
        """A float32 tensor of zeros, this plan's own."""
        size = 4 * math.prod(shape)
        if self._used + size > len(self._block):
            self._block, self._used = _reserve(size), 0
        begin = self._used
        self._used = begin + -(-size // _ALIGN) * _ALIGN
        return self._block[begin : begin + size].view(torch.float32).view(shape)


def _reserve(size: int) -> Tensor:
    """At least so many bytes in huge pages, where the system has them."""
    memory = mmap.mmap(-1, -(-size // _HUGE) * _HUGE)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        with contextlib.suppress(OSError):  # a kernel that was built without them
            memory.madvise(mmap.MADV_HUGEPAGE)
    return torch.frombuffer(memory, dtype=torch.uint8)


class _Local(threading.local):
    def __init__(self) -> None:
        self.plans: dict[Any, Any] = {}


_local = _Local()
Made = TypeVar("Made", bound=Plan)


def plan(kind: type[Made], *shape: Any) -> Made:
    """This thread's plan `kind(*shape)`; those that were not used for longest are forgotten."""
    known, key = _local.plans, (kind, shape)
    found: Made | None = known.pop(key, None)
    if found is None:
        with torch.inference_mode(False), torch.no_grad():  # for trainings too, whichever comes first
            found = kind(*shape)
    known[key] = found
    if len(known) > _KEPT:
        del known[next(iter(known))]
    return found
