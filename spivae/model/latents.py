"""Which latents say something of their input."""

from __future__ import annotations

from collections.abc import Iterable

# A latent survives if its KL divergence (mean over trajectories) is above this many nats. One with less
# explains at most 1 - exp(-2 * 0.2) = 33 % of the variance of anything; it is pruned, or about to be.
SURVIVING_KL = 0.2


def surviving(kl_latents: Iterable[float]) -> list[int]:
    """Indices of the latents whose mean KL divergence is above `SURVIVING_KL` nats."""
    return [index for index, value in enumerate(kl_latents) if value > SURVIVING_KL]
