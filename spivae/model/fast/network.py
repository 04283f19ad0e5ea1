"""One pass of the whole model: the convolutions by hand, what lies between them in plain autograd."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from spivae.model.arguments import ModelArgs
from spivae.model.fast.folding import Folded, bias_of, conditioning_width, fold
from spivae.model.fast.rows import Stretch, conditioning, encoder_features, stretch
from spivae.model.fast.trunk import trunk
from spivae.model.scaled import ScaledWaveNetVAE, scaled
from spivae.model.vae import VAE, Output, WaveNetVAE, drawn


class Convolutions(NamedTuple):
    """The weights of the VAE's convolutions as `rows` takes them."""

    first: Tensor
    encoder: list[Tensor]
    encoder_bias: list[Tensor]
    decoder: list[Tensor]
    decoder_bias: list[Tensor]


class Weights(NamedTuple):
    convolutions: Convolutions | None  # of the WaveNet-VAE's own encoder and decoder
    trunk: Folded


def prepare(model: WaveNetVAE) -> Weights:
    """What `output` needs beside the dense layers, made from the weights by differentiable operations."""
    return Weights(_convolutions(model.vae) if isinstance(model.vae, VAE) else None, fold(model))


def _convolutions(vae: VAE) -> Convolutions:
    convs = [layer for layer in vae.encoder if isinstance(layer, nn.Conv1d)]
    transposed = [layer for layer in vae.convt if isinstance(layer, nn.ConvTranspose1d)]
    # a transposed convolution is one with the kernel turned round
    decoder = [layer.weight.permute(2, 0, 1).flip(0) for layer in transposed]
    decoder_bias = [bias_of(layer) for layer in transposed]
    # the conditioning's further channels: one that is always one, and zeros
    channels = len(decoder_bias[-1])
    width = conditioning_width(channels)
    decoder[-1] = F.pad(decoder[-1], (0, width - channels))
    one = F.one_hot(torch.tensor(channels), width).to(decoder[-1].dtype)
    decoder_bias[-1] = F.pad(decoder_bias[-1], (0, width - channels)) + one
    return Convolutions(
        torch.cat([convs[0].weight[:, 0].T, bias_of(convs[0])[None]]),
        [layer.weight.permute(2, 1, 0).contiguous() for layer in convs[1:]],
        [bias_of(layer) for layer in convs[1:]],
        decoder,
        decoder_bias,
    )


def output(
    model: WaveNetVAE, weights: Weights, x: Tensor, noise: Tensor | None, learn: bool = False
) -> Output:
    """What the model says of x (B, 1, L) at z = mu, or at z = mu + sigma * noise for noise (B, Z).

    With `learn`, what it learns from (see `WaveNetVAE.learn`), without the conditioning.
    It lies in this thread's memory: done with, backward pass and all, before the next call.
    """
    return FORMS[type(model)](model, weights, x, noise, learn)


def _wavenet_vae(model: WaveNetVAE, weights: Weights, x: Tensor, noise: Tensor | None, learn: bool) -> Output:
    batch, _, length = x.shape
    steps = x[:, 0].T.contiguous()  # (L, B)
    c = None
    if weights.convolutions is None:
        mu = logvar = x.new_zeros(batch, 0)
        rows = x.new_zeros(length * batch, conditioning_width(0))
        rows[:, 0] = 1
    else:
        assert isinstance(model.vae, VAE)
        mu, logvar = _encode(model.vae, weights.convolutions, steps)
        rows = _decode(model.vae, weights.convolutions, drawn(mu, logvar, noise))
        if not learn:
            c = rows.view(length, batch, -1)[..., : model.c_channels].permute(1, 2, 0)
    raw = trunk(steps, rows, weights.trunk)
    return Output(raw.permute(2, 0, 1), mu, logvar, c)


def _scaled(model: WaveNetVAE, weights: Weights, x: Tensor, noise: Tensor | None, learn: bool) -> Output:
    assert isinstance(model, ScaledWaveNetVAE)
    mu, logvar = model.vae.encode(x)
    given, log_scale, taps = model.vae.conditions(drawn(mu, logvar, noise))
    c = None if learn else model.vae.carried(given, log_scale, taps)
    u = scaled(x[:, 0], log_scale)
    if learn and model.args.whole:
        u, given = model.from_the_beginning(u, given)
    batch, length = u.shape
    width = conditioning_width(model.c_channels)
    one = given.new_ones(1, 1, 1).expand(length, batch, 1)
    rows = F.pad(torch.cat([given.transpose(0, 1), one], dim=2), (0, width - model.c_channels - 1))
    raw = trunk(u.T.contiguous(), rows.view(length * batch, width), weights.trunk)
    pred = model.unscaled(raw.permute(2, 0, 1), u, log_scale, taps)
    return Output(pred, mu, logvar, c)


# by exact class, so that a variant that is not here takes the readable path
FORMS: dict[type[WaveNetVAE], Callable[[WaveNetVAE, Weights, Tensor, Tensor | None, bool], Output]] = {
    WaveNetVAE: _wavenet_vae,
    ScaledWaveNetVAE: _scaled,
}


def _encode(vae: VAE, weights: Convolutions, steps: Tensor) -> tuple[Tensor, Tensor]:
    args = vae.args
    pooled = encoder_features(steps, args.avg_size, weights.first, weights.encoder, weights.encoder_bias)
    mu, logvar = vae.encoder[2 * len(args.nf) + 1 :](pooled).chunk(2, dim=1)
    return mu, logvar


def _decode(vae: VAE, weights: Convolutions, z: Tensor) -> Tensor:
    args = vae.args
    features = vae.decoder(z).view(len(z), args.nf[-1], -1).permute(2, 0, 1)
    return conditioning(features, _stretch(args), weights.decoder, weights.decoder_bias)


@functools.cache
@torch.inference_mode(False)  # kept for trainings too, whichever comes first
def _stretch(args: ModelArgs) -> Stretch:
    """What the readable form does with the decoder's features, as rows to take."""
    positions = torch.arange(2 * args.avg_size, dtype=torch.float32)[None, None]
    index = F.interpolate(positions, scale_factor=args.conv_out / (2 * args.avg_size))[0, 0].long()
    return stretch(index, 2 * args.avg_size, len(args.nf))
