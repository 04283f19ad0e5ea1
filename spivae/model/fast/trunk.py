"""The WaveNet on rows, with its backward pass.

All activations are (N, channels): row t * B + b belongs to displacement t of trajectory b, so a tap that lies
s steps back is the same matrix s * B rows up, and a dilated convolution is a few matrix products. Every layer
begins at the first displacement for which it has all of its past.
"""

from __future__ import annotations

from itertools import accumulate
from typing import Any, NamedTuple

import torch
from torch import Tensor

from spivae.model.fast.folding import Folded
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
    shape = _Shape.of(weights, c.shape[1])
    made = plan(_Pass, *u.shape, shape)
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
    def of(cls, weights: Folded, width: int) -> _Shape:
        res, skip = weights.blocks[-1].outputs.shape
        past = len(weights.blocks[0].gate) - width
        return cls(width, past, len(weights.blocks), res, skip, len(weights.out))


class _Trunk(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, u: Tensor, c: Tensor, weights: Folded, made: _Pass, _: Tensor) -> Tensor:
        out = made.forward(u, c, weights)
        ctx.made, ctx.number = made, made.passes
        return out.detach()  # autograd marks what it is given, and memory is not to be marked

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        ctx.made.check(ctx.number)
        du, dc = ctx.made.backward(gradient, ctx.needs_input_grad[0])
        return du, dc, None, None, None


class _Block:
    """The activations of a residual block, and the gradients' places, as views."""

    def __init__(self, made: _Pass, index: int, begin: int, steps: int) -> None:
        """`begin` is the first displacement of its input, `steps` what its convolution looks back in all."""
        shape, batch = made.shape, made.batch
        res, skip = shape.res, shape.skip
        first = begin + steps
        rows = (made.length - first) * batch
        self.gate = made.take(rows, 2 * res)
        self.a, self.sigmoid = self.gate[:, :res], self.gate[:, res:]
        self.gated = made.take(rows, res)
        judged = (made.length - made.first) * batch
        self.gated_judged = self.gated[-judged:]
        self.d_gate, self.d_gated = made.d_gate[:rows], made.d_gated[:rows]
        self.d_a, self.d_b = self.d_gate[:, :res], self.d_gate[:, res:]
        wide = skip + (res if index < shape.blocks - 1 else 0)
        self.d_outputs = made.d_all[-rows:, :wide]
        # the input, of which the first block has another form: see `_Pass`
        self.stream = made.take(rows + steps * batch, res + shape.width) if index else made.history
        self.carried, self.given = self.stream[:, :res], self.stream[:, res:]
        self.older: list[tuple[Tensor, Tensor]] = []  # of each older tap: its rows, and their gradient
        self.d_newest = made.d_all[-rows:, skip:]
        self.newest = self.stream[-rows:]
        self.carried_on = self.carried[-rows:]
        if index:
            apart, d_stream = steps // (shape.past - 2), made.d_all[-len(self.stream) :, skip : skip + res]
            for tap in range(shape.past - 2):
                here = slice(tap * apart * batch, tap * apart * batch + rows)
                self.older.append((self.carried[here], d_stream[here]))


class _Views:
    """The weights, and where their gradients add up, as a pass takes them."""

    def __init__(self, weights: Folded, shape: _Shape) -> None:
        res, skip, older = shape.res, shape.skip, shape.past - 2
        self.newest: list[Tensor] = []
        self.older: list[list[Tensor]] = []
        self.to_skip: list[Tensor] = []
        self.to_stream: list[Tensor] = []
        for i, block in enumerate(weights.blocks):
            taps = older if i else 0
            self.newest.append(block.gate[taps * res :])
            self.older.append([block.gate[k * res : (k + 1) * res] for k in range(taps)])
            self.to_skip.append(block.outputs[:, :skip])
            self.to_stream.append(block.outputs[:, skip:])
        self.d_newest: list[Tensor] = []
        self.d_older: list[list[Tensor]] = []
        if weights.entry.grad is None:
            return
        for i, block in enumerate(weights.blocks):
            taps, grad = (older if i else 0), block.gate.grad
            assert grad is not None
            self.d_newest.append(grad[taps * res :])
            self.d_older.append([grad[k * res : (k + 1) * res] for k in range(taps)])


