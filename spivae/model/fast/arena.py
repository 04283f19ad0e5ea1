"""Memory for activations that is used again for every part of a batch.

Fresh memory costs a page fault every 4 kB, a fifth of a training step, and misses the caches.
"""

from __future__ import annotations

import math
import mmap
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

_ALIGN = 64  # bytes of a cache line
_HUGE = 2 << 20  # a huge page


class Arena:
    """A stack of float32 tensors. What `take` gives is not cleared, and valid until the next `reset`."""

    def __init__(self) -> None:
        self.generation = 0  # counts the resets: whoever keeps a tensor across calls can check it
        self._memory = torch.empty(0, dtype=torch.uint8)
        self._used = 0
        self._wanted = 0

    def reset(self) -> None:
        """Forget all tensors; makes room for as much as was taken at once so far."""
        self.generation += 1
        self._used = 0
        if self._wanted > len(self._memory):
            self._memory = _reserve(self._wanted)

    def check(self, generation: int) -> None:
        """Raises RuntimeError where what was taken then is gone."""
        if generation != self.generation:
            raise RuntimeError(
                "backward: the activations of this pass are gone; call it before the next pass"
            )

    def take(self, *shape: int) -> Tensor:
        """A tensor of this shape with arbitrary values."""
        size = 4 * math.prod(shape)
        begin, self._used = self._used, self._used + -(-size // _ALIGN) * _ALIGN
        self._wanted = max(self._wanted, self._used)
        if self._used > len(self._memory):  # the first time, before `reset` knows how much is needed
            return torch.empty(shape)
        return self._memory[begin : begin + size].view(torch.float32).view(shape)

    @contextmanager
    def scratch(self) -> Iterator[None]:
        """What is taken inside is given back at the end."""
        used = self._used
        try:
            yield
        finally:
            self._used = used


def _reserve(size: int) -> Tensor:
    """Memory in huge pages, where the system has them: with small ones the look-up of addresses is felt."""
    memory = mmap.mmap(-1, -(-size // _HUGE) * _HUGE)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        memory.madvise(mmap.MADV_HUGEPAGE)
    return torch.frombuffer(memory, dtype=torch.uint8)


class _Local(threading.local):
    def __init__(self) -> None:
        self.arena = Arena()


_local = _Local()


def arena() -> Arena:
    """The arena of this thread."""
    return _local.arena
