"""One pass of the whole model: the convolutions by hand, what lies between them in plain autograd."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from spivae.model.arguments import ModelArgs
from spivae.model.fast.arena import arena
from spivae.model.fast.folding import Folded, bias_of, conditioning_width, fold
from spivae.model.fast.rows import Stretch, conditioning, encoder_features, stretch
from spivae.model.fast.trunk import trunk
from spivae.model.vae import VAE, Output, WaveNetVAE


@dataclass(frozen=True)
class Ends:
    """What a variant of the model does before and after the convolutions; the model itself does nothing.

    Each is called with the model, whose parameters it may use, and gives a tensor of the shape of its second
    argument.
    """

    encoder_input: Callable[[WaveNetVAE, Tensor], Tensor] = lambda model, x: x  # x (B, 1, L), no gradient
    wavenet_input: Callable[[WaveNetVAE, Tensor, Tensor], Tensor] = lambda model, x, z: x  # and z (B, Z)
    prediction: Callable[[WaveNetVAE, Tensor, Tensor], Tensor] = lambda model, pred, z: pred  # (B, 3M, L - R)


# by exact class, so that a variant that is not here takes the readable path
ENDS: dict[type[WaveNetVAE], Ends] = {WaveNetVAE: Ends()}


class Convolutions(NamedTuple):
    """The weights of the VAE's convolutions as `rows` takes them."""

    first: Tensor
    encoder: list[Tensor]
    encoder_bias: list[Tensor]
    decoder: list[Tensor]
    decoder_bias: list[Tensor]


class Weights(NamedTuple):
    convolutions: Convolutions | None  # None without the VAE
    trunk: Folded


def prepare(model: WaveNetVAE) -> Weights:
    """What `output` needs beside the dense layers, made from the weights by differentiable operations."""
    return Weights(None if model.vae is None else _convolutions(model.vae), fold(model))


def _convolutions(vae: VAE) -> Convolutions:
    convs = [layer for layer in vae.encoder if isinstance(layer, nn.Conv1d)]
    transposed = [layer for layer in vae.convt if isinstance(layer, nn.ConvTranspose1d)]
    decoder = [layer.weight.permute(1, 2, 0).flip(1).contiguous() for layer in transposed]
    decoder_bias = [bias_of(layer) for layer in transposed]
    # the conditioning's further channels: one that is always one, and zeros
    channels = len(decoder_bias[-1])
    width = conditioning_width(channels)
    decoder[-1] = F.pad(decoder[-1], (0, 0, 0, 0, 0, width - channels))
    one = F.one_hot(torch.tensor(channels), width).to(decoder[-1].dtype)
    decoder_bias[-1] = F.pad(decoder_bias[-1], (0, width - channels)) + one
    return Convolutions(
        torch.cat([convs[0].weight[:, 0].T, bias_of(convs[0])[None]]),
        [layer.weight.permute(0, 2, 1).contiguous() for layer in convs[1:]],
        [bias_of(layer) for layer in convs[1:]],
        decoder,
        decoder_bias,
    )


def output(model: WaveNetVAE, weights: Weights, x: Tensor, noise: Tensor | None) -> Output:
    """What the model says of x (B, 1, L) at z = mu, or at z = mu + sigma * noise for noise (B, Z).

    It lies in this thread's arena: done with, backward pass and all, before the next call.
    """
    arena().reset()
    ends = ENDS[type(model)]
    batch, _, length = x.shape
    c = None
    if model.vae is None or weights.convolutions is None:
        mu = logvar = z = x.new_zeros(batch, 0)
        rows = arena().take(batch * length, conditioning_width(0)).zero_()
        rows[:, 0] = 1
    else:
        mu, logvar = _encode(model.vae, weights.convolutions, ends.encoder_input(model, x)[:, 0])
        z = mu if noise is None else mu + torch.exp(0.5 * logvar) * noise
        rows = _decode(model.vae, weights.convolutions, z)
        c = rows.view(batch, length, -1)[..., : model.c_channels].transpose(1, 2)
    raw = trunk(ends.wavenet_input(model, x, z)[:, 0], rows, weights.trunk)
    pred = raw[..., model.receptive_field :].transpose(0, 1)
    return Output(ends.prediction(model, pred, z), mu, logvar, c)


def _encode(vae: VAE, weights: Convolutions, x: Tensor) -> tuple[Tensor, Tensor]:
    args = vae.args
    features = encoder_features(x, weights.first, weights.encoder, weights.encoder_bias)
    size = (1, args.avg_size)
    pooled = torch.cat([F.adaptive_max_pool2d(features, size), F.adaptive_avg_pool2d(features, size)], dim=1)
    dense = vae.encoder[2 * len(args.nf) + 1 :]
    mu, logvar = dense(pooled[:, :, 0]).chunk(2, dim=1)
    return mu, logvar


def _decode(vae: VAE, weights: Convolutions, z: Tensor) -> Tensor:
    args = vae.args
    features = vae.decoder(z).view(len(z), args.nf[-1], -1).transpose(1, 2)
    return conditioning(features, _stretch(args), weights.decoder, weights.decoder_bias)


@functools.cache
def _stretch(args: ModelArgs) -> Stretch:
    """What the readable form does with the decoder's features, as rows to take."""
    positions = torch.arange(2 * args.avg_size, dtype=torch.float32)[None, None]
    index = F.interpolate(positions, scale_factor=args.conv_out / (2 * args.avg_size))[0, 0].long()
    return stretch(index, 2 * args.avg_size, len(args.nf))
