"""The architectures that are known: what each is called, what its arguments are, where it is built."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from spivae.errors import SpivaeError
from spivae.model.arguments import ModelArgs, expected_shapes
from spivae.model.base import Arguments
from spivae.model.scaled_arguments import ScaledArgs, scaled_shapes

if TYPE_CHECKING:
    import torch

    from spivae.model.vae import WaveNetVAE


@dataclass(frozen=True)
class Control:
    """An argument that a form shows: its name, a short label, and what it does."""

    name: str
    label: str
    help: str


@dataclass(frozen=True)
class Architecture:
    """A kind of model, from its arguments to its weights.

    `arguments` is a frozen msgspec.Struct that derives from `Arguments`, with a default for every field.
    `model` names, as "package.module:function", what builds it: called with the arguments and a
    torch.Generator (fresh weights) or None (weights to be loaded), it gives a `WaveNetVAE` or a subclass.
    `shapes` tells the name and shape of every weight, so that a file is judged without torch.
    """

    name: str
    title: str
    arguments: type[Arguments]
    model: str
    shapes: Callable[[Any], dict[str, tuple[int, ...]]]
    controls: tuple[Control, ...] = ()

    def from_table(self, table: Mapping[str, Any]) -> Arguments:
        """The arguments in a checkpoint's table. Raises SpivaeError for an unknown or impossible one."""
        return self.arguments.from_mapping(table)

    def build(self, arguments: Arguments, generator: torch.Generator | None = None) -> WaveNetVAE:
        """The model, with fresh weights of a generator, or with weights left to load."""
        module, _, name = self.model.partition(":")
        made: WaveNetVAE = getattr(importlib.import_module(module), name)(arguments, generator)
        return made


_LATENTS = Control("z_dim", "latents", "neurons of the bottleneck, of which few will survive")
_WIDTHS = (
    Control("res_channels", "residual width", "width of the WaveNet"),
    Control("layer_size", "layers", "dilations 1, 2, 4, ...; sets how far it sees back"),
    Control("skip_channels", "skip width", "width of the WaveNet's sum of skips"),
    Control("encoder", "dense encoder", "sizes of its dense layers, as 200, 100"),
    Control("decoder", "dense decoder", "sizes of its dense layers, as 100, 200"),
)
_KERNEL = Control("res_kernel_size", "kernel", "of the dilated convolutions")
_MIXTURES = Control("num_mixtures", "mixtures", "Gaussians in each prediction")

WAVENET_VAE = Architecture(
    name="wavenet-vae",
    title="WaveNet-VAE",
    arguments=ModelArgs,
    model="spivae.model.vae:build",
    shapes=expected_shapes,
    controls=(
        _LATENTS,
        Control("nf", "conv. filters", "one number a convolution, as 16, 16, 16, 16"),
        *_WIDTHS,
        Control("c_channels", "conditioning", "equal to nc_out, or 0 for no VAE at all"),
        Control("nc_out", "nc_out", "channels of the decoder's output"),
        Control("avg_size", "pooled size", "length after pooling"),
        _KERNEL,
        Control("stack_size", "stacks", "times that the same blocks are repeated"),
        _MIXTURES,
        Control("use_pad", "padding", "zeros on the left, so that all steps are predicted"),
        Control("g_channels", "global width", "channels of a global condition; 0 for none"),
    ),
)
SCALED_WAVENET_VAE = Architecture(
    name="scaled-wavenet-vae",
    title="Scaled WaveNet-VAE",
    arguments=ScaledArgs,
    model="spivae.model.scaled:build_scaled",
    shapes=scaled_shapes,
    controls=(
        _LATENTS,
        Control("knots", "knots", "points in ln t between which the conditioning is linear"),
        Control("linear", "linear part", "how many past displacements the mean is linear in"),
        Control("typical", "typical step", "the displacement at which the learned scale starts"),
        Control("whole", "whole series", "learn the first steps too, as if nothing had moved before them"),
        *_WIDTHS,
        Control("c_channels", "conditioning", "channels that the latents give the WaveNet"),
        _KERNEL,
        _MIXTURES,
    ),
)

_known: dict[str, Architecture] = {}


def register(architecture: Architecture) -> None:
    """Make an architecture known. Raises ValueError where its name is taken by another."""
    check_free(architecture)
    _known[architecture.name] = architecture


def check_free(architecture: Architecture) -> None:
    """Raises ValueError where its name is taken by another; a plugin may be loaded twice."""
    if _origin(_known.get(architecture.name, architecture)) != _origin(architecture):
        raise ValueError(f"the architecture {architecture.name!r} is already registered")


def _origin(architecture: Architecture) -> tuple[str, ...]:
    """Where it comes from: a file that is imported again makes its classes anew."""
    kind = architecture.arguments
    return (architecture.model, kind.__module__, kind.__qualname__)


for _own in (WAVENET_VAE, SCALED_WAVENET_VAE):  # the shipped models open whichever plugins there are
    register(_own)


def known() -> dict[str, Architecture]:
    """All architectures by name."""
    return dict(_known)


def architecture(name: str) -> Architecture:
    """The architecture of this name. Raises SpivaeError that says which plugin it needs."""
    if name not in _known:
        # by name, since plugins stand far above: a recipe, run or file is read before they are loaded
        importlib.import_module("spivae.plugins").default_plugins()
    if name in _known:
        return _known[name]
    near = difflib.get_close_matches(name, _known, 1)
    hint = f"; did you mean {near[0]!r}?" if near else f"; there are {', '.join(sorted(_known))}"
    raise SpivaeError(f"architecture {name!r} is not known: its plugin is missing or broken{hint}")