class _Pass(Plan):
    """Passes through the network with parts of one shape; the activations stay for `backward`."""

    def __init__(self, length: int, batch: int, shape: _Shape) -> None:
        super().__init__()
        self.length, self.batch, self.shape = length, batch, shape
        older, begin = shape.past - 2, 2
        steps = [older * 2**i for i in range(shape.blocks)]
        begins = list(accumulate(steps, initial=begin))
        self.first = begins[-1]  # the first displacement that is predicted: R
        rows, judged = (length - shape.past) * batch, (length - self.first) * batch
        res, skip, width = shape.res, shape.skip, shape.width
        # the past displacements of every row, the oldest first, and the conditioning
        self.history = self.take(rows, shape.past + width)
        self.past, self.given = self.history[:, : shape.past], self.history[:, shape.past :]
        self.entering = self.history[:, shape.past - 2 : shape.past]
        self.total, self.hidden = self.take(judged, skip), self.take(judged, skip)
        self.out = self.take(shape.outputs, judged)
        # gradients side by side, so that a product takes several at once: of the summed skips (of which only
        # those of the judged rows are ever written), of the residual stream, and of the conditioning
        self.d_all = self.take(rows, skip + res + width)
        self.d_total = self.d_all[-judged:, :skip]
        self.d_stream, self.d_given = self.d_all[:, skip : skip + res], self.d_all[:, skip + res :]
        self.d_added = self.d_all[:, skip:]  # to these the blocks only ever add
        self.d_gate, self.d_gated = self.take(rows, 2 * res), self.take(rows, res)
        self.d_hidden = self.take(judged, skip)
        self.d_past = self.take(rows, shape.past)
        self.dc = self.take(length * batch, width)
        self.blocks = [_Block(self, i, begins[i], steps[i]) for i in range(shape.blocks)]
        self.weights: Folded | None = None

    def _use(self, weights: Folded) -> Folded:
        if weights is not self.weights:  # once for all parts of a batch
            self.weights, self.views = weights, _Views(weights, self.shape)
        return weights

    def forward(self, u: Tensor, c: Tensor, weights: Folded) -> Tensor:
        self.begin()
        self._use(weights)
        views, batch, last = self.views, self.batch, len(self.blocks) - 1
        rows, past = self.past.shape
        self.past.copy_(u.reshape(-1).as_strided((rows, past), (1, batch)))
        self.given.copy_(c[-rows:])
        for i, block in enumerate(self.blocks):
            torch.mm(block.newest, views.newest[i], out=block.gate)
            for (tap, _), weight in zip(block.older, views.older[i], strict=True):
                block.gate.addmm_(tap, weight)
            torch.mul(block.a, block.sigmoid.sigmoid_(), out=block.gated)
            if i:
                self.total.addmm_(block.gated_judged, views.to_skip[i])
            else:
                torch.addmm(weights.skip_bias, block.gated_judged, views.to_skip[i], out=self.total)
            if i < last:
                following = self.blocks[i + 1]
                following.given.copy_(c[-len(following.stream) :])
                if i:
                    torch.addmm(block.carried_on, block.gated, views.to_stream[i], out=following.carried)
                else:
                    torch.mm(self.entering, weights.entry, out=following.carried)
                    following.carried.addmm_(block.gated, views.to_stream[i])
        self.total.relu_()
        torch.addmm(weights.hidden_bias, self.total, weights.hidden, out=self.hidden).relu_()
        # channels first: narrow matrices are slow the other way round, and the loss wants them so
        torch.addmm(weights.out_bias[:, None], weights.out, self.hidden.T, out=self.out)
        return self.out.view(self.shape.outputs, -1, batch)

    def backward(self, gradient: Tensor, need_u: bool) -> tuple[Tensor | None, Tensor]:
        """Gradients of u (None where it needs none) and of c; those of the weights are added to theirs."""
        weights, views = self.weights, self.views
        assert weights is not None
        self._head_backward(weights, gradient.reshape(self.shape.outputs, -1))
        last = len(self.blocks) - 1
        # what lies before the judged rows; of these, the last block's convolution is the first to write
        self.d_added[: -len(self.d_total) if last else None].zero_()
        for i in reversed(range(last + 1)):
            block = self.blocks[i]
            _gate_backward(block, weights.blocks[i].outputs)
            if i:
                add_product(views.d_newest[i], block.newest, block.d_gate)
                if i == last:
                    torch.mm(block.d_gate, views.newest[i].T, out=block.d_newest)
                else:
                    block.d_newest.addmm_(block.d_gate, views.newest[i].T)
                taps = zip(block.older, views.older[i], views.d_older[i], strict=True)
                for (tap, d_tap), weight, d_weight in taps:
                    add_product(d_weight, tap, block.d_gate)
                    d_tap.addmm_(block.d_gate, weight.T)
        return self._history_backward(weights, need_u)

    def _head_backward(self, weights: Folded, gradient: Tensor) -> None:
        """Fills the gradient of the summed skips before the first relu."""
        d_hidden, d_total = self.d_hidden, self.d_total
        torch.mm(gradient.T, weights.out, out=d_hidden)
        relu_gradient(d_hidden, self.hidden, 0, grad_input=d_hidden)
        torch.mm(d_hidden, weights.hidden.T, out=d_total)
        relu_gradient(d_total, self.total, 0, grad_input=d_total)
        add(weights.skip_bias.grad, d_total.sum(0))
        add_product(weights.hidden.grad, self.total, d_hidden)
        add(weights.hidden_bias.grad, d_hidden.sum(0))
        add(weights.out.grad, gradient @ self.hidden)
        add(weights.out_bias.grad, gradient.sum(1))

    def _history_backward(self, weights: Folded, need_u: bool) -> tuple[Tensor | None, Tensor]:
        """Gradients of u and c from those of the first block's input and of the stream that it begins."""
        d_gate, gate, past = self.blocks[0].d_gate, weights.blocks[0].gate, self.shape.past
        add_product(weights.entry.grad, self.entering, self.d_stream)
        add_product(weights.blocks[0].gate.grad, self.history, d_gate)
        torch.addmm(self.d_given, d_gate, gate[past:].T, out=self.dc[-len(d_gate) :])
        if not need_u:
            return None, self.dc
        torch.mm(d_gate, gate[:past].T, out=self.d_past)
        self.d_past[:, -2:].addmm_(self.d_stream, weights.entry.T)
        du = self.dc.new_zeros(self.length * self.batch)
        for k in range(past):
            du[k * self.batch :][: len(d_gate)] += self.d_past[:, k]
        return du.view(self.length, self.batch), self.dc


def _gate_backward(block: _Block, outputs: Tensor) -> None:
    """Fills the gradients before a block's gate."""
    add_product(outputs.grad, block.gated, block.d_outputs)
    torch.mm(block.d_outputs, outputs.T, out=block.d_gated)
    torch.mul(block.d_gated, block.sigmoid, out=block.d_a)
    block.d_gated.mul_(block.a)
    sigmoid_gradient(block.d_gated, block.sigmoid, grad_input=block.d_b)


def add(total: Tensor | None, part: Tensor) -> None:
    """Add a part to the gradient of a weight."""
    assert total is not None
    total.add_(part)


def add_product(total: Tensor | None, rows: Tensor, others: Tensor) -> None:
    """Add rows^T others, two narrow matrices, to the gradient of a weight."""
    assert total is not None
    if others.shape[1] < rows.shape[1]:  # several times faster this way round
        total.add_(torch.mm(others.T, rows).T)
    else:
        total.addmm_(rows.T, others)
