"""Series that forget at a steady rate: discrete Ornstein-Uhlenbeck processes, many at once."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

Array = npt.NDArray[Any]


def autoregressive(noise: Array, rho: Array) -> Array:
    """x (n, T) with x_t = rho x_(t-1) + noise_t and x_0 = noise_0, for noise (n, T) and rho (n, 1) in (0, 1).

    Sums over a window that doubles: after each pass, x_t holds the last `window` terms rho^j noise_(t-j).
    """
    x, window = noise.copy(), 1
    while window < x.shape[1]:
        x[:, window:] += rho**window * x[:, :-window]
        window *= 2
    return x
