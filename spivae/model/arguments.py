"""The arguments of a WaveNet-VAE, and all that follows from them without torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from spivae.errors import SpivaeError

# what the original's files hold beside the network's own arguments
_NOT_OF_THE_NETWORK = frozenset({"beta", "model_name"})

# far above any network that trains; a file or recipe that asks for more would only fill the memory
MAX_LAYERS, MAX_BLOCKS = 64, 1024


class ModelArgs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
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
        may_be_zero = {"c_channels", "g_channels"}
        for name in self.__struct_fields__:
            value = getattr(self, name)
            for number in value if isinstance(value, tuple) else (value,):
                if isinstance(number, int) and number < 1 and name not in may_be_zero and name != "use_pad":
                    raise ValueError(f"{name}: needs at least 1, not {number}")
                if isinstance(number, int) and number < 0:
                    raise ValueError(f"{name}: needs at least 0, not {number}")
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

    @classmethod
    def from_mapping(cls, arguments: Mapping[str, Any]) -> ModelArgs:
        """From a checkpoint's or recipe's table. Raises SpivaeError for an unknown or impossible argument."""
        network = {key: value for key, value in arguments.items() if key not in _NOT_OF_THE_NETWORK}
        try:
            return msgspec.convert(network, cls)
        except msgspec.ValidationError as error:
            raise SpivaeError(f"model arguments: {error}") from None

    @property
    def conv_out(self) -> int:
        """Length of the encoder's last feature map."""
        return self.o_dim - 2 * len(self.nf)

    @property
    def flat(self) -> int:
        """Size of the pooled features, where the dense layers begin."""
        return 2 * self.nf[-1] * self.avg_size

    @property
    def dilations(self) -> tuple[int, ...]:
        """Dilation of every residual block in the order of computation."""
        return tuple(2**i for i in range(self.layer_size)) * self.stack_size

    @property
    def receptive_field(self) -> int:
        """R: how many past displacements a prediction sees."""
        return 2 + sum(self.dilations) * (self.res_kernel_size - 1)

    @property
    def first_predicted(self) -> int:
        """0-based index of the first displacement that gets a prediction."""
        return 0 if self.use_pad else self.receptive_field

    @property
    def predicted(self) -> int:
        """How many displacements of a trajectory get a prediction (L - R without padding)."""
        return self.o_dim - self.first_predicted

    @property
    def latents(self) -> int:
        """Number of latent neurons; none without the VAE."""
        return self.z_dim if self.c_channels else 0

    @property
    def true_beta(self) -> float:
        """The weight of the KL divergence at which the mean loss is the negative ELBO per step."""
        return 1 / self.predicted


def expected_shapes(args: ModelArgs) -> dict[str, tuple[int, ...]]:
    """Name and shape of every weight, in the model's order; shared blocks appear once."""
    shapes: dict[str, tuple[int, ...]] = {}

    def add(name: str, *shape: int, bias: int | None = None) -> None:
        shapes[f"{name}.weight"] = shape
        if bias is not None:
            shapes[f"{name}.bias"] = (bias,)

    if args.c_channels:
        channels = args.nc_in
        for i, width in enumerate(args.nf):
            add(f"vae.encoder.{2 * i}", width, channels, 3, bias=width)
            channels = width
        first_dense, size = 2 * len(args.nf) + 2, args.flat
        for i, width in enumerate((*args.encoder, 2 * args.z_dim)):
            add(f"vae.encoder.{first_dense + 2 * i}", width, size, bias=width)
            size = width
        size = args.z_dim
        for i, width in enumerate((*args.decoder, args.flat)):
            add(f"vae.decoder.{2 * i}", width, size, bias=width)
            size = width
        channels = args.nf[-1]
        for i, width in enumerate((*reversed(args.nf[:-1]), args.nc_out)):
            add(f"vae.convt.{2 * i}", channels, width, 3, bias=width)
            channels = width
    res, gate = args.res_channels, 2 * args.res_channels
    add("init_conv", res, args.in_channels, 1, bias=res)
    add("causal.conv", res, res, 2, bias=res)
    for i in range(args.layer_size):
        block = f"res_stack.{i}"
        add(f"{block}.dilated.conv", gate, res, args.res_kernel_size, bias=gate)
        if args.c_channels:
            add(f"{block}.conv_c", gate, args.c_channels, 1)
        if args.g_channels:
            add(f"{block}.conv_g", gate, args.g_channels, 1)
        add(f"{block}.conv_res", res, res, 1, bias=res)
        add(f"{block}.conv_skip", args.skip_channels, res, 1, bias=args.skip_channels)
    add("out_conv.1", args.skip_channels, args.skip_channels, 1, bias=args.skip_channels)
    add("out_conv.3", 3 * args.num_mixtures, args.skip_channels, 1, bias=3 * args.num_mixtures)
    return shapes
