"""The WaveNet fed one displacement at a time: the past of every layer is kept, never computed again.

Features are rows and trajectories columns, so that every operand is one contiguous view made beforehand, and
a step is a few dozen calls that allocate nothing.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from spivae.model.vae import WaveNetVAE
from spivae.model.wavenet import ResidualBlock

# numbers of conditioning products that are made at once, and of a queue: few calls, in the caches
_AT_ONCE, _QUEUE = 1 << 17, 1 << 13


class Said(NamedTuple):
    """Mixture parameters of one displacement, each (M, B); overwritten by the next step."""

    logits: Tensor
    means: Tensor
    log_std: Tensor


class _Past:
    """The last inputs of a causal convolution, a queue for each phase of its dilation.

    Columns of one phase are `dilation` steps apart: the taps of the kernel lie one above the other, the
    newest lowest. Before the beginning there are zeros.
    """

    def __init__(self, like: Tensor, channels: int, kernel: int, dilation: int, batch: int) -> None:
        self.dilation, self.step = dilation, 0
        self.turns = max(kernel - 1, 4, min(32, _QUEUE // (channels * batch)))
        memory = like.new_zeros(dilation, (kernel - 1 + self.turns) * channels, batch)
        older = (kernel - 1) * channels
        self.ends = [(queue[:older], queue[self.turns * channels :]) for queue in memory]
        starts = [turn * channels for turn in range(self.turns)]
        self.places = [
            [(queue[at : at + older + channels], queue[at + older : at + older + channels]) for at in starts]
            for queue in memory
        ]

    def next(self) -> tuple[Tensor, Tensor]:
        """The taps (kernel * channels, B) of the next step, and in them the newest, which is to be filled."""
        turn, phase = divmod(self.step, self.dilation)
        turn %= self.turns
        if turn == 0 and self.step >= self.dilation:
            first, last = self.ends[phase]
            first.copy_(last)
        self.step += 1
        return self.places[phase][turn]


class _Block:
    """Weights and past of a residual block. `carried` holds the gate's product, and a last row of ones."""

    def __init__(self, block: ResidualBlock, carried: Tensor, batch: int) -> None:
        conv = block.dilated.conv
        filters, channels, kernel = conv.weight.shape
        self.past = _Past(carried, channels, kernel, conv.dilation[0], batch)
        self.weight = conv.weight.permute(0, 2, 1).reshape(filters, kernel * channels)  # the oldest tap first
        self.residual = math.sqrt(0.5) * _with_bias(block.conv_res)
        self.gates = carried.new_empty(filters, batch)
        self.a, self.b = self.gates.chunk(2)
        self.carried, self.product = carried, carried[:-1]

    def gate(self, taps: Tensor, conditions: Tensor) -> None:
        torch.addmm(conditions, self.weight, taps, out=self.gates)
        torch.mul(self.a, self.b.sigmoid_(), out=self.product)


class Stepper:
    """The steps of B trajectories under the conditioning c (B, C, length) and g (B, G, 1)."""

    def __init__(self, model: WaveNetVAE, batch: int, c: Tensor | None, g: Tensor | None) -> None:
        args, like = model.args, model.init_conv.weight
        blocks = [block for block in model.res_stack if isinstance(block, ResidualBlock)] * args.stack_size
        self.history = _Past(like, 2, 2, 1, batch)
        self.entry, self.entry_bias = _entry(model), _column(model.causal.conv)
        self.entering = like.new_zeros(2, batch)
        self.entered, self.present = self.entering.chunk(2)
        # the gates' products of all blocks side by side, each with a row of ones for the bias
        carried = like.new_ones(len(blocks) * (args.res_channels + 1), batch)
        self.carried = carried
        # a block that runs twice has two pasts
        self.blocks = [
            _Block(block, part, batch) for block, part in zip(blocks, carried.chunk(len(blocks)), strict=True)
        ]
        self.conditions = _Conditions(
            blocks, batch, None if c is None else c[:, : args.c_channels], g if args.g_channels else None
        )
        skips = torch.cat([_with_bias(block.conv_skip) for block in blocks], dim=1)
        self.skips = skips / math.sqrt(len(blocks))
        hidden, out = (layer for layer in model.out_conv if isinstance(layer, nn.Conv1d))
        self.hidden, self.out = _with_bias(hidden), _with_bias(out)
        self.total, self.between = like.new_ones(2, args.skip_channels + 1, batch)
        self.total_rows, self.between_rows = self.total[:-1], self.between[:-1]
        self.pred = like.new_empty(3 * args.num_mixtures, batch)
        self.said = Said(*self.pred.chunk(3))

    def enter(self, x: Tensor, index: int) -> None:
        """Displacement `index` - 1, x (1, B), as it enters the WaveNet; before the first there is none."""
        self.entered.copy_(x)
        if index == 1:
            self.present.fill_(1)

    def leave(self, index: int) -> Said:
        """What the WaveNet says of displacement `index`, as the model's prediction."""
        return self.said

    def push(self, x: Tensor, index: int) -> None:
        """Take displacement `index` - 1, x (1, B): indices ascend by one, from 0 or 1 on."""
        self.enter(x, index)
        conditions = self.conditions.at(index)
        recent, newest = self.history.next()
        newest.copy_(self.entering)
        taps, stream = self.blocks[0].past.next()
        torch.addmm(self.entry_bias, self.entry, recent, out=stream)
        for i, block in enumerate(self.blocks):
            block.gate(taps, conditions[i])
            if i + 1 < len(self.blocks):
                before = stream
                taps, stream = self.blocks[i + 1].past.next()
                torch.addmm(before, block.residual, block.carried, beta=math.sqrt(2), out=stream)

    def say(self, index: int) -> Said:
        """The prediction of displacement `index`, once the one before it was pushed."""
        torch.mm(self.skips, self.carried, out=self.total_rows).relu_()
        torch.mm(self.hidden, self.total, out=self.between_rows).relu_()
        torch.mm(self.out, self.between, out=self.pred)
        return self.leave(index)


