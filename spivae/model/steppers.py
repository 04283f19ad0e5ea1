"""How models of each architecture are fed one displacement at a time."""

from __future__ import annotations

import torch
from torch import Tensor

from spivae.errors import SpivaeError
from spivae.model.scaled import CLIP, ScaledWaveNetVAE
from spivae.model.stepper import Said, Stepper
from spivae.model.vae import WaveNetVAE

_TURNS = 256  # steps between two moves of the last displacements to the front of their memory


class ScaledStepper(Stepper):
    """As `Stepper`, in units of the scale that c carries, and with the linear part of the mean."""

    def __init__(self, model: WaveNetVAE, batch: int, c: Tensor | None, g: Tensor | None) -> None:
        super().__init__(model, batch, c, g)
        assert isinstance(model, ScaledWaveNetVAE)
        assert c is not None
        channels, self.linear = model.args.c_channels, model.args.linear
        self.log_scale = c[:, channels].T.contiguous()  # (length, B)
        self.taps = c[:, channels + 1 :, 0].T.contiguous()  # (linear, B), the oldest first
        self.last = c.new_zeros(self.linear + _TURNS, batch)
        self.newest = self.linear - 1

    def enter(self, x: Tensor, index: int) -> None:
        super().enter(x, index)
        self.entered.mul_(torch.exp(-self.log_scale[index - 1])).clamp_(-CLIP, CLIP)
        if self.linear:
            if self.newest + 1 == len(self.last):
                self.last[: self.linear] = self.last[-self.linear :].clone()
                self.newest = self.linear - 1
            self.newest += 1
            self.last[self.newest] = self.entered[0]

    def leave(self, index: int) -> Said:
        said, log_scale = self.said, self.log_scale[index]
        said.means.mul_(torch.exp(said.log_std))
        if self.linear:
            said.means.add_((self.taps * self.last[self.newest + 1 - self.linear : self.newest + 1]).sum(0))
        said.means.mul_(torch.exp(log_scale))
        said.log_std.add_(log_scale)
        return said


class AnyStepper:
    """For a model of whose predictions nothing is known: the whole receptive field, anew for every step."""

    def __init__(self, model: WaveNetVAE, batch: int, c: Tensor | None, g: Tensor | None) -> None:
        if model.args.use_pad:
            raise SpivaeError(f"use_pad: a {type(model).__name__} cannot generate with padding")
        self.model, self.c, self.g = model, c, g
        self.field = model.receptive_field
        self.past = next(model.parameters()).new_zeros(batch, 1, self.field + 1)

    def push(self, x: Tensor, index: int) -> None:
        new, present = x.T[:, None], torch.zeros_like(x.T[:, None])
        self.past = torch.cat([self.past[..., :-1], new, present], dim=2)[..., -self.field - 1 :]

    def say(self, index: int) -> Said:
        c = None if self.c is None else self.c[..., index - self.field : index + 1]
        pred = self.model.predict(self.past, c, self.g)[..., -1]
        return Said(*pred.T.contiguous().chunk(3))


def stepper(model: WaveNetVAE, batch: int, c: Tensor | None, g: Tensor | None) -> Stepper | AnyStepper:
    """What makes the steps of B trajectories under the conditioning c (B, C, length) and g (B, G, 1)."""
    # by exact class: a subclass may predict something else
    known: dict[type[WaveNetVAE], type[Stepper]] = {WaveNetVAE: Stepper, ScaledWaveNetVAE: ScaledStepper}
    return known.get(type(model), AnyStepper)(model, batch, c, g)
