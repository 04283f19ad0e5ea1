"""A small WaveNet-VAE with one fault each, and an exporter with one, under the names of the checks."""

from __future__ import annotations

import itertools
from dataclasses import replace

import torch

from spivae.api import WAVENET_VAE, Control, Exporter
from spivae.model.arguments import ModelArgs, expected_shapes
from spivae.model.vae import WaveNetVAE, build


class Small(ModelArgs, frozen=True, forbid_unknown_fields=True):
    """A network that computes in a moment."""

    o_dim: int = 63
    nf: tuple[int, ...] = (4, 4)
    avg_size: int = 4
    encoder: tuple[int, ...] = (8,)
    z_dim: int = 2
    decoder: tuple[int, ...] = (8,)
    res_channels: int = 4
    skip_channels: int = 4
    layer_size: int = 2


class Tuples(Small, frozen=True):
    """With an argument that JSON makes another thing of."""

    extra: object = (1, 2)


class Changed(WaveNetVAE):
    """Whose output is changed by `change`."""

    change = staticmethod(lambda pred: pred)

    def forward(self, x, noise=None):
        output = super().forward(x, noise=noise)
        return output._replace(pred=self.change(output.pred))


class Diverges(Changed):
    change = staticmethod(lambda pred: pred * float("nan"))


class Detached(Changed):
    """Learns the wrong way round."""

    change = staticmethod(lambda pred: 2 * pred.detach() - pred)


def made(kind):
    def of(args, generator=None):
        model = build(args, generator)
        model.__class__ = kind
        return model

    return of


diverges, learns_backwards = made(Diverges), made(Detached)
_seeds = itertools.count()


def seeds_itself(args, generator=None):
    return build(args, generator and torch.Generator().manual_seed(next(_seeds)))


def takes_global_chance(args, generator=None):
    model = build(args, generator)
    torch.rand(1)
    return model


def is_no_module(args, generator=None):
    return {}


def fewer(args):
    shapes = expected_shapes(args)
    shapes.popitem()
    return shapes


def small(**changes):
    return replace(WAVENET_VAE, name="small", title="Small", arguments=Small, **changes)


def cannot_generate(args, generator=None):
    model = build(args, generator)
    with torch.no_grad():
        for value in model.res_stack.parameters():
            value.mul_(1e20)
    return model


HERE = "faulty_architectures:"
RIGHT = small()
FAULTS = {
    "named": (replace(RIGHT, name="two words"), "metadata"),
    "controls what is not there": (small(controls=(Control("nonsense", "", ""),)), "metadata"),
    "arguments of tuples": (replace(RIGHT, arguments=Tuples), "metadata"),
    "forgets a weight": (small(shapes=fewer), "weights"),
    "is no module": (small(model=HERE + "is_no_module"), "weights"),
    "seeds itself": (small(model=HERE + "seeds_itself"), "equal generators, equal weights"),
    "takes global chance": (small(model=HERE + "takes_global_chance"), "equal generators, equal weights"),
    "diverges": (small(model=HERE + "diverges"), "predicts"),
    "learns backwards": (small(model=HERE + "learns_backwards"), "trains"),
    "cannot generate": (small(model=HERE + "cannot_generate"), "generates"),
}


class Writes(Exporter):
    name, title = ".right", "Right"

    def content(self, figure, result, about):
        return f"{about.title}: {len(figure.panels)} panels".encode()


class WritesText(Writes):
    def content(self, figure, result, about):
        return super().content(figure, result, about).decode()


class WritesTheTime(Writes):
    calls = 0

    def content(self, figure, result, about):
        WritesTheTime.calls += 1
        return super().content(figure, result, about) + bytes([self.calls])


class NeedsPanels(Writes):
    def content(self, figure, result, about):
        return figure.panels[0].title.encode()


OF_EXPORTERS = {
    WritesText: "answers",
    WritesTheTime: "the same each time",
    NeedsPanels: "an empty figure",
}
