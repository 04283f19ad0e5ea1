"""Which latents say something of their input."""

from __future__ import annotations

from collections.abc import Iterable

# A latent whose KL divergence is below this (nats, mean over trajectories) is pruned.
SURVIVING_KL = 0.05


def surviving(kl_latents: Iterable[float]) -> list[int]:
    """Indices of the latents whose mean KL divergence is above `SURVIVING_KL` nats."""
    return [index for index, value in enumerate(kl_latents) if value > SURVIVING_KL]
