"""Losses: Gaussian-mixture negative log-likelihood and the Kullback-Leibler divergence of the latents."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from spivae.errors import SpivaeError
from spivae.model.vae import Output, WaveNetVAE

LOG_STD_FLOOR = -12.0

Reduction = Literal["mean", "sum", "sumtime", "none"]
REDUCTIONS: tuple[Reduction, ...] = ("mean", "sum", "sumtime", "none")


class Parts(NamedTuple):
    """The loss before reduction."""

    nll: Tensor  # (B, L - R, 1), nats per step
    kl: Tensor  # (B, Z), nats per latent
    loss: Tensor  # (B,), mean NLL over the steps + beta * KL summed over the latents


def mixture(pred: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Log weights, means and log standard deviations, each (B, M, T), of predictions (B, 3M, T)."""
    logits, means, log_std = pred.chunk(3, dim=1)
    return torch.log_softmax(logits, dim=1), means, log_std.clamp(min=LOG_STD_FLOOR)


def nll(pred: Tensor, x: Tensor) -> Tensor:
    """Negative log-likelihood (B, T, 1) of the last T displacements of x (B, 1, L) under pred (B, 3M, T)."""
    log_weights, means, log_std = mixture(pred)
    deviation = (x[..., -pred.shape[-1] :] - means) * torch.exp(-log_std)  # (B, M, T)
    log_density = -0.5 * deviation**2 - log_std - 0.5 * math.log(2 * math.pi)
    if log_weights.shape[1] > 1:
        log_density = torch.logsumexp(log_weights + log_density, dim=1, keepdim=True)
    return -log_density.transpose(1, 2)


def kl(mu: Tensor, logvar: Tensor) -> Tensor:
    """KL divergence (B, Z) of N(mu, exp(logvar)) from N(0, 1)."""
    return 0.5 * (mu**2 + torch.exp(logvar) - 1 - logvar)


class Loss:
    """NLL of the predicted steps plus beta times the KL divergence, summed over the latents.

    Called with a model's output and the displacements x (B, 1, L). Reductions: "mean" over batch and steps;
    "sum" over both; "sumtime" over steps, mean over the batch; "none" returns `Parts`.
    """

    def __init__(
        self,
        receptive_field: int,
        c_channels: int,
        beta: float = 0.0,
        reduction: Reduction = "mean",
    ) -> None:
        if reduction not in REDUCTIONS:
            raise SpivaeError(f"reduction {reduction!r} is none of {', '.join(REDUCTIONS)}")
        self.receptive_field = receptive_field
        self.c_channels = c_channels
        self.beta = beta
        self.reduction = reduction

    def __call__(self, output: Output, x: Tensor) -> Tensor | Parts:
        parts = self.parts(output, x)
        if self.reduction == "none":
            return parts
        divergence = self.beta * parts.kl.sum(1)  # (B,)
        if self.reduction == "mean":
            return parts.nll.mean() + divergence.mean()
        if self.reduction == "sum":
            return parts.nll.sum() + divergence.sum()
        return parts.nll.sum((1, 2)).mean() + divergence.mean()

    def learnt(self, output: Output, x: Tensor, judged: int) -> Parts:
        """The unreduced loss of what a model learns from: of its steps, the last `judged` are its own.

        Steps before those add to the loss, which remains in nats for each of its own.
        """
        parts = self.parts(output, x)
        early = parts.nll[:, :-judged].sum((1, 2)) / judged
        own = parts.nll[:, -judged:]
        return Parts(own, parts.kl, own.mean((1, 2)) + early + self.beta * parts.kl.sum(1))

    def parts(self, output: Output, x: Tensor) -> Parts:
        """The unreduced loss. Raises SpivaeError where the prediction does not fit x."""
        predicted = output.pred.shape[-1]
        if predicted not in (x.shape[-1], x.shape[-1] - self.receptive_field):
            raise SpivaeError(
                f"predictions of {predicted} steps do not belong to {x.shape[-1]} displacements "
                f"at a receptive field of {self.receptive_field}"
            )
        per_step = nll(output.pred, x)
        per_latent = kl(output.mu, output.logvar)
        return Parts(per_step, per_latent, per_step.mean((1, 2)) + self.beta * per_latent.sum(1))


def judged_steps(model: WaveNetVAE, x: Tensor) -> int:
    """How many steps of displacements x (B, 1, L) a model is judged by."""
    return x.shape[-1] - model.args.first_predicted
