"""A plain convolutional VAE: given the latents, displacements are independent, each with a spread of its own.

It trains in a fraction of a WaveNet's time, and can say nothing of what a displacement owes to those before
it: good enough for scaled Brownian motion, and not for fractional. torch is imported by the network's module
alone, which is named by a string and imported when a model is built.
"""

import msgspec

from spivae.api import Architecture, Arguments, Control, hookimpl


class ConvolutionalArguments(msgspec.Struct, Arguments, frozen=True, forbid_unknown_fields=True):
    o_dim: int = 399
    z_dim: int = 4
    width: int = 24
    layers: int = 3
    knots: int = 12  # of the curves that the decoder draws

    c_channels = 2  # the mean and the logarithm of the spread of each displacement
    receptive_field = 0  # a prediction sees nothing of the past

    def __post_init__(self):
        for name in ("z_dim", "width", "layers", "knots"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: needs at least 1, not {getattr(self, name)}")
        if self.o_dim < 2 ** (self.layers + 1):
            raise ValueError(f"o_dim: {self.o_dim} is too short for {self.layers} layers that halve it")


def shapes(args):
    """Name and shape of every weight."""
    found, channels = {}, 2
    for k in range(args.layers):
        found[f"vae.convolutions.{2 * k}"] = (args.width, channels, 3)
        channels = args.width
    found["vae.to_latents"] = (2 * args.z_dim, 2 * args.width)
    found["vae.decoder.0"] = (args.width, args.z_dim)
    found["vae.decoder.2"] = (args.c_channels * args.knots, args.width)
    weights = {f"{name}.weight": shape for name, shape in found.items()}
    return weights | {f"{name}.bias": shape[:1] for name, shape in found.items()}


@hookimpl
def register_architectures(register):
    register(
        Architecture(
            name="convolutional-vae",
            title="Convolutional VAE",
            arguments=ConvolutionalArguments,
            model="spivae_gbm.convolutional_network:build",
            shapes=shapes,
            controls=(
                Control("z_dim", "latents", "neurons of the bottleneck"),
                Control("width", "width", "filters of each convolution"),
                Control("layers", "layers", "convolutions, each of which halves the length"),
                Control("knots", "knots", "points between which what the decoder says is linear"),
            ),
        )
    )
