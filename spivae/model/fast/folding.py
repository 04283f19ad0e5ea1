"""The weights of the WaveNet as its fast form uses them, made by differentiable operations.

What has no nonlinearity between is folded into one linear map:
- `init_conv` and `causal` into one kernel over two past displacements;
- those and the first block's dilated convolution into one kernel over the K + 1 past displacements;
- the gates' biases into the conditioning's products, as those of a channel that is always one;
- the bias of every residual convolution into the later gates: the residual stream goes without;
- the factors sqrt(1/2) of the residual stream: it is kept in units in which it is only ever added to;
- the scale and the biases of the skips into one product and one bias.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from spivae.model.vae import WaveNetVAE
from spivae.model.wavenet import ResidualBlock


class Block(NamedTuple):
    """A residual block; its gate reads the residual stream, in the first block the past displacements."""

    taps: Tensor  # (K, res, 2 * res), oldest first; in the first block (1, K + 1, 2 * res)
    given: Tensor  # (conditioning width, 2 * res)
    to_skip: Tensor  # (1, res, skip)
    to_stream: Tensor | None  # (1, res, res); none in the last block


class Folded(NamedTuple):
    entry: Tensor  # (2, res): the residual stream of the last two displacements, oldest first
    blocks: list[Block]
    skip_bias: Tensor  # (skip,)
    hidden: Tensor  # (1, skip, skip)
    hidden_bias: Tensor
    out: Tensor  # (3 * mixtures, skip)
    out_bias: Tensor


def conditioning_width(channels: int) -> int:
    """Columns of the conditioning's rows: its channels, one that is always one, and zeros to fill up."""
    return 8 * (channels // 8 + 1)


def fold(model: WaveNetVAE) -> Folded:
    """The WaveNet's weights, folded."""
    args = model.args
    count = args.layer_size
    first = model.init_conv.weight[:, 0, 0]  # (res,)
    causal = model.causal.conv.weight  # (res, res, 2)
    entry = torch.stack([causal[..., 0] @ first, causal[..., 1] @ first])
    # what the stream lacks: the biases so far
    missing = causal.sum(2) @ bias_of(model.init_conv) + bias_of(model.causal.conv)
    blocks = []
    skip_bias = torch.zeros_like(bias_of(model.out_conv[1]))
    for i, block in enumerate(model.res_stack):
        assert isinstance(block, ResidualBlock)
        taps = block.dilated.conv.weight * 2 ** (i / 2)  # (2 * res, res, K)
        bias = bias_of(block.dilated.conv) + taps.sum(2) @ missing
        rows = taps.permute(2, 1, 0)  # (K, res, 2 * res)
        if i == 0:
            past = entry @ rows  # (K, 2, 2 * res): tap k sees the past displacements k and k + 1
            rows = (F.pad(past[:, 0], (0, 0, 0, 1)) + F.pad(past[:, 1], (0, 0, 1, 0)))[None]
        to_skip = block.conv_skip.weight.permute(2, 1, 0) / math.sqrt(count)
        skip_bias = skip_bias + bias_of(block.conv_skip)
        to_stream = None
        if i < count - 1:
            scale = math.sqrt(0.5) * 2 ** (-(i + 1) / 2)
            to_stream = scale * block.conv_res.weight.permute(2, 1, 0)
            missing = missing + scale * bias_of(block.conv_res)
        blocks.append(Block(rows, _conditioning(args.c_channels, block, bias), to_skip, to_stream))
    hidden, out = (layer for layer in model.out_conv if isinstance(layer, nn.Conv1d))
    return Folded(
        entry,
        blocks,
        skip_bias / math.sqrt(count),
        hidden.weight.permute(2, 1, 0),
        bias_of(hidden),
        out.weight[..., 0],
        bias_of(out),
    )


def _conditioning(channels: int, block: ResidualBlock, bias: Tensor) -> Tensor:
    rows = bias[None]
    if block.conv_c is not None:
        rows = torch.cat([block.conv_c.weight[..., 0].T, rows])
    return F.pad(rows, (0, 0, 0, conditioning_width(channels) - len(rows)))


def bias_of(layer: nn.Module) -> Tensor:
    bias = layer.bias
    assert isinstance(bias, Tensor)
    return bias
