"""Which latents say something of their input, and what is said of models without any."""

from __future__ import annotations

from collections.abc import Iterable

from spivae.errors import SpivaeError

# A latent survives if its KL divergence (mean over trajectories) is above this many nats. One with less
# explains at most 1 - exp(-2 * 0.2) = 33 % of the variance of anything; it is pruned, or about to be.
SURVIVING_KL = 0.2
NO_LATENTS = "This model has no latents: it is a WaveNet alone."


def surviving(kl_latents: Iterable[float]) -> list[int]:
    """Indices of the latents whose mean KL divergence is above `SURVIVING_KL` nats."""
    return [index for index, value in enumerate(kl_latents) if value > SURVIVING_KL]


def check_latent(wanted: int | None, count: int) -> None:
    """Raise SpivaeError where an option asks for a latent that a model of `count` latents does not have."""
    if wanted is not None and not 0 <= wanted < count:
        raise SpivaeError(
            f"option latent: there is no latent {wanted}; this model has latents 0..{count - 1}"
        )
