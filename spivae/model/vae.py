"""The WaveNet-VAE: an encoder to a few latents, their decoding to a conditioning, and the WaveNet.

Fernández-Fernández et al., "Learning minimal representations of stochastic processes with variational
autoencoders", arXiv:2307.11608. This is the readable form that everything faster is tested against.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from spivae.errors import SpivaeError
from spivae.model.arguments import ModelArgs
from spivae.model.base import Arguments
from spivae.model.wavenet import CausalConv1d, make_stack, run_stack


class Output(NamedTuple):
    """What the model says of a batch. Without the VAE, mu and logvar have no columns and c is None."""

    pred: Tensor  # (B, 3 * mixtures, L - R): mixture logits | means | log standard deviations
    mu: Tensor  # (B, Z)
    logvar: Tensor  # (B, Z)
    c: Tensor | None  # (B, C, L)


class PoolMaxAndMean(nn.Module):
    """Adaptive maximum and mean of a feature map, side by side on the channel axis."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([F.adaptive_max_pool1d(x, self.size), F.adaptive_avg_pool1d(x, self.size)], dim=1)


def dense(sizes: tuple[int, ...], *, last_relu: bool) -> Iterator[nn.Module]:
    """Dense layers of these sizes in turn, with a ReLU between them, and after the last one too if wanted."""
    for i, (before, after) in enumerate(pairwise(sizes)):
        yield nn.Linear(before, after)
        if last_relu or i < len(sizes) - 2:
            yield nn.ReLU()


class Autoencoder(nn.Module):
    """Encoder x (B, 1, L) -> mu, logvar (B, Z), and decoder z (B, Z) -> conditioning c (B, C, length)."""

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """mu and logvar (B, Z) of displacements x (B, 1, L)."""
        raise NotImplementedError

    def decode(self, z: Tensor, length: int | None = None) -> Tensor:
        """The conditioning c (B, C, length) of latents z (B, Z); without a length, L."""
        raise NotImplementedError


class VAE(Autoencoder):
    """Encoder x (B, 1, L) -> mu, logvar (B, Z), and decoder z (B, Z) -> conditioning c (B, C, length)."""

    def __init__(self, args: ModelArgs) -> None:
        super().__init__()
        self.args = args
        encoder: list[nn.Module] = []
        channels = args.nc_in
        for width in args.nf:
            encoder += [nn.Conv1d(channels, width, 3), nn.ReLU()]
            channels = width
        encoder += [PoolMaxAndMean(args.avg_size), nn.Flatten()]
        encoder += dense((args.flat, *args.encoder, 2 * args.z_dim), last_relu=False)
        convt: list[nn.Module] = []
        for width in (*reversed(args.nf[:-1]), args.nc_out):
            convt += [nn.ConvTranspose1d(channels, width, 3), nn.ReLU()]
            channels = width
        self.encoder = nn.Sequential(*encoder)
        self.decoder = nn.Sequential(*dense((args.z_dim, *args.decoder, args.flat), last_relu=True))
        self.convt = nn.Sequential(*convt)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mu, logvar = self.encoder(x).chunk(2, dim=1)
        return mu, logvar

    def decode(self, z: Tensor, length: int | None = None) -> Tensor:
        args = self.args
        features = self.decoder(z).reshape(len(z), args.nf[-1], 2 * args.avg_size)
        if length is None or length == args.o_dim:
            # the scale as the original passes it: a size would round other positions
            stretched = F.interpolate(features, scale_factor=args.conv_out / (2 * args.avg_size))
        else:
            stretched = F.interpolate(features, size=length - (args.o_dim - args.conv_out))
        return self.convt(stretched)  # type: ignore[no-any-return]


