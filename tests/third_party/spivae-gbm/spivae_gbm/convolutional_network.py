"""The network of the convolutional VAE. B trajectories, L displacements, Z latents."""

import math

import torch
from torch import nn
from torch.nn import functional as F

from spivae.networks import Autoencoder, WaveNetVAE, built, dense

TYPICAL = 0.03  # the displacement at which the encoder's view turns from linear to logarithmic


class ConvolutionalAutoencoder(Autoencoder):
    def __init__(self, args):
        super().__init__()
        self.args = args
        layers, channels = [], 2
        for _ in range(args.layers):
            layers += [nn.Conv1d(channels, args.width, 3, stride=2, padding=1), nn.ReLU()]
            channels = args.width
        self.convolutions = nn.Sequential(*layers)
        self.to_latents = nn.Linear(2 * args.width, 2 * args.z_dim)
        sizes = (args.z_dim, args.width, args.c_channels * args.knots)
        self.decoder = nn.Sequential(*dense(sizes, last_relu=False))

    def encode(self, x):
        """mu and logvar (B, Z) of displacements x (B, 1, L)."""
        u = torch.asinh(x / TYPICAL)
        features = self.convolutions(torch.cat([u, u.abs()], dim=1))
        pooled = torch.cat([features.mean(2), features.amax(2)], dim=1)
        return self.to_latents(pooled).chunk(2, dim=1)

    def decode(self, z, length=None):
        """Mean and ln spread (B, 2, length) of each displacement, of latents z (B, Z)."""
        knots = self.decoder(z).view(len(z), self.args.c_channels, self.args.knots)
        return F.interpolate(knots, size=length or self.args.o_dim, mode="linear", align_corners=True)


class ConvolutionalVAE(WaveNetVAE):
    def make_vae(self):
        return ConvolutionalAutoencoder(self.args)

    def make_network(self):
        """None: what the decoder says is the prediction."""

    def predict(self, x, c, g=None):
        """One Gaussian (B, 3, L) for each displacement: the logit of its weight, its mean, its ln spread."""
        c = c[..., -x.shape[-1] :]
        mean, log_spread = TYPICAL * c[:, :1], math.log(TYPICAL) + c[:, 1:]
        return torch.cat([torch.zeros_like(mean), mean, log_spread], dim=1)


def build(args, generator=None):
    """A model with fresh weights of a generator, or without one with weights left to load."""
    return built(ConvolutionalVAE, args, generator, initialise)


def initialise(model, generator):
    for name, weight in model.named_parameters():
        if name.endswith("bias"):
            weight.zero_()
        else:
            weight.normal_(0, math.sqrt(1 / weight[0].numel()), generator=generator)
    model.vae.to_latents.weight[model.args.z_dim :].zero_()
    model.vae.decoder[-1].weight.mul_(0.1)
