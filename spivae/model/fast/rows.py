"""The convolutions of the VAE on rows, with their backward passes; rows as in `convolve`."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, adaptive_max_pool2d

from spivae.model.fast.convolve import add_product, convolve, image, kernel_gradient, source_gradient
from spivae.model.fast.plans import Plan, plan
from spivae.model.fast.trunk import add, relu_gradient

max_pool_gradient = torch.ops.aten.adaptive_max_pool2d_backward.grad_input
mean_pool_gradient = torch.ops.aten._adaptive_avg_pool2d_backward


def encoder_features(
    x: Tensor, size: int, first: Tensor, kernels: list[Tensor], biases: list[Tensor]
) -> Tensor:
    """The encoder's pooled features (B, 2C, size) of x (L, B), which gets no gradient.

    `first` (4, C) holds the first convolution's taps and bias, `kernels` (3, C, C') and `biases` the others.
    The result lies in this thread's memory. Where gradients are needed, so do the activations: call
    `backward` before the next pass. It adds the gradients of the weights to their `grad`, which must be
    there.
    """
    made = plan(_Encoder, *x.shape, size, first.shape[1], *(kernel.shape[2] for kernel in kernels))
    if torch.is_grad_enabled():
        # autograd asks for the backward pass because of the last, a weight
        return _Encoding.apply(x, made, kernels, biases, first)  # type: ignore[no-any-return, no-untyped-call]
    return made.forward(x, first, kernels, biases)


def conditioning(features: Tensor, stretch: Stretch, kernels: list[Tensor], biases: list[Tensor]) -> Tensor:
    """The conditioning's rows (L * B, width) of the decoder's features (U, B, C); all else as above."""
    made = plan(_Decoder, *features.shape, stretch, *(kernel.shape[2] for kernel in kernels))
    if torch.is_grad_enabled():
        return _Decoding.apply(features, made, kernels, biases, kernels[-1])  # type: ignore[no-any-return, no-untyped-call]
    return made.forward(features, kernels, biases)


class _Encoding(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, made: _Encoder, kernels: list[Tensor], biases: list[Tensor], first: Tensor
    ) -> Tensor:
        out = made.forward(x, first, kernels, biases)
        ctx.made, ctx.number, ctx.weights = made, made.passes, (first, kernels, biases)
        return out.detach()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        ctx.made.check(ctx.number)
        if ctx.needs_input_grad[0]:
            raise RuntimeError("encoder_features: gives no gradient of its input")
        ctx.made.backward(gradient, *ctx.weights)
        return None, None, None, None, None


class _Decoding(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, features: Tensor, made: _Decoder, kernels: list[Tensor], biases: list[Tensor], _: Tensor
    ) -> Tensor:
        out = made.forward(features, kernels, biases)
        ctx.made, ctx.number, ctx.weights = made, made.passes, (kernels, biases)
        return out.detach()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        ctx.made.check(ctx.number)
        return ctx.made.backward(gradient, *ctx.weights), None, None, None, None


class _Convolution:
    """A convolution with a kernel of three, two steps shorter than its source, and its relu."""

    def __init__(self, made: Plan, source: Tensor, d_source: Tensor, batch: int, channels: int) -> None:
        """`d_source` is where the gradient of the rows `source` goes."""
        rows = len(source) - 2 * batch
        self.out, self.d_out, self.d_source = made.take(rows, channels), made.take(rows, channels), d_source
        self.source_image, self.d_source_image = image(source, batch), image(d_source, batch)
        self.out_image, self.d_out_image = image(self.out, batch), image(self.d_out, batch)

    def forward(self, kernel: Tensor, bias: Tensor) -> Tensor:
        self.out.zero_()
        convolve(self.out_image, self.source_image, kernel, bias, relu=True)
        return self.out

    def backward(self, kernel: Tensor, bias: Tensor) -> None:
        """Fills the gradient of the source from that of `out`, which is lost."""
        relu_gradient(self.d_out, self.out, 0, grad_input=self.d_out)
        add(bias.grad, self.d_out.sum(0))
        kernel_gradient(kernel.grad, self.source_image, self.d_out_image)
        self.d_source.zero_()
        source_gradient(self.d_source_image, self.d_out_image, kernel)


class _Encoder(Plan):
    def __init__(self, length: int, batch: int, size: int, first: int, *channels: int) -> None:
        super().__init__()
        self.batch, rows = batch, (length - 2) * batch
        # three displacements, and a one for the bias
        self.taps = self.take(rows, 4)
        self.taps[:, 3] = 1
        self.displacements = self.taps[:, :3]
        self.map, self.d_map = self.take(rows, first), self.take(rows, first)
        self.convolutions: list[_Convolution] = []
        last, d_last = self.map, self.d_map
        for width in channels:
            self.convolutions.append(_Convolution(self, last, d_last, batch, width))
            last, d_last = self.convolutions[-1].out, self.convolutions[-1].d_out
        self.pool = _Pool(last, d_last, batch, size)

    def forward(self, x: Tensor, first: Tensor, kernels: list[Tensor], biases: list[Tensor]) -> Tensor:
        self.begin()
        windows = x.reshape(-1).as_strided(self.displacements.shape, (1, self.batch))
        self.displacements.copy_(windows)
        torch.mm(self.taps, first, out=self.map).relu_()
        for convolution, kernel, bias in zip(self.convolutions, kernels, biases, strict=True):
            convolution.forward(kernel, bias)
        return self.pool.forward()

    def backward(self, gradient: Tensor, first: Tensor, kernels: list[Tensor], biases: list[Tensor]) -> None:
        self.pool.backward(gradient)
        for convolution, kernel, bias in reversed([*zip(self.convolutions, kernels, biases, strict=True)]):
            convolution.backward(kernel, bias)
        relu_gradient(self.d_map, self.map, 0, grad_input=self.d_map)
        add_product(first.grad, self.taps, self.d_map)


class _Pool:
    """The adaptive maximum and mean of a feature map, side by side on the channel axis."""

    def __init__(self, source: Tensor, d_source: Tensor, batch: int, size: int) -> None:
        self.source, self.d_source = image(source, batch), image(d_source, batch)
        self.size = size, batch
        self.places: Tensor | None = None  # of the maxima

    def forward(self) -> Tensor:
        greatest, self.places = adaptive_max_pool2d(self.source, self.size, return_indices=True)
        pooled = torch.cat([greatest, adaptive_avg_pool2d(self.source, self.size)], dim=1)
        return pooled[0].permute(2, 0, 1)

    def backward(self, gradient: Tensor) -> None:
        """Fills the gradient of the map from that (B, 2C, size) of what was pooled."""
        assert self.places is not None
        wide = gradient.permute(1, 2, 0)[None].chunk(2, dim=1)
        greatest, mean = (half.contiguous(memory_format=torch.channels_last) for half in wide)
        max_pool_gradient(greatest, self.source, self.places, grad_input=self.d_source)
        self.d_source.add_(mean_pool_gradient(mean, self.source))


class _Decoder(Plan):
    def __init__(self, positions: int, batch: int, channels: int, stretch: Stretch, *following: int) -> None:
        super().__init__()
        self.batch, self.stretch = batch, stretch
        # from how many steps each map takes
        steps = [positions, *(len(rows) + 2 for rows in stretch[:-1])]
        self.back = [_Back(rows, before) for rows, before in zip(stretch, steps, strict=True)]
        self.convolutions: list[_Convolution] = []
        # the source of each convolution, between two steps of zeros, and its gradient, (steps, B * channels)
        self.sources: list[Tensor] = []
        self.d_sources: list[Tensor] = []
        for rows, width in zip(stretch, following, strict=False):
            shape = (len(rows) + 4) * batch, channels
            framed, d_framed = self.take(*shape), self.take(*shape)
            self.convolutions.append(_Convolution(self, framed, d_framed, batch, width))
            inside = slice(2 * batch, -2 * batch)
            self.sources.append(framed[inside].view(len(rows), -1))
            self.d_sources.append(d_framed[inside].view(len(rows), -1))
            channels = width
        self.rows = self.take(len(stretch[-1]) * batch, channels)
        self.d_features = self.take(positions, batch, self.sources[0].shape[1] // batch)

    def forward(self, features: Tensor, kernels: list[Tensor], biases: list[Tensor]) -> Tensor:
        self.begin()
        made = features.reshape(len(features), -1)
        for i, convolution in enumerate(self.convolutions):
            torch.index_select(made, 0, self.stretch[i], out=self.sources[i])
            made = convolution.forward(kernels[i], biases[i]).view(len(self.stretch[i]) + 2, -1)
        torch.index_select(made, 0, self.stretch[-1], out=self.rows.view(len(self.stretch[-1]), -1))
        return self.rows.view(self.rows.shape)

    def backward(self, gradient: Tensor, kernels: list[Tensor], biases: list[Tensor]) -> Tensor:
        wide = gradient.reshape(len(self.stretch[-1]), -1)
        for i in reversed(range(len(self.convolutions))):
            convolution, back = self.convolutions[i], self.back[i + 1]
            back.add_up(wide, convolution.d_out.view(back.steps, -1))
            convolution.backward(kernels[i], biases[i])
            wide = self.d_sources[i]
        self.back[0].add_up(wide, self.d_features.view(self.back[0].steps, -1))
        return self.d_features.view(self.d_features.shape)


# where each step of a convolution's input, and at last of the conditioning, comes from
Stretch = tuple[Tensor, ...]


def stretch(index: Tensor, positions: int, count: int) -> Stretch:
    """How features, put at `index` (ascending), are stretched before each of `count` convolutions and after.

    A feature that is repeated many times gives equal steps: after n convolutions all but the first 2n + 1. So
    every convolution gets runs just long enough, and the last steps are repeated where they are needed.
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


class _Back:
    """The way back of a map: what adds up in each of so many steps. Adding step by step is slow, so only what
    comes to a step beside the first is added.
    """

    def __init__(self, rows: Tensor, steps: int) -> None:
        self.steps = steps
        begins = torch.cat(
            [rows.new_ones(1, dtype=torch.bool), rows[1:] != rows[:-1]]
        )  # ascending, so in runs
        self.used = rows[begins]
        self.first = torch.zeros(steps, dtype=torch.long)
        self.first[self.used] = begins.nonzero()[:, 0]
        unused = torch.ones(steps, dtype=torch.bool)
        unused[self.used] = False
        self.unused = unused.nonzero()[:, 0]
        self.others = (~begins).nonzero()[:, 0]
        self.to = rows[self.others]

    def add_up(self, wide: Tensor, out: Tensor) -> None:
        torch.index_select(wide, 0, self.first, out=out)
        out.index_fill_(0, self.unused, 0)
        out.index_add_(0, self.to, wide.index_select(0, self.others))
