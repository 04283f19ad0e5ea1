"""The WaveNet on rows, with its backward pass.

All activations are (N, channels) with N = B * L rows: row b * L + t belongs to displacement t of trajectory
b, in every layer. A tap that lies s steps back is the same matrix s rows up, so a dilated convolution is a
few matrix products. The first rows of a trajectory see the end of the one before: what they hold is never
used, and its gradient is zero.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from spivae.model.fast.arena import arena
from spivae.model.fast.folding import Folded
from spivae.model.fast.tree import tensors

relu_gradient = torch.ops.aten.threshold_backward.grad_input
sigmoid_gradient = torch.ops.aten.sigmoid_backward.grad_input


def trunk(u: Tensor, c: Tensor, weights: Folded) -> Tensor:
    """The head's outputs (3M, B, L), of which the first R of L mean nothing.

    u (B, L) is what enters the WaveNet in place of the displacements, and may need a gradient; c (B * L,
    `conditioning_width`) holds the conditioning's rows. The result lies in this thread's arena; where
    gradients are needed, so do the activations: call `backward` before its next `reset`.
    """
    out: Tensor
    if torch.is_grad_enabled():
        out = _Trunk.apply(u, c, weights, *tensors(weights))  # type: ignore[no-untyped-call]
    else:
        out = _Pass(u, c, weights, keep=False).forward()
    return out.view(-1, *u.shape)


class _Trunk(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, u: Tensor, c: Tensor, weights: Folded, *_: Tensor) -> Tensor:
        ctx.made = _Pass(u, c, weights, keep=True)
        return ctx.made.forward().detach()  # type: ignore[no-any-return]

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        du, dc, of_weights = ctx.made.backward(gradient, ctx.needs_input_grad[0])
        return du, dc, None, *of_weights


class _Pass:
    """One pass through the network; with `keep`, its activations stay for `backward`."""

    def __init__(self, u: Tensor, c: Tensor, weights: Folded, *, keep: bool) -> None:
        self.arena = arena()
        self.generation = self.arena.generation
        self.weights, self.keep = weights, keep
        self.u, self.c, self.rows = u, c, u.numel()
        self.res, self.skip = weights.blocks[0].skip.shape
        self.width = c.shape[1]
        self.past = len(weights.blocks[0].gate) - self.width  # displacements that the first block sees
        # for every block: its input beside the conditioning, a | sigmoid(b), and their product
        self.kept: list[tuple[Tensor, Tensor, Tensor]] = []
        self.total = self.hidden = u

    def forward(self) -> Tensor:
        weights, res = self.weights, self.res
        stream = self._history()
        gate, gated = self._take(2 * res), self._take(res)
        total = self._take(self.skip)
        for i, block in enumerate(weights.blocks):
            if i and self.keep:
                gate, gated = self._take(2 * res), self._take(res)
            self._convolve(i, stream, gate)
            torch.mul(gate[:, :res], gate[:, res:].sigmoid_(), out=gated)
            if self.keep:
                self.kept.append((stream, gate, gated))
            if i == 0:
                torch.addmm(weights.skip_bias, gated, block.skip, out=total)
            else:
                total.addmm_(gated, block.skip)
            if block.residual is not None:
                stream = self._residual(i, stream, gated, block.residual)
        total.relu_()
        hidden = torch.addmm(weights.hidden_bias, total, weights.hidden, out=self._take(self.skip)).relu_()
        if self.keep:
            self.total, self.hidden = total, hidden
        # channels first: narrow matrices are slow the other way round, and the loss wants them so
        out = self.arena.take(len(weights.out), self.rows)
        return torch.addmm(weights.out_bias[:, None], weights.out, hidden.T, out=out)

    def _take(self, channels: int) -> Tensor:
        return self.arena.take(self.rows, channels)

    def _history(self) -> Tensor:
        """The past displacements of every row, newest first, and the conditioning."""
        flat = self.u.reshape(-1)
        history = self._take(self.past + self.width)
        for back in range(1, self.past + 1):
            history[:back, back - 1] = 0
            history[back:, back - 1] = flat[:-back]
        history[:, self.past :] = self.c
        return history

    def _taps(self, i: int) -> tuple[list[tuple[int, slice]], slice]:
        """Steps back and the weights' rows of the older taps of block i; rows of the newest."""
        res, older = self.res, self.past - 2
        if i == 0:
            return [], slice(None)
        return [(2**i * (older - k), slice(k * res, (k + 1) * res)) for k in range(older)], slice(
            older * res, None
        )

    def _convolve(self, i: int, stream: Tensor, out: Tensor) -> None:
        weight = self.weights.blocks[i].gate
        older, newest = self._taps(i)
        torch.mm(stream, weight[newest], out=out)
        for back, rows in older:
            out[back:].addmm_(stream[:-back, : self.res], weight[rows])

    def _residual(self, i: int, stream: Tensor, gated: Tensor, weight: Tensor) -> Tensor:
        """The next block's input: in place where nothing is kept."""
        res = self.res
        if i and not self.keep:
            stream[:, :res].addmm_(gated, weight)
            return stream
        following = self._take(res + self.width)
        following[:, res:] = self.c
        if i:
            torch.addmm(stream[:, :res], gated, weight, out=following[:, :res])
        else:
            torch.mm(stream[:, :2], self.weights.entry, out=following[:, :res])
            following[:, :res].addmm_(gated, weight)
        return following

    def backward(self, gradient: Tensor, need_u: bool) -> tuple[Tensor | None, Tensor, list[Tensor]]:
        """Gradients of u (None where it needs none), of c, and of the weights in their order."""
        self.arena.check(self.generation)
        dc = self._take(self.width)
        with self.arena.scratch():
            # side by side, so that a product takes several at once: of the summed skips, of the residual
            # stream, and of the conditioning; to the last two the blocks only ever add
            d_all = self._take(self.skip + self.res + self.width)
            d_stream = d_all[:, self.skip :]
            of_head = self._head_backward(gradient, d_all[:, : self.skip])
            d_gate, d_gated = self._take(2 * self.res), self._take(self.res)
            of_blocks: list[Tensor] = []
            for i in reversed(range(len(self.kept))):
                of_outputs = self._gate_backward(i, d_all, d_gated, d_gate)
                if i:
                    of_blocks[:0] = [self._convolve_backward(i, d_gate, d_stream), *of_outputs]
            history, _, _ = self.kept[0]
            weight = self.weights.blocks[0].gate
            if len(self.kept) == 1:
                d_stream.zero_()
            torch.addmm(d_stream[:, self.res :], d_gate, weight[self.past :].T, out=dc)
            of_entry = history[:, :2].T @ d_stream[:, : self.res]
            of_blocks[:0] = [of_entry, history.T @ d_gate, *of_outputs]
            du = self._history_backward(d_gate @ weight[: self.past].T, d_stream) if need_u else None
        return du, dc, of_blocks + of_head

    def _head_backward(self, gradient: Tensor, d_total: Tensor) -> list[Tensor]:
        """Fills the gradient of the summed skips before the first relu; returns that of the head."""
        weights = self.weights
        d_hidden = torch.mm(gradient.T, weights.out, out=self._take(self.skip))
        relu_gradient(d_hidden, self.hidden, 0, grad_input=d_hidden)
        torch.mm(d_hidden, weights.hidden.T, out=d_total)
        relu_gradient(d_total, self.total, 0, grad_input=d_total)
        of_hidden = [self.total.T @ d_hidden, d_hidden.sum(0)]
        return [d_total.sum(0), *of_hidden, gradient @ self.hidden, gradient.sum(1)]

    def _gate_backward(self, i: int, d_all: Tensor, d_gated: Tensor, d_gate: Tensor) -> list[Tensor]:
        """Fills the gradients before the gate; returns those of the residual and skip weights."""
        block, res, skip = self.weights.blocks[i], self.res, self.skip
        _, gate, gated = self.kept[i]
        if block.residual is None:
            d_outputs, weight = d_all[:, :skip], block.skip
        else:
            d_outputs, weight = d_all[:, : skip + res], torch.cat([block.skip, block.residual], dim=1)
        of_skip, of_residual = (gated.T @ d_outputs).tensor_split([skip], dim=1)
        torch.mm(d_outputs, weight.T, out=d_gated)
        a, sigmoid = gate[:, :res], gate[:, res:]
        torch.mul(d_gated, sigmoid, out=d_gate[:, :res])
        d_gated.mul_(a)
        sigmoid_gradient(d_gated, sigmoid, grad_input=d_gate[:, res:])
        return [of_skip] if block.residual is None else [of_residual, of_skip]

    def _convolve_backward(self, i: int, d_gate: Tensor, d_stream: Tensor) -> Tensor:
        """Adds to the gradient of the stream and the conditioning; returns that of the weights."""
        weight, res = self.weights.blocks[i].gate, self.res
        stream, _, _ = self.kept[i]
        older, newest = self._taps(i)
        of_weight = torch.empty_like(weight)
        torch.mm(stream.T, d_gate, out=of_weight[newest])
        if i == len(self.kept) - 1:  # the first to come
            torch.mm(d_gate, weight[newest].T, out=d_stream)
        else:
            d_stream.addmm_(d_gate, weight[newest].T)
        for back, rows in older:
            torch.mm(stream[:-back, :res].T, d_gate[back:], out=of_weight[rows])
            d_stream[:-back, :res].addmm_(d_gate[back:], weight[rows].T)
        return of_weight

    def _history_backward(self, d_history: Tensor, d_stream: Tensor) -> Tensor:
        """Gradient of u from that of the first block's taps, and from the residual stream's beginning."""
        d_history[:, :2].addmm_(d_stream[:, : self.res], self.weights.entry.T)
        du = d_history.new_zeros(self.rows)
        for back in range(1, self.past + 1):
            du[:-back] += d_history[back:, back - 1]
        return du.view(self.u.shape)
