"""Series that forget at a steady rate: discrete Ornstein-Uhlenbeck processes, many at once."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

Array = npt.NDArray[Any]

_AT_ONCE = 1 << 17  # numbers that stay in the caches during all passes


def autoregressive(noise: Array, rho: Array) -> Array:
    """x (n, T) with x_t = rho x_(t-1) + noise_t and x_0 = noise_0, for noise (n, T) and rho (n, 1) in (0, 1).

    Sums over a window that doubles: after each pass, x_t holds the last `window` terms rho^j noise_(t-j).
    """
    x = noise.copy()
    rows = max(1, _AT_ONCE // max(1, x.shape[1]))
    for start in range(0, len(x), rows):
        part, weight, window = x[start : start + rows], rho[start : start + rows], 1
        while window < part.shape[1]:
            part[:, window:] += weight**window * part[:, :-window]
            window *= 2
    return x
