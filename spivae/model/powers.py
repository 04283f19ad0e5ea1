"""What the scaled WaveNet-VAE's encoder reads of a trajectory: logarithms of its powers.

The likelihood of a Gaussian process with a power law in time (scaled Brownian motion) or in frequency
(fractional Brownian motion, by Whittle's approximation) depends on the trajectory only through sums of its
squares, or of its periodogram, weighted with powers of time or frequency: these are nearly sufficient. Bins
even in the logarithm tell what is no power law. No length or time is preferred, and a change of units only
adds to one feature.
"""

from __future__ import annotations

import functools
import math

import torch
from torch import Tensor

from spivae.model.scaled_arguments import EXPONENTS, log_edges

# of the mean power: what lies below is as good as nothing, and its logarithm would be wild
_FLOOR = 1e-3
# typical logarithms of displacements lie around -5; this brings them to order one
_CENTRE, _SPREAD = -5.0, 2.0
_TINY = 1e-30  # a trajectory that does not move has a logarithm too


def log_powers(x: Tensor) -> Tensor:
    """Features (B, F) of displacements x (B, L): of time, of frequency, and their root mean square."""
    power = x.square()
    mean = power.mean(1, keepdim=True) + _TINY
    of_time, of_frequency = (weights.to(x.dtype) for weights in _weights(x.shape[1], x.device))
    spectrum = torch.fft.rfft(x)[:, 1 : len(of_frequency.T) + 1].abs().square() / x.shape[1]
    relative = torch.cat([power @ of_time.T, spectrum @ of_frequency.T], dim=1) / mean
    size = (0.5 * torch.log(mean) - _CENTRE) / _SPREAD
    return torch.cat([torch.log(relative + _FLOOR), size], dim=1)


@functools.lru_cache(maxsize=8)  # of a few lengths; on the device, so that no step copies them there
@torch.inference_mode(False)  # kept for trainings too, whichever comes first
def _weights(length: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Weights (.., L) of the squares in time and (.., L // 2) of the periodogram; each row sums to one."""
    time = torch.arange(1, length + 1, dtype=torch.float64)
    # the frequency of which a difference is made, so that a differenced power law stays one
    frequency = 2 * torch.sin(math.pi * torch.arange(1, length // 2 + 1, dtype=torch.float64) / length)
    return _rows(time).to(device), _rows(frequency).to(device)


def _rows(places: Tensor) -> Tensor:
    edges = torch.tensor(log_edges(len(places)))
    index = torch.arange(len(places))
    bins = (index >= edges[:-1, None]) & (index < edges[1:, None])
    exponents = torch.linspace(-1, 1, EXPONENTS, dtype=torch.float64)
    rows = torch.cat([bins.double(), places ** exponents[:, None]])
    return (rows / rows.sum(1, keepdim=True)).float()
