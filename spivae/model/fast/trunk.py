"""The WaveNet on rows, with its backward pass.

All activations are rows as in `convolve`. Every layer begins at the first displacement for which it has all
of its past, so that what layers share ends at the same row, and is cut from its end.
"""

from __future__ import annotations

from itertools import accumulate
from typing import Any, NamedTuple

import torch
from torch import Tensor

from spivae.model.fast.convolve import add_product, convolve, image, kernel_gradient, source_gradient
from spivae.model.fast.folding import Block, Folded
from spivae.model.fast.plans import Plan, plan

relu_gradient = torch.ops.aten.threshold_backward.grad_input
sigmoid_gradient = torch.ops.aten.sigmoid_backward.grad_input


def trunk(u: Tensor, c: Tensor, weights: Folded) -> Tensor:
    """The head's outputs (3M, L - R, B) for the displacements after the first R.

    u (L, B) is what enters the WaveNet in place of the displacements, and may need a gradient; c (L * B,
    `conditioning_width`) holds the conditioning's rows. The result lies in this thread's memory; where
    gradients are needed, so do the activations: call `backward` before the next pass. It adds the gradients
    of the weights to their `grad`, which must be there.
    """
    made = plan(_Pass, *u.shape, _Shape.of(weights))
    if torch.is_grad_enabled():
        # autograd asks for the backward pass because of the last, a weight
        return _Trunk.apply(u, c, weights, made, weights.entry)  # type: ignore[no-any-return, no-untyped-call]
    return made.forward(u, c, weights)


class _Shape(NamedTuple):
    """Sizes of a network's weights."""

    width: int  # of the conditioning
    past: int  # displacements that the first block sees
    blocks: int
    res: int
    skip: int
    outputs: int

    @classmethod
    def of(cls, weights: Folded) -> _Shape:
        first, last = weights.blocks[0], weights.blocks[-1]
        width, gates = first.given.shape
        return cls(
            width,
            first.taps.shape[1],
            len(weights.blocks),
            gates // 2,
            last.to_skip.shape[2],
            len(weights.out),
        )


class _Trunk(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, u: Tensor, c: Tensor, weights: Folded, made: _Pass, _: Tensor) -> Tensor:
        out = made.forward(u, c, weights)
        ctx.made, ctx.number, ctx.c, ctx.weights = made, made.passes, c, weights
        return out.detach()  # autograd marks what it is given, and memory is not to be marked

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        ctx.made.check(ctx.number)
        du, dc = ctx.made.backward(gradient, ctx.c, ctx.weights, ctx.needs_input_grad[0])
        return du, dc, None, None, None


class _Gate:
    """The activations of a residual block, and the gradients' places, as views."""

    def __init__(self, made: _Pass, index: int, begin: int, steps: int) -> None:
        """`begin` is the first displacement of its input, `steps` what its convolution looks back in all."""
        shape, batch = made.shape, made.batch
        self.batch = batch
        rows, judged = (made.length - begin - steps) * batch, made.judged
        self.given = slice(-rows, None)  # of the conditioning's rows
        # the first block sees the past of every row side by side
        self.apart = steps // (shape.past - 2) if index else 1
        self.stream = made.take(rows + steps * batch, shape.res) if index else made.past
        self.stream_image = image(self.stream, batch)
        self.carried_on = self.stream[-rows:]  # what goes on beside the block, save the first
        self.raw = made.take(rows, 2 * shape.res)
        self.raw_image = image(self.raw, batch)
        self.a, self.b = self.raw[:, : shape.res], self.raw[:, shape.res :]
        self.sigmoid, self.gated = made.take(rows, shape.res), made.take(rows, shape.res)
        self.gated_image = image(self.gated, batch)
        self.judged, self.judged_image = self.gated[-judged:], image(self.gated[-judged:], batch)
        # gradients, in places that the blocks share
        self.d_stream = made.d_stream[-len(self.stream) :]
        self.d_stream_image = image(self.d_stream, batch)
        self.d_added = made.d_stream[-rows:]
        self.d_added_image = image(self.d_added, batch)
        self.d_raw = made.d_raw[-rows:]
        self.d_raw_image = image(self.d_raw, batch)
        self.d_a, self.d_b = self.d_raw[:, : shape.res], self.d_raw[:, shape.res :]
        self.d_gated = made.d_gated[-rows:]
        self.d_gated_image = image(self.d_gated, batch)
        self.d_judged_image = image(made.d_gated[-judged:], batch)
        self.d_given_image = image(made.dc[-rows:], batch)

    def forward(self, c: Tensor, weights: Block) -> None:
        torch.mm(c[self.given], weights.given, out=self.raw)
        convolve(self.raw_image, self.stream_image, weights.taps, apart=self.apart)
        # apart, since torch takes sigmoids of short rows one by one with some registers
        self.sigmoid.copy_(self.b).sigmoid_()
        torch.mul(self.a, self.sigmoid, out=self.gated)

    def backward(self, c: Tensor, weights: Block) -> None:
        """Fills the gradient of what the gate's convolution gave, and adds those of its weights and of the
        conditioning, from that of what the block gave to the residual stream and the skips: `d_gated`.
        """
        torch.mul(self.d_gated, self.sigmoid, out=self.d_a)
        self.d_gated.mul_(self.a)
        sigmoid_gradient(self.d_gated, self.sigmoid, grad_input=self.d_b)
        kernel_gradient(weights.taps.grad, self.stream_image, self.d_raw_image, apart=self.apart)
        assert weights.given.grad is not None
        given = image(c[self.given], self.batch)
        kernel_gradient(weights.given.grad[None], given, self.d_raw_image)
        source_gradient(self.d_given_image, self.d_raw_image, weights.given[None])


