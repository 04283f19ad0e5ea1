"""From the bytes of a file to numpy arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

Order = Literal["<", ">"]


def decode(
    content: bytes | bytearray | memoryview, dtype: str, order: Order = "<"
) -> npt.NDArray[np.generic]:
    """A flat array of bytes in this order; bfloat16, which numpy lacks, becomes float32 of equal values."""
    import numpy as np

    if dtype == "bfloat16":
        halves = np.frombuffer(content, np.dtype(np.uint16).newbyteorder(order)).astype(np.uint32)
        return (halves << np.uint32(16)).view(np.float32)
    stored = np.frombuffer(content, np.dtype(dtype).newbyteorder(order))
    return stored.astype(np.dtype(dtype), copy=False)
