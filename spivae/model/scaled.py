"""The scaled WaveNet-VAE: displacements enter the WaveNet, and its predictions leave it, in units of a scale.

Displacements of anomalous diffusion span decades. Here the encoder reads logarithms of powers (`powers`); the
latents give, beside the conditioning, a scale for every step and the weights of a linear prediction; the
WaveNet sees displacements over that scale, and predicts means in units of the standard deviation that it
predicts. So small displacements are learnt as fast as large ones.
"""

from __future__ import annotations

import functools
import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from spivae.model.powers import log_powers
from spivae.model.scaled_arguments import ScaledArgs
from spivae.model.vae import Autoencoder, Output, WaveNetVAE, built, dense, drawn

# in units of the scale: far outside of what a fitting scale gives, and near enough to start from
CLIP = 50.0


class ScaledVAE(Autoencoder):
    """Encoder x (B, 1, L) -> mu, logvar (B, Z), and decoder z (B, Z) -> what the latents give every step.

    The decoder's channels (B, C + 1 + linear, length) are the WaveNet's conditioning, the logarithm of the
    scale, and the weights of the last displacements in the linear prediction, the oldest first.
    """

    def __init__(self, args: ScaledArgs) -> None:
        super().__init__()
        self.args = args
        self.encoder = nn.Sequential(*dense((args.features, *args.encoder, 2 * args.z_dim), last_relu=False))
        self.decoder = nn.Sequential(*dense((args.z_dim, *args.decoder), last_relu=True))
        last = args.decoder[-1]
        self.at_knots = nn.Linear(last, args.knots * (args.c_channels + 1))
        self.line = nn.Linear(args.z_dim, 2)  # ln scale at mid-time, and its slope in ln t
        self.taps = nn.Linear(last, args.linear) if args.linear else None

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mu, logvar = self.encoder(log_powers(x[:, 0])).chunk(2, dim=1)
        return mu, logvar

    def decode(self, z: Tensor, length: int | None = None) -> Tensor:
        return self.carried(*self.conditions(z, length))

    @staticmethod
    def carried(given: Tensor, log_scale: Tensor, taps: Tensor | None) -> Tensor:
        """The channels that `conditions` makes, in one."""
        parts = [given.transpose(1, 2), log_scale[:, None]]
        if taps is not None:
            parts.append(taps[..., None].expand(-1, -1, given.shape[1]))
        return torch.cat(parts, dim=1)

    def conditions(self, z: Tensor, length: int | None = None) -> tuple[Tensor, Tensor, Tensor | None]:
        """Conditioning (B, length, C), logarithm of the scale (B, length), and taps (B, linear) of z (B, Z).

        Steps past those of the training are conditioned as its last one.
        """
        args = self.args
        times = _times(args.o_dim, args.knots, length or args.o_dim, z.device)
        between, log_time = (part.to(z.dtype) for part in times)
        hidden = self.decoder(z)
        knots = self.at_knots(hidden).view(len(z), args.knots, -1)
        made = between @ knots  # (B, length, C + 1)
        level, slope = self.line(z).chunk(2, dim=1)
        log_scale = made[..., -1] + level + slope * log_time + math.log(args.typical)
        return made[..., :-1], log_scale, None if self.taps is None else self.taps(hidden)


