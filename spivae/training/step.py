"""A step of the optimizer on a batch, and what a model says of the validation set."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from spivae.model.fast.threads import one_thread
from spivae.model.losses import Loss
from spivae.model.paths import Path as CodePath
from spivae.model.paths import forward, gradients
from spivae.model.vae import WaveNetVAE
from spivae.training.distributed import Team

WEIGHT_DECAY = 0.01
ADAM_BETA_2 = 0.99
ADAM_EPS = 1e-5
ALONE = Team()


def make_optimizer(model: nn.Module, lr: float) -> torch.optim.Optimizer:
    """AdamW as the original is trained with; its rate and momentum follow the schedule."""
    return torch.optim.AdamW(
        model.parameters(),
        lr=lr,
        betas=(0.95, ADAM_BETA_2),
        eps=ADAM_EPS,
        weight_decay=WEIGHT_DECAY,
        fused=True,  # one pass over all weights: six times faster
    )


def set_rates(optimizer: torch.optim.Optimizer, rates: tuple[float, float]) -> float:
    lr, momentum = rates
    for group in optimizer.param_groups:
        group["lr"], group["betas"] = lr, (momentum, ADAM_BETA_2)
    return lr


class Means(NamedTuple):
    """What a batch was judged to be before a step."""

    loss: float
    nll: float  # per step
    kl: list[float]  # of each latent


def train_step(
    model: WaveNetVAE,
    optimizer: torch.optim.Optimizer,
    x: Tensor,
    noise: Tensor,
    beta: float,
    clip: float,
    mean_lr: float = 1.0,
    team: Team = ALONE,
    path: CodePath = "fast",
) -> Means:
    """One step on displacements x (B, 1, L) with latent noise (B, Z); the means over the batch before it.

    Of several processes, each has rows of the batch: the step is that of the whole batch.

    Means in raw units must be right to a fraction of the smallest displacements, and a step of Adam moves
    every weight by about the rate: `mean_lr` shortens the steps of the weights that make means.
    """
    optimizer.zero_grad(set_to_none=True)
    parts = team.reduce(model, gradients(model, x, noise, beta, path=path))
    with one_thread():
        if clip:
            nn.utils.clip_grad_norm_(model.parameters(), clip)
        means = (
            [weight.detach().chunk(3)[1] for weight in model.out_conv[-1].parameters()]
            if mean_lr != 1
            else []
        )
        before = [weight.clone() for weight in means]
        optimizer.step()
        for weight, old in zip(means, before, strict=True):
            torch.lerp(old, weight, mean_lr, out=weight)
    # in one piece, because reading it waits for the GPU
    loss, nll, *kl = torch.cat([parts.loss.mean()[None], parts.nll.mean()[None], parts.kl.mean(0)]).tolist()
    return Means(loss, nll, kl)


class Validation(NamedTuple):
    """What a model says of the validation set."""

    nll: npt.NDArray[np.float32]  # (n,), mean NLL per step of each trajectory, at z ~ q(z|x)
    kl: list[float]  # mean KL of each latent
    mu: npt.NDArray[np.float32]  # (n, Z)


@torch.inference_mode()
def validate(
    model: WaveNetVAE, batches: Iterator[tuple[Tensor, Tensor]], path: CodePath = "fast"
) -> Validation:
    """NLL per step at z ~ q(z|x), latents and their KL, over batches of (x, noise)."""
    loss = Loss(model.receptive_field, model.c_channels)
    nll, mu, kl = [], [], torch.zeros(model.args.latents, device=next(model.parameters()).device)
    for x, noise in batches:
        output = forward(model, x, noise, path=path)
        parts = loss.parts(output, x)
        # read at the end, because reading waits for the GPU
        nll.append(parts.nll.mean((1, 2)))
        mu.append(output.mu)
        kl += parts.kl.sum(0)
    each = torch.cat(nll).cpu().numpy()
    return Validation(each, (kl / len(each)).tolist(), torch.cat(mu).cpu().numpy())