class _Pass(Plan):
    """Passes through the network with parts of one shape; the activations stay for `backward`."""

    def __init__(self, length: int, batch: int, shape: _Shape) -> None:
        super().__init__()
        self.length, self.batch, self.shape = length, batch, shape
        steps = [(shape.past - 2) * 2**i for i in range(shape.blocks)]
        begins = list(accumulate(steps, initial=2))
        rows, self.judged = (length - shape.past) * batch, (length - begins[-1]) * batch
        self.past = self.take(rows, shape.past)  # the past displacements of every row, the oldest first
        self.entering = self.past[:, -2:]
        self.total, self.hidden = self.take(self.judged, shape.skip), self.take(self.judged, shape.skip)
        self.total_image, self.hidden_image = image(self.total, batch), image(self.hidden, batch)
        self.out = self.take(shape.outputs, self.judged)
        self.d_total, self.d_hidden = self.take(self.judged, shape.skip), self.take(self.judged, shape.skip)
        self.d_total_image, self.d_hidden_image = image(self.d_total, batch), image(self.d_hidden, batch)
        self.d_stream = self.take(rows, shape.res)
        self.d_raw, self.d_gated = self.take(rows, 2 * shape.res), self.take(rows, shape.res)
        self.d_past = self.take(rows, shape.past)
        self.dc = self.take(length * batch, shape.width)
        self.gates = [_Gate(self, i, begins[i], steps[i]) for i in range(shape.blocks)]

    def forward(self, u: Tensor, c: Tensor, weights: Folded) -> Tensor:
        self.begin()
        self.past.copy_(u.reshape(-1).as_strided(self.past.shape, (1, self.batch)))
        self.total.zero_()
        last = len(self.gates) - 1
        for i, (gate, block) in enumerate(zip(self.gates, weights.blocks, strict=True)):
            gate.forward(c, block)
            if block.to_stream is not None:
                following = self.gates[i + 1]
                if i:
                    following.stream.copy_(gate.carried_on)
                else:
                    torch.mm(self.entering, weights.entry, out=following.stream)
                convolve(following.stream_image, gate.gated_image, block.to_stream)
            bias = weights.skip_bias if i == last else None
            convolve(self.total_image, gate.judged_image, block.to_skip, bias, relu=i == last)
        self.hidden.zero_()
        convolve(self.hidden_image, self.total_image, weights.hidden, weights.hidden_bias, relu=True)
        # channels first: narrow matrices are slow the other way round, and the loss wants them so
        torch.addmm(weights.out_bias[:, None], weights.out, self.hidden.T, out=self.out)
        return self.out.view(self.shape.outputs, -1, self.batch)

    def backward(
        self, gradient: Tensor, c: Tensor, weights: Folded, need_u: bool
    ) -> tuple[Tensor | None, Tensor]:
        """Gradients of u (None where it needs none) and of c; those of the weights are added to theirs."""
        self._head_backward(weights, gradient.reshape(self.shape.outputs, -1))
        self.d_stream.zero_()
        self.dc.zero_()
        for i, (gate, block) in reversed([*enumerate(zip(self.gates, weights.blocks, strict=True))]):
            gate.d_gated.zero_()
            source_gradient(gate.d_judged_image, self.d_total_image, block.to_skip)
            kernel_gradient(block.to_skip.grad, gate.judged_image, self.d_total_image)
            if block.to_stream is not None:
                source_gradient(gate.d_gated_image, gate.d_added_image, block.to_stream)
                kernel_gradient(block.to_stream.grad, gate.gated_image, gate.d_added_image)
            gate.backward(c, block)
            if i:
                source_gradient(gate.d_stream_image, gate.d_raw_image, block.taps, apart=gate.apart)
        add_product(weights.entry.grad, self.entering, self.d_stream)
        return (self._past_backward(weights) if need_u else None), self.dc

    def _head_backward(self, weights: Folded, gradient: Tensor) -> None:
        """Fills the gradient of the summed skips before the first relu."""
        d_hidden, d_total = self.d_hidden, self.d_total
        torch.mm(gradient.T, weights.out, out=d_hidden)
        relu_gradient(d_hidden, self.hidden, 0, grad_input=d_hidden)
        d_total.zero_()
        source_gradient(self.d_total_image, self.d_hidden_image, weights.hidden)
        relu_gradient(d_total, self.total, 0, grad_input=d_total)
        add(weights.skip_bias.grad, d_total.sum(0))
        kernel_gradient(weights.hidden.grad, self.total_image, self.d_hidden_image)
        add(weights.hidden_bias.grad, d_hidden.sum(0))
        add(weights.out.grad, gradient @ self.hidden)
        add(weights.out_bias.grad, gradient.sum(1))

    def _past_backward(self, weights: Folded) -> Tensor:
        """The gradient of u from those of the first block's input and of the stream that begins there."""
        rows, past = self.d_past.shape
        torch.mm(self.d_raw, weights.blocks[0].taps[0].T, out=self.d_past)
        self.d_past[:, -2:].addmm_(self.d_stream, weights.entry.T)
        du = self.dc.new_zeros(self.length * self.batch)
        for k in range(past):
            du[k * self.batch :][:rows] += self.d_past[:, k]
        return du.view(self.length, self.batch)


def add(total: Tensor | None, part: Tensor) -> None:
    """Add a part to the gradient of a weight."""
    assert total is not None
    total.add_(part)
