"""The autoregressive decoder: a WaveNet that predicts each displacement from those before it.

Read with B trajectories, C channels, L displacements. Every convolution is causal; without padding each one
shortens the series, so layers are aligned at their last position.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from spivae.model.base import Arguments


class CausalConv1d(nn.Module):
    """A dilated convolution that sees the present and the past; `pad` zeros are put before the series."""

    def __init__(self, channels: int, filters: int, kernel: int, dilation: int = 1, pad: int = 0) -> None:
        super().__init__()
        self.pad = pad
        self.conv = nn.Conv1d(channels, filters, kernel, dilation=dilation)

    def forward(self, x: Tensor) -> Tensor:
        padded = F.pad(x, (self.pad, 0)) if self.pad else x
        return self.conv(padded)  # type: ignore[no-any-return]


class ResidualBlock(nn.Module):
    """A gated, dilated convolution with a residual and a skip output, conditioned on `c` and `g`."""

    def __init__(self, args: Arguments, dilation: int) -> None:
        super().__init__()
        gate = 2 * args.res_channels
        pad = dilation * (args.res_kernel_size - 1) if args.use_pad else 0
        self.dilated = CausalConv1d(args.res_channels, gate, args.res_kernel_size, dilation, pad)
        self.conv_c = nn.Conv1d(args.c_channels, gate, 1, bias=False) if args.c_channels else None
        self.conv_g = nn.Conv1d(args.g_channels, gate, 1, bias=False) if args.g_channels else None
        self.conv_res = nn.Conv1d(args.res_channels, args.res_channels, 1)
        self.conv_skip = nn.Conv1d(args.res_channels, args.skip_channels, 1)

    def forward(self, x: Tensor, c: Tensor | None, g: Tensor | None) -> tuple[Tensor, Tensor]:
        gates = self.dilated(x)  # (B, 2 * res, L')
        length = gates.shape[-1]
        if self.conv_c is not None and c is not None:
            gates = gates + self.conv_c(c[..., -length:])
        if self.conv_g is not None and g is not None:
            gates = gates + self.conv_g(g)
        a, b = gates.chunk(2, dim=1)
        y = a * torch.sigmoid(b)  # (B, res, L')
        return self.conv_res(y) + x[..., -length:], self.conv_skip(y)


def make_stack(args: Arguments) -> nn.ModuleList:
    """The residual blocks; where `stack_size > 1`, they are run again, not copied."""
    return nn.ModuleList(ResidualBlock(args, 2**i) for i in range(args.layer_size))


def run_stack(
    args: Arguments, blocks: nn.ModuleList, x: Tensor, c: Tensor | None, g: Tensor | None
) -> Tensor:
    """The summed skip outputs (B, skip, L - R) of all blocks in turn."""
    skips: list[Tensor] = []
    for _ in range(args.stack_size):
        for block in blocks:
            out, skip = block(x, c, g)
            x = (out + x[..., -out.shape[-1] :]) * math.sqrt(0.5)
            skips.append(skip)
    length = skips[-1].shape[-1]
    return torch.stack([skip[..., -length:] for skip in skips]).sum(0) / math.sqrt(len(skips))
