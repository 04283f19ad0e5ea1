"""The arguments of a WaveNet-VAE, and all that follows from them without torch."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import pairwise
from typing import Any, Literal

import msgspec

from spivae.model.base import Arguments

# far above any network that trains; a file or recipe that asks for more would only fill the memory
MAX_LAYERS, MAX_BLOCKS = 64, 1024


class ModelArgs(msgspec.Struct, Arguments, frozen=True, forbid_unknown_fields=True):
    """Arguments of the WaveNet-VAE, named and defaulted as in the original.

    `o_dim` is L, the number of displacements; `nf` the encoder's filters; `nc_out` = `c_channels` the
    channels of the conditioning. `c_channels=0` leaves the WaveNet without the VAE.
    """

    o_dim: int = 399
    nc_in: int = 1
    nc_out: int = 6
    nf: tuple[int, ...] = (16, 16, 16, 16)
    avg_size: int = 16
    encoder: tuple[int, ...] = (200, 100)
    z_dim: int = 6
    decoder: tuple[int, ...] = (100, 200)
    in_channels: int = 1
    res_channels: int = 16
    skip_channels: int = 16
    c_channels: int = 6
    g_channels: int = 0
    res_kernel_size: int = 3
    layer_size: int = 4
    stack_size: int = 1
    out_distribution: Literal["Normal"] = "Normal"
    num_mixtures: int = 1
    use_pad: bool = False

    def __post_init__(self) -> None:
        at_least(self, may_be_zero={"c_channels", "g_channels"})
        if self.nc_in != 1 or self.in_channels != 1:
            raise ValueError("nc_in, in_channels: displacements have one channel; both must be 1")
        if self.layer_size * self.stack_size > MAX_BLOCKS or self.layer_size > MAX_LAYERS:
            raise ValueError(
                f"layer_size, stack_size: at most {MAX_LAYERS} layers and {MAX_BLOCKS} blocks in all, "
                f"not {self.layer_size} and {self.layer_size * self.stack_size}"
            )
        if self.res_kernel_size < 2:
            raise ValueError(f"res_kernel_size: needs at least 2, not {self.res_kernel_size}")
        if self.c_channels and not self.nf:
            raise ValueError("nf: the encoder needs at least one convolution")
        if self.c_channels not in (0, self.nc_out):
            raise ValueError(f"c_channels: must be 0 or nc_out ({self.nc_out}), not {self.c_channels}")
        if self.c_channels and self.conv_out < 1:
            raise ValueError(f"o_dim: {self.o_dim} is too short for {len(self.nf)} encoder convolutions")
        if not self.use_pad and self.o_dim <= self.receptive_field:
            raise ValueError(
                f"o_dim: {self.o_dim} displacements must exceed the receptive field of {self.receptive_field}"
            )

    @property
    def conv_out(self) -> int:
        """Length of the encoder's last feature map."""
        return self.o_dim - 2 * len(self.nf)

    @property
    def flat(self) -> int:
        """Size of the pooled features, where the dense layers begin."""
        return 2 * self.nf[-1] * self.avg_size


def at_least(args: Any, may_be_zero: Collection[str]) -> None:
    """Raises ValueError, naming the field, where a size among the arguments is below 1 (or 0)."""
    for name in args.__struct_fields__:
        value = getattr(args, name)
        least = 0 if name in may_be_zero else 1
        for number in value if isinstance(value, tuple) else (value,):
            if isinstance(number, int) and not isinstance(number, bool) and number < least:
                raise ValueError(f"{name}: needs at least {least}, not {number}")


Shapes = dict[str, tuple[int, ...]]


def expected_shapes(args: ModelArgs) -> Shapes:
    """Name and shape of every weight, in the model's order; shared blocks appear once."""
    shapes: Shapes = {}
    if args.c_channels:
        channels = args.nc_in
        for i, width in enumerate(args.nf):
            shapes |= _layer(f"vae.encoder.{2 * i}", (width, channels, 3), width)
            channels = width
        sizes = (args.flat, *args.encoder, 2 * args.z_dim)
        shapes |= dense_shapes("vae.encoder", sizes, first=2 * len(args.nf) + 2)
        shapes |= dense_shapes("vae.decoder", (args.z_dim, *args.decoder, args.flat))
        channels = args.nf[-1]
        for i, width in enumerate((*reversed(args.nf[:-1]), args.nc_out)):
            shapes |= _layer(f"vae.convt.{2 * i}", (channels, width, 3), width)
            channels = width
    return shapes | wavenet_shapes(args)


def dense_shapes(name: str, sizes: Sequence[int], first: int | None = 0) -> Shapes:
    """Shapes of dense layers with an activation between them; None for `first`: a single one."""
    shapes: Shapes = {}
    for i, (before, after) in enumerate(pairwise(sizes)):
        shapes |= _layer(name if first is None else f"{name}.{first + 2 * i}", (after, before), after)
    return shapes


def wavenet_shapes(args: Arguments) -> Shapes:
    """Shapes of the WaveNet's weights, the same in every architecture."""
    res, gate, skip = args.res_channels, 2 * args.res_channels, args.skip_channels
    shapes = _layer("init_conv", (res, 1, 1), res) | _layer("causal.conv", (res, res, 2), res)
    for i in range(args.layer_size):
        block = f"res_stack.{i}"
        shapes |= _layer(f"{block}.dilated.conv", (gate, res, args.res_kernel_size), gate)
        if args.c_channels:
            shapes |= _layer(f"{block}.conv_c", (gate, args.c_channels, 1))
        if args.g_channels:
            shapes |= _layer(f"{block}.conv_g", (gate, args.g_channels, 1))
        shapes |= _layer(f"{block}.conv_res", (res, res, 1), res)
        shapes |= _layer(f"{block}.conv_skip", (skip, res, 1), skip)
    outputs = 3 * args.num_mixtures
    return (
        shapes
        | _layer("out_conv.1", (skip, skip, 1), skip)
        | _layer("out_conv.3", (outputs, skip, 1), outputs)
    )


def _layer(name: str, weight: tuple[int, ...], bias: int | None = None) -> Shapes:
    return {f"{name}.weight": weight} | ({} if bias is None else {f"{name}.bias": (bias,)})
