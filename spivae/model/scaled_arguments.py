"""The arguments of a scaled WaveNet-VAE, and what follows from them without torch."""

from __future__ import annotations

import msgspec

from spivae.model.arguments import MAX_LAYERS, at_least, dense_shapes, wavenet_shapes
from spivae.model.base import Arguments

# logarithmic bins of time or frequency, and exponents of the weights: both are read in each domain
BINS, EXPONENTS = 22, 17


class ScaledArgs(msgspec.Struct, Arguments, frozen=True, forbid_unknown_fields=True):
    """Arguments of the scaled WaveNet-VAE; those that the WaveNet-VAE has too mean the same.

    `knots` is the number of points, even in ln t, between which the conditioning is linear; `linear` how many
    past displacements the linear part of the mean takes; `typical` the displacement at which the learned
    scale starts. With `whole`, the first R steps are learnt too, as if nothing had moved before.
    """

    o_dim: int = 399
    encoder: tuple[int, ...] = (200, 100)
    z_dim: int = 6
    decoder: tuple[int, ...] = (100, 200)
    knots: int = 40
    linear: int = 32
    typical: float = 0.03
    whole: bool = True
    res_channels: int = 16
    skip_channels: int = 16
    c_channels: int = 6
    res_kernel_size: int = 3
    layer_size: int = 4
    num_mixtures: int = 1

    def __post_init__(self) -> None:
        at_least(self, may_be_zero={"linear"})
        if self.layer_size > MAX_LAYERS:
            raise ValueError(f"layer_size: at most {MAX_LAYERS} layers, not {self.layer_size}")
        if self.res_kernel_size < 2:
            raise ValueError(f"res_kernel_size: needs at least 2, not {self.res_kernel_size}")
        if self.knots < 2:
            raise ValueError(f"knots: needs at least 2, not {self.knots}")
        if self.o_dim <= self.receptive_field:
            raise ValueError(
                f"o_dim: {self.o_dim} displacements must exceed the receptive field of {self.receptive_field}"
            )
        if self.linear > self.receptive_field:
            raise ValueError(f"linear: {self.linear} is past the receptive field of {self.receptive_field}")
        if not 0 < self.typical < float("inf"):
            raise ValueError(f"typical: needs a displacement above 0, not {self.typical}")

    @property
    def carried(self) -> int:
        """Channels of the conditioning: the WaveNet's, ln scale, and the weights of the linear part."""
        return self.c_channels + 1 + self.linear

    @property
    def features(self) -> int:
        """How many numbers the encoder's dense layers get of a trajectory."""
        bins = len(log_edges(self.o_dim)) + len(log_edges(self.o_dim // 2)) - 2
        return bins + 2 * EXPONENTS + 1


def log_edges(length: int) -> tuple[int, ...]:
    """Edges of bins of 0..length, about even in the logarithm, none of them empty."""
    rounded = (round(length ** (k / BINS)) for k in range(BINS + 1))
    return tuple(sorted({0, *rounded}))


def scaled_shapes(args: ScaledArgs) -> dict[str, tuple[int, ...]]:
    """Name and shape of every weight, in the model's order."""
    last = args.decoder[-1]
    return {
        **dense_shapes("vae.encoder", (args.features, *args.encoder, 2 * args.z_dim)),
        **dense_shapes("vae.decoder", (args.z_dim, *args.decoder)),
        **dense_shapes("vae.at_knots", (last, args.knots * (args.c_channels + 1)), first=None),
        **dense_shapes("vae.line", (args.z_dim, 2), first=None),
        **(dense_shapes("vae.taps", (last, args.linear), first=None) if args.linear else {}),
        **wavenet_shapes(args),
    }
