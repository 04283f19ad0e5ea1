"""Which form of the model computes: the readable one, or the fast one where it can."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from spivae.model.fast import step as fast
from spivae.model.fast.network import FORMS
from spivae.model.losses import Loss, Parts, judged_steps
from spivae.model.vae import Output, WaveNetVAE

Path = Literal["fast", "plain"]


def path_of(model: WaveNetVAE) -> Path:
    """How batches of this model are computed, where the plain form is not asked for."""
    return "fast" if why_plain(model) is None else "plain"


def why_plain(model: WaveNetVAE) -> str | None:
    """What keeps a model from the fast path; None where nothing does."""
    args = model.args
    if type(model) not in FORMS:
        return f"the fast path does not know a {type(model).__name__}"
    if args.use_pad:
        return "use_pad: the fast path has no padding"
    if args.stack_size > 1:
        return "stack_size: the fast path runs every block once"
    if args.g_channels:
        return "g_channels: the fast path has no global conditioning"
    for name, weight in model.named_parameters():
        if weight.device.type != "cpu" or weight.dtype != torch.float32:
            return f"{name}: the fast path computes float32 on the CPU, not {weight.dtype} on {weight.device}"
    return None


def _is_fast(model: WaveNetVAE, x: Tensor, path: Path) -> bool:
    if path == "plain":
        return False
    # trajectories of a wrong length are refused by the readable form, in words
    fits = len(x) > 0 and (x.shape[-1] == model.args.o_dim or model.vae is None)
    fits = fits and x.shape[-1] > model.receptive_field
    return fits and x.dtype == torch.float32 and x.device.type == "cpu" and path_of(model) == "fast"


def forward(model: WaveNetVAE, x: Tensor, noise: Tensor | None = None, *, path: Path = "fast") -> Output:
    """What the model says of displacements x (B, 1, L), without gradients; latent noise (B, Z).

    The `path` is the fast one where it can be, here and below, or the plain one.
    """
    if _is_fast(model, x, path):
        return fast.forward(model, x, noise)
    with torch.no_grad():
        return model(x, noise=noise)  # type: ignore[no-any-return]


def losses(
    model: WaveNetVAE, x: Tensor, noise: Tensor | None = None, beta: float = 0.0, *, path: Path = "fast"
) -> Parts:
    """The loss of displacements x (B, 1, L) before reduction, without gradients."""
    if _is_fast(model, x, path):
        return fast.losses(model, x, noise, beta)
    with torch.no_grad():
        return Loss(model.receptive_field, model.c_channels, beta).parts(model(x, noise=noise), x)


def gradients(
    model: WaveNetVAE, x: Tensor, noise: Tensor | None, beta: float, *, path: Path = "fast"
) -> Parts:
    """Add the gradients of the mean loss to those of the model; the loss that it learns from, detached."""
    if _is_fast(model, x, path):
        return fast.gradients(model, x, noise, beta)
    with torch.enable_grad():
        loss, judged = Loss(model.receptive_field, model.c_channels, beta), judged_steps(model, x)
        parts = loss.learnt(model.learn(x, noise), x, judged)
        parts.loss.mean().backward()  # type: ignore[no-untyped-call]
    return Parts(*(value.detach() for value in parts))