class _Conditions:
    """What the gates of all blocks get from c, g and their biases, made for some steps at a time."""

    def __init__(self, blocks: list[ResidualBlock], batch: int, c: Tensor | None, g: Tensor | None) -> None:
        self.weight = torch.cat(
            [_conditioned(block, c, g) for block in blocks]
        )  # (blocks * 2 res, C + G + 1)
        self.c, self.channels = c, 0 if c is None else c.shape[1]
        self.count = 1
        if c is not None:
            self.count = max(1, min(c.shape[-1], 64, _AT_ONCE // (len(self.weight) * batch)))
        self.rows = self.weight.new_ones(self.count, self.weight.shape[1], batch)
        if g is not None:
            self.rows[:, self.channels : -1] = g[:, :, 0].T
        self.made = self.weight.new_empty(self.count, len(self.weight), batch)
        self.each: list[tuple[Tensor, ...]] = [step.chunk(len(blocks)) for step in self.made]
        self.begin: int | None = None

    def at(self, index: int) -> tuple[Tensor, ...]:
        """For every block (2 * res, B)."""
        if self.c is None:
            if self.begin is None:
                self._make(0, 1)
            return self.each[0]
        if self.begin is None or index >= self.begin + self.count:
            part = self.c[..., index : index + self.count]
            self.rows[: part.shape[-1], : self.channels] = part.permute(2, 1, 0)
            self._make(index, part.shape[-1])
        assert self.begin is not None
        return self.each[index - self.begin]

    def _make(self, begin: int, count: int) -> None:
        self.begin = begin
        weight = self.weight.expand(count, *self.weight.shape)
        torch.bmm(weight, self.rows[:count], out=self.made[:count])


def _conditioned(block: ResidualBlock, c: Tensor | None, g: Tensor | None) -> Tensor:
    """A block's weights (2 * res, C + G + 1) of the conditioning rows, its bias the last."""
    used = [(block.conv_c, c), (block.conv_g, g)]
    parts = [conv.weight[..., 0] for conv, given in used if conv is not None and given is not None]
    return torch.cat([*parts, _column(block.dilated.conv)], dim=1)


def _entry(model: WaveNetVAE) -> Tensor:
    """`init_conv` and `causal` as one product (res, 4) with the last two displacements, the older first.

    Each comes with a one, or with a zero where it lies before the beginning: padding has no bias.
    """
    first = _with_bias(model.init_conv)  # (res, 2)
    older, newer = model.causal.conv.weight.unbind(-1)
    return torch.cat([older @ first, newer @ first], dim=1)


def _with_bias(conv: nn.Conv1d) -> Tensor:
    """Weights (out, in + 1) of a 1x1 convolution; the bias is that of a last row of ones."""
    return torch.cat([conv.weight[..., 0], _column(conv)], dim=1)


def _column(conv: nn.Conv1d) -> Tensor:
    assert conv.bias is not None
    return conv.bias[:, None]