@functools.lru_cache(maxsize=8)  # of a few lengths; on the device, so that no step copies them there
@torch.inference_mode(False)  # kept for trainings too, whichever comes first
def _times(trained: int, knots: int, length: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """What makes values at each step of those at the knots (length, K); ln t around its mean (length,)."""
    log_time = torch.arange(1, trained + 1, dtype=torch.float64).log()
    mean = log_time.mean()
    log_time = log_time[torch.arange(length).clamp(max=trained - 1)]
    place = log_time / math.log(trained) * (knots - 1)
    before = place.long().clamp(max=knots - 2)[:, None]
    after = place[:, None] - before
    between = torch.zeros(length, knots)
    between.scatter_(1, before, (1 - after).float()).scatter_(1, before + 1, after.float())
    return between.to(device), (log_time - mean).float().to(device)


class ScaledWaveNetVAE(WaveNetVAE):
    """The whole model; shapes as in `Output`, with the decoder's channels as its c."""

    args: ScaledArgs
    vae: ScaledVAE

    def make_vae(self) -> ScaledVAE:
        return ScaledVAE(self.args)

    def learn(self, x: Tensor, noise: Tensor | None) -> Output:
        if not self.args.whole:
            return super().learn(x, noise)
        mu, logvar = self.encode(x)
        given, log_scale, taps = self.vae.conditions(drawn(mu, logvar, noise))
        u, given = self.from_the_beginning(scaled(x[:, 0], log_scale), given)
        raw = super().predict(u[:, None], given.transpose(1, 2))
        return Output(self.unscaled(raw, u, log_scale, taps), mu, logvar, None)

    def from_the_beginning(self, u: Tensor, given: Tensor) -> tuple[Tensor, Tensor]:
        """u (B, L) and conditioning (B, L, C) with R steps before them, in which nothing moved.

        So the first R steps are predicted too, and the latents learn what these alone tell.
        """
        before = self.receptive_field
        first = given[:, :1].expand(-1, before, -1)
        return F.pad(u, (before, 0)), torch.cat([first, given], dim=1)

    def predict(self, x: Tensor, c: Tensor | None, g: Tensor | None = None) -> Tensor:
        assert c is not None
        channels, taps = self.args.c_channels, c[:, self.args.c_channels + 1 :, 0]
        log_scale = c[:, channels]
        u = scaled(x[:, 0], log_scale)
        raw = super().predict(u[:, None], c[:, :channels])
        return self.unscaled(raw, u, log_scale, taps if self.args.linear else None)

    def unscaled(self, raw: Tensor, u: Tensor, log_scale: Tensor, taps: Tensor | None) -> Tensor:
        """Mixture parameters (B, 3M, T) in units of x of the WaveNet's, for the last T steps of u (B, L)."""
        steps = raw.shape[-1]
        logits, means, log_std = raw.chunk(3, dim=1)  # (B, M, T)
        last = log_scale[:, None, -steps:]
        means = means * torch.exp(log_std)
        if taps is not None:
            # the windows of `linear` displacements that end before each step
            windows = u.unfold(1, taps.shape[1], 1)[:, -steps - 1 : -1]
            means = means + (windows @ taps[..., None])[..., 0][:, None]
        return torch.cat([logits, means * torch.exp(last), log_std + last], dim=1)


def scaled(x: Tensor, log_scale: Tensor) -> Tensor:
    """Displacements in units of the scale, as the WaveNet takes them."""
    return (x * torch.exp(-log_scale)).clamp(-CLIP, CLIP)


def build_scaled(args: ScaledArgs, generator: torch.Generator | None = None) -> ScaledWaveNetVAE:
    """A model with fresh initial weights drawn from `generator`; without one, with weights left to load."""
    return built(ScaledWaveNetVAE, args, generator, initialise)


def initialise(model: ScaledWaveNetVAE, generator: torch.Generator) -> None:
    """Kaiming normal weights (fan in), zero biases, and ends at zero: all starts as one typical Gaussian."""

    def draw(weight: Tensor, std: float) -> None:
        weight.normal_(0.0, std, generator=generator)

    for name, weight in model.named_parameters():
        if name.endswith("bias"):
            weight.zero_()
        else:
            draw(weight, math.sqrt(2 / math.prod(weight.shape[1:])))
    vae, args = model.vae, model.args
    last = vae.encoder[-1]
    assert isinstance(last, nn.Linear)
    last.weight[: args.z_dim].mul_(0.5)
    last.weight[args.z_dim :].zero_()
    knots = vae.at_knots.weight.view(args.knots, args.c_channels + 1, -1)
    draw(knots[:, :-1], 0.1)
    knots[:, -1].zero_()
    vae.line.weight.zero_()
    if vae.taps is not None:
        vae.taps.weight.zero_()
    head = model.out_conv[-1]
    assert isinstance(head, nn.Conv1d)
    head.weight.zero_()
