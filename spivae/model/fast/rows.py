"""The convolutions of the VAE on rows, with their backward passes.

Rows are (B * L, channels), as in `trunk`: one length for every layer. A kernel of three is centred, so a
feature map that is n shorter on either side lies in the middle rows of its trajectory.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from spivae.model.fast.arena import arena
from spivae.model.fast.trunk import relu_gradient


def encoder_features(x: Tensor, first: Tensor, kernels: list[Tensor], biases: list[Tensor]) -> Tensor:
    """The encoder's last feature map (B, C, 1, L - 2n), channels last, of x (B, L).

    `first` (4, C) holds the first convolution's taps and bias, `kernels` (C, 3, C') and `biases` the others.
    """
    made: Tensor = _Encoder.apply(x, len(kernels), first, *kernels, *biases)  # type: ignore[no-untyped-call]
    return made.transpose(1, 2)[:, :, None]


def conditioning(features: Tensor, stretch: Stretch, kernels: list[Tensor], biases: list[Tensor]) -> Tensor:
    """The conditioning's rows (B * L, width) of the decoder's features (B, U, C)."""
    made: Tensor = _Decoder.apply(features, stretch, *kernels, *biases)  # type: ignore[no-untyped-call]
    return made


# where each row of a convolution's input, and at last of the conditioning, comes from
Stretch = tuple[Tensor, ...]


def stretch(index: Tensor, positions: int, count: int) -> Stretch:
    """How features, put at `index` (ascending), are stretched before each of `count` convolutions and after.

    A feature that is repeated many times gives equal rows: after n convolutions all but the first 2n + 1. So
    every convolution gets runs just long enough, and the last rows are repeated where they are needed.
    """
    full = torch.bincount(index, minlength=positions)
    before, maps = torch.ones_like(full), []
    for n in range(count + 1):
        after = full.clamp(max=2 * n + 3) if n < count else full
        offset = torch.arange(int(after.sum())) - (after.cumsum(0) - after).repeat_interleave(after)
        start = before.cumsum(0) - before
        run = start.repeat_interleave(after) + torch.minimum(offset, (before - 1).repeat_interleave(after))
        # what the convolutions so far have added behind the last feature
        maps.append(torch.cat([run, int(before.sum()) + torch.arange(2 * n)]))
        before = after
    return tuple(maps)


class _Encoder(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, count: int, first: Tensor, *weights: Tensor) -> Tensor:
        take = arena().take
        (batch, length), flat = x.shape, x.reshape(-1)
        taps = take(len(flat), 4)
        taps[:1, 0] = 0
        taps[1:, 0] = flat[:-1]
        taps[:, 1] = flat
        taps[:-1, 2] = flat[1:]
        taps[-1:, 2] = 0
        taps[:, 3] = 1
        maps = [torch.mm(taps, first, out=take(len(flat), first.shape[1])).relu_()]
        for kernel, bias in zip(weights[:count], weights[count:], strict=True):
            maps.append(_convolve(maps[-1], kernel, bias, length))
        ctx.taps, ctx.maps, ctx.kernels = taps, maps, weights[:count]
        ctx.length, ctx.generation = length, arena().generation
        return maps[-1].view(batch, length, -1)[:, count + 1 : length - count - 1].clone()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        arena().check(ctx.generation)
        if ctx.needs_input_grad[0]:
            raise RuntimeError("encoder_features: gives no gradient of its input")
        with arena().scratch():
            take, edge = arena().take, len(ctx.kernels) + 1
            wide = take(*ctx.maps[-1].shape)
            of_map = wide.view(len(gradient), ctx.length, -1)
            of_map[:, :edge] = 0
            of_map[:, ctx.length - edge :] = 0
            of_map[:, edge : ctx.length - edge] = gradient
            kernels: list[Tensor] = []
            biases: list[Tensor] = []
            for i in reversed(range(len(ctx.kernels))):
                of_sum = relu_gradient(wide, ctx.maps[i + 1], 0, grad_input=wide)
                kernels.insert(0, _kernel_gradient(ctx.maps[i], of_sum))
                biases.insert(0, of_sum.sum(0))
                wide = _input_gradient(of_sum, ctx.kernels[i], ctx.length)
            of_sum = relu_gradient(wide, ctx.maps[0], 0, grad_input=wide)
            return None, None, ctx.taps.T @ of_sum, *kernels, *biases


class _Decoder(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor, maps: tuple[Tensor, ...], *weights: Tensor) -> Tensor:
        take, count = arena().take, len(weights) // 2
        batch, made = len(features), features
        inputs: list[Tensor] = []
        outputs: list[Tensor] = []
        for index, kernel, bias in zip(maps, weights[:count], weights[count:], strict=False):
            length = len(index) + 2
            framed = take(batch, length, made.shape[2])
            framed[:, 0] = 0
            framed[:, -1] = 0
            framed[:, 1:-1] = made.index_select(1, index)
            inputs.append(framed.view(batch * length, -1))
            outputs.append(_convolve(inputs[-1], kernel, bias, length))
            made = outputs[-1].view(batch, length, -1)
        ctx.inputs, ctx.outputs, ctx.maps, ctx.kernels = inputs, outputs, maps, weights[:count]
        ctx.batch, ctx.positions, ctx.generation = batch, features.shape[1], arena().generation
        rows = take(batch, len(maps[-1]), made.shape[2])
        torch.index_select(made, 1, maps[-1], out=rows)
        return rows.view(-1, made.shape[2]).detach()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        arena().check(ctx.generation)
        kernels: list[Tensor] = []
        biases: list[Tensor] = []
        wide = gradient.view(ctx.batch, len(ctx.maps[-1]), -1)
        with arena().scratch():
            for i in reversed(range(len(ctx.kernels))):
                length = len(ctx.maps[i]) + 2
                output = ctx.outputs[i]
                of_sum = arena().take(*output.shape).zero_()
                of_sum.view(ctx.batch, length, -1).index_add_(1, ctx.maps[i + 1], wide)
                relu_gradient(of_sum, output, 0, grad_input=of_sum)
                kernels.insert(0, _kernel_gradient(ctx.inputs[i], of_sum))
                biases.insert(0, of_sum.sum(0))
                wide = _input_gradient(of_sum, ctx.kernels[i], length).view(ctx.batch, length, -1)[:, 1:-1]
            of_features = wide.new_zeros(ctx.batch, ctx.positions, wide.shape[2])
            of_features.index_add_(1, ctx.maps[0], wide)
            return of_features, None, *kernels, *biases


def _convolve(rows: Tensor, kernel: Tensor, bias: Tensor, length: int) -> Tensor:
    """relu of the convolution with a kernel (C', 3, C), zeros around every trajectory."""
    made = _images(rows, length)
    made = F.conv2d(made, kernel.permute(0, 2, 1)[:, :, None], bias, padding=(0, 1))
    flat = made.permute(0, 2, 3, 1).reshape(len(rows), -1)
    return torch.clamp_min(flat, 0, out=arena().take(*flat.shape))


def _input_gradient(gradient: Tensor, kernel: Tensor, length: int) -> Tensor:
    turned = kernel.flip(1).permute(2, 1, 0).contiguous()
    made = F.conv2d(_images(gradient, length), turned.permute(0, 2, 1)[:, :, None], padding=(0, 1))
    return made.permute(0, 2, 3, 1).reshape(len(gradient), -1)


def _kernel_gradient(rows: Tensor, gradient: Tensor) -> Tensor:
    made = gradient.new_empty(gradient.shape[1], 3, rows.shape[1])
    torch.mm(gradient[1:].T, rows[:-1], out=made[:, 0])
    torch.mm(gradient.T, rows, out=made[:, 1])
    torch.mm(gradient[:-1].T, rows[1:], out=made[:, 2])
    return made


def _images(rows: Tensor, length: int) -> Tensor:
    """Rows as images (B, C, 1, L) with the channels last: in this layout convolutions are fast."""
    return rows.view(-1, 1, length, rows.shape[1]).permute(0, 3, 1, 2)
