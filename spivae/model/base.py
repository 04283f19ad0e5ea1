"""What the arguments of every architecture have, and what follows from them without torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from spivae.errors import SpivaeError

if TYPE_CHECKING:
    from typing_extensions import Self

# what the original's files hold beside the network's own arguments
_NOT_OF_THE_NETWORK = frozenset({"beta", "model_name"})


class Arguments:
    """Base of a frozen msgspec.Struct of arguments, which has these as fields or class variables.

    `o_dim` is L, the number of displacements; `z_dim` the latents; `c_channels` the channels of the
    conditioning (0: no VAE). A WaveNet is built from `res_channels`, `skip_channels`, `res_kernel_size`,
    `layer_size`, `stack_size`, `g_channels`, `num_mixtures` and `use_pad`; a network of another kind leaves
    these out, and says what its `receptive_field` is.
    """

    __slots__ = ()

    if TYPE_CHECKING:
        __struct_fields__: tuple[str, ...]
        o_dim: int
        z_dim: int
        c_channels: int
        res_channels: int
        skip_channels: int
        res_kernel_size: int
        layer_size: int
        num_mixtures: int

        @property
        def stack_size(self) -> int: ...
        @property
        def g_channels(self) -> int: ...
        @property
        def use_pad(self) -> bool: ...
    else:
        res_channels = skip_channels = layer_size = g_channels = 0
        res_kernel_size = stack_size = num_mixtures = 1
        use_pad = False

    @classmethod
    def from_mapping(cls, arguments: Mapping[str, Any]) -> Self:
        """From a checkpoint's or recipe's table. Raises SpivaeError for an unknown or impossible argument."""
        network = {key: value for key, value in arguments.items() if key not in _NOT_OF_THE_NETWORK}
        try:
            return msgspec.convert(network, cls)
        except msgspec.ValidationError as error:
            raise SpivaeError(f"model arguments: {error}") from None

    def as_dict(self) -> dict[str, Any]:
        """The arguments by name, in their order."""
        return {name: getattr(self, name) for name in self.__struct_fields__}

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
