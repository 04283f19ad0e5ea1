"""The one-cycle schedule of learning rate and momentum (Smith, arXiv:1803.09820), as fastai shapes it."""

from __future__ import annotations

import math

_START_DIVISOR = 25.0
_END_DIVISOR = 1e5
_WARM_UP = 0.25
MOST_MOMENTUM, LEAST_MOMENTUM = 0.95, 0.85  # at the lowest and at the highest rate


# Beta grows late, at rates so low already that a latent which is worth a nat is not lost to their noise.
_GROWTH = 0.6, 0.95


def _cosine(start: float, end: float, fraction: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * fraction)) / 2


def one_cycle(step: int, steps: int, lr_max: float) -> tuple[float, float]:
    """Learning rate and momentum (Adam's beta 1) for step 0..steps-1 of a phase.

    The rate climbs from lr_max / 25 over the first quarter, then falls to lr_max / 1e5; the momentum mirrors
    it.
    """
    position = step / max(steps - 1, 1)
    if position < _WARM_UP:
        fraction = position / _WARM_UP
        return (
            _cosine(lr_max / _START_DIVISOR, lr_max, fraction),
            _cosine(MOST_MOMENTUM, LEAST_MOMENTUM, fraction),
        )
    fraction = (position - _WARM_UP) / (1 - _WARM_UP)
    return (
        _cosine(lr_max, lr_max / _END_DIVISOR, fraction),
        _cosine(LEAST_MOMENTUM, MOST_MOMENTUM, fraction),
    )


def growing(step: int, steps: int, betas: tuple[float, float]) -> float:
    """Beta at step 0..steps-1 of a phase: the first of `betas`, growing to the second from 60 % to 95 %."""
    begin, end = _GROWTH
    position = step / max(steps - 1, 1)
    grown = min(1.0, max(0.0, (position - begin) / (end - begin)))
    return betas[0] + (betas[1] - betas[0]) * grown