class WaveNetVAE(nn.Module):
    """The whole model. Shapes as in `Output`; its arguments are in `args`.

    Other architectures derive from it: `make_vae` gives an encoder and decoder of their own, and where the
    WaveNet is not wanted either, `make_network` and `predict` put another network in its place.
    """

    vae: Autoencoder | None

    def __init__(self, args: Arguments) -> None:
        super().__init__()
        self.args = args
        self.vae = self.make_vae() if args.c_channels else None
        self.make_network()

    def make_network(self) -> None:
        """The layers that `predict` runs; another architecture has its own."""
        args = self.args
        self.init_conv = nn.Conv1d(1, args.res_channels, 1)
        self.causal = CausalConv1d(args.res_channels, args.res_channels, 2, pad=2 if args.use_pad else 0)
        self.res_stack = make_stack(args)
        self.out_conv = nn.Sequential(
            nn.ReLU(),
            nn.Conv1d(args.skip_channels, args.skip_channels, 1),
            nn.ReLU(),
            nn.Conv1d(args.skip_channels, 3 * args.num_mixtures, 1),
        )

    def make_vae(self) -> Autoencoder:
        """Encoder and decoder; another architecture has its own."""
        assert isinstance(self.args, ModelArgs)
        return VAE(self.args)

    @property
    def receptive_field(self) -> int:
        return self.args.receptive_field

    @property
    def c_channels(self) -> int:
        return self.args.c_channels

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """mu and logvar (B, Z) of displacements x (B, 1, L)."""
        if self.vae is None:
            empty = x.new_zeros(len(x), 0)
            return empty, empty
        if x.shape[-1] != self.args.o_dim:
            raise SpivaeError(
                f"trajectories of {x.shape[-1]} displacements do not fit this model: "
                f"it encodes {self.args.o_dim}"
            )
        return self.vae.encode(x)

    def decode(self, z: Tensor, length: int | None = None) -> Tensor | None:
        """The conditioning c (B, C, length) of latents z (B, Z); None without the VAE."""
        return None if self.vae is None else self.vae.decode(z, length)

    def predict(self, x: Tensor, c: Tensor | None, g: Tensor | None = None) -> Tensor:
        """Mixture parameters (B, 3M, L - R) of x (B, 1, L), each step given its past and the conditioning."""
        steps = self.causal(self.init_conv(x)[..., :-1])  # the shift that hides the present
        return self.out_conv(run_stack(self.args, self.res_stack, steps, c, g))  # type: ignore[no-any-return]

    def learn(self, x: Tensor, noise: Tensor | None) -> Output:
        """What the loss of a training is taken of; an architecture may predict steps before its own too."""
        return self(x, noise=noise)  # type: ignore[no-any-return]

    def forward(self, x: Tensor, g: Tensor | None = None, noise: Tensor | None = None) -> Output:
        """Predictions at z = mu, or at z = mu + sigma * noise where standard normal noise (B, Z) is given."""
        mu, logvar = self.encode(x)
        c = self.decode(drawn(mu, logvar, noise))
        return Output(self.predict(x, c, g), mu, logvar, c)


Model = TypeVar("Model", bound=WaveNetVAE)


def drawn(mu: Tensor, logvar: Tensor, noise: Tensor | None) -> Tensor:
    """z (B, Z) of the posterior, where standard normal noise (B, Z) is given; else its mean."""
    return mu if noise is None else mu + torch.exp(0.5 * logvar) * noise


def build(args: ModelArgs, generator: torch.Generator | None = None) -> WaveNetVAE:
    """A model with fresh initial weights drawn from `generator`; without one, with weights left to load."""
    return built(WaveNetVAE, args, generator, _initialise)


def built(
    kind: Callable[[Any], Model],
    args: Arguments,
    generator: torch.Generator | None,
    initialise: Callable[[Model, torch.Generator], None],
) -> Model:
    """A model of this class; its weights are made once, and by `initialise` where there is a generator.

    `initialise` draws every number from the generator that it gets; without one, weights are left to load.
    """
    with torch.device("meta"):
        model = kind(args)
    model = model.to_empty(device="cpu")
    if generator is not None:
        with torch.no_grad():
            initialise(model, generator)
    return model


def _initialise(model: WaveNetVAE, generator: torch.Generator) -> None:
    """Kaiming normal weights (fan out, ReLU gain), zero biases, and a head that starts near a unit Gaussian.

    The original's head has standard deviation sqrt(2 / fan_in): its log standard deviations then spread by
    several units, and some seeds start at a loss of hundreds. A tenth of that, and means of zero, start every
    seed near log(2 pi) / 2, the loss of a standard normal.
    """
    for name, weight in model.named_parameters():
        if name.endswith("bias"):
            weight.zero_()
            continue
        fan_out = weight.shape[0] * math.prod(weight.shape[2:])
        weight.normal_(0.0, math.sqrt(2 / fan_out), generator=generator)
    head = model.out_conv[-1]
    assert isinstance(head, nn.Conv1d)
    std = 0.1 * math.sqrt(2 / head.in_channels)
    nn.init.trunc_normal_(head.weight, std=std, a=-2 * std, b=2 * std, generator=generator)
    head.weight.chunk(3)[1].zero_()
    if isinstance(model.vae, VAE):
        last = model.vae.encoder[-1]
        assert isinstance(last, nn.Linear)
        last.weight[model.args.z_dim :].zero_()
