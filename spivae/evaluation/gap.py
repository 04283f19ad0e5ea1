"""How far a model is from the best that is possible, and which half of it is to blame."""

from __future__ import annotations

import math
from dataclasses import dataclass

from spivae.evaluation.bound import Bound
from spivae.limits import Limits, optimal_kl, optimal_nll


@dataclass(frozen=True)
class Gap:
    """Nats per trajectory above H + I / n, where n is the number of predicted steps.

    `nats` = `decoder` + `encoder`: what the NLL lies above the entropy, n (NLL - H), and what the KL lies
    above the information, KL - I. A model trained with another weight than the true one trades one for the
    other on purpose: `decoder_optimal` and `encoder_optimal` are what local theory wants for its weight and
    its number of surviving latents, None where the weight is not known or 0, or nothing survives.
    """

    nats: float
    error: float
    decoder: float
    encoder: float
    decoder_optimal: float | None
    encoder_optimal: float | None

    @classmethod
    def of(cls, bound: Bound, known: Limits, beta: float | None) -> Gap:
        """The gap of a measured bound; `beta` is the weight of the KL term in the training, if known."""
        n, d = bound.steps, len(bound.surviving)
        decoder_optimal = encoder_optimal = None
        if beta and d:
            decoder_optimal = n * (optimal_nll(known, d, n * beta) - known.entropy)
            encoder_optimal = optimal_kl(known, d, n * beta) - known.information
        nats = n * (bound.neg_elbo.value - known.entropy) - known.information
        encoder = float(bound.kl_latents.sum()) - known.information
        return cls(
            nats=nats,
            error=math.hypot(n * bound.neg_elbo.error, known.information_se),
            decoder=nats - encoder,
            encoder=encoder,
            decoder_optimal=decoder_optimal,
            encoder_optimal=encoder_optimal,
        )
