"""Generation, one step at a time, from caches: the past of every layer is kept, never computed again.

The history is R zeros, where R is the receptive field; the first step after it is made and dropped, and the
next ones are kept. Kept step k (counted from 1) is drawn with the conditioning at 0-based index k + R, so the
conditioning has length steps + R + 1, and kept step k is displacement k + R + 1 of the process.

A model with `use_pad` knows its own history, zeros inside every layer: there every step is kept, from the
first displacement on, and the conditioning has the length of the series.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from spivae.errors import SpivaeError
from spivae.model.losses import LOG_STD_FLOOR, mixture
from spivae.model.vae import WaveNetVAE
from spivae.model.wavenet import ResidualBlock

# conditioning products are made for this many steps at once: few calls, and bounded memory for long series
_CHUNK = 256


def conditioning_length(model: WaveNetVAE, steps: int) -> int:
    """The length of the conditioning that `sample` needs for this many steps."""
    return steps + _dropped(model)


def _dropped(model: WaveNetVAE) -> int:
    """How many positions of the conditioning come before the first kept step."""
    return 0 if model.args.use_pad else model.receptive_field + 1


class _CausalCache:
    """A causal convolution fed one column at a time: its last inputs, a queue for each phase of the dilation.

    Columns of one phase are `dilation` steps apart, so the taps of the kernel lie side by side.
    """

    def __init__(self, conv: nn.Conv1d, batch: int) -> None:
        filters, channels, kernel = conv.weight.shape
        # taps from oldest to newest, as the queue holds them: (kernel * channels, filters)
        self.weight = conv.weight.permute(2, 1, 0).reshape(kernel * channels, filters).contiguous()
        assert conv.bias is not None
        self.bias = conv.bias
        self.channels = channels
        self.queues = [conv.weight.new_zeros(batch, kernel * channels) for _ in range(conv.dilation[0])]
        self.step = 0

    def push(self, column: Tensor, extra: Tensor | None = None) -> Tensor:
        """The output (B, filters) at the newest column (B, channels), plus `extra` (B, filters)."""
        phase = self.step % len(self.queues)
        taps = torch.cat([self.queues[phase][:, self.channels :], column], dim=1)
        self.queues[phase] = taps
        self.step += 1
        return torch.addmm(self.bias if extra is None else extra, taps, self.weight)


class _BlockCache:
    """A residual block fed one column at a time."""

    def __init__(self, block: ResidualBlock, batch: int) -> None:
        self.dilated = _CausalCache(block.dilated.conv, batch)
        self.conditions = None if block.conv_c is None else block.conv_c.weight[:, :, 0].T
        self.gate_bias = self.dilated.bias
        res, skip = block.conv_res, block.conv_skip
        assert res.bias is not None
        assert skip.bias is not None
        self.out_weight = torch.cat([res.weight[:, :, 0], skip.weight[:, :, 0]]).T.contiguous()
        self.out_bias = torch.cat([res.bias, skip.bias])
        self.channels = block.conv_res.out_channels

    def condition(self, c: Tensor | None, g: Tensor | None) -> Tensor | None:
        """What the gates of a chunk of steps (S, B, 2 * res) get from c (S, B, C) and g (B, 2 * res)."""
        gates = self.gate_bias if g is None else self.gate_bias + g
        if c is not None and self.conditions is not None:
            return c @ self.conditions + gates
        return None if g is None else gates

    def push(self, x: Tensor, gates: Tensor | None) -> tuple[Tensor, Tensor]:
        a, b = self.dilated.push(x, gates).chunk(2, dim=1)
        out = torch.addmm(self.out_bias, a * torch.sigmoid(b), self.out_weight)
        residual, skip = out[:, : self.channels], out[:, self.channels :]
        return (residual + 2 * x) * math.sqrt(0.5), skip


class _Stepper:
    """The WaveNet fed one displacement at a time."""

    def __init__(self, model: WaveNetVAE, batch: int, c: Tensor | None, g: Tensor | None) -> None:
        self.model = model
        self.c = None if c is None else c.permute(2, 0, 1)  # (length, B, C)
        self.batch = batch
        blocks = list(model.res_stack) * model.args.stack_size
        # a block that runs twice has two pasts
        self.blocks = [_BlockCache(block, batch) for block in blocks]  # type: ignore[arg-type]
        self.causal = _CausalCache(model.causal.conv, batch)
        self.globals = [
            None if g is None or block.conv_g is None else block.conv_g(g)[..., 0]  # type: ignore[operator]
            for block in blocks
        ]
        self.init_weight = model.init_conv.weight[:, :, 0].T  # (1, res)
        assert model.init_conv.bias is not None
        self.init_bias = model.init_conv.bias
        self.head = [
            (layer.weight[:, :, 0].T.contiguous(), layer.bias)
            for layer in model.out_conv
            if isinstance(layer, nn.Conv1d)
        ]
        self.begin = 0
        self.chunk: list[Tensor | None] = []

    def push(self, x: Tensor, index: int) -> Tensor:
        """Mixture parameters (B, 3M) of displacement `index`, given the one before it, x (B, 1)."""
        gates = self._gates(index)
        first = torch.addmm(self.init_bias, x, self.init_weight)
        column = self.causal.push(first if index else torch.zeros_like(first))
        total: Tensor | None = None
        for block, gate in zip(self.blocks, gates, strict=True):
            column, skip = block.push(column, gate)
            total = skip if total is None else total + skip
        assert total is not None
        out = total / math.sqrt(len(self.blocks))
        for weight, bias in self.head:
            out = torch.addmm(bias, torch.relu(out), weight)  # type: ignore[arg-type]
        return out

    def _gates(self, index: int) -> list[Tensor | None]:
        if self.c is None:
            if not self.chunk:
                self.chunk = [
                    block.condition(None, g) for block, g in zip(self.blocks, self.globals, strict=True)
                ]
            return self.chunk
        offset = index - self.begin
        if not self.chunk or offset >= _CHUNK:
            self.begin, offset = index, 0
            c = self.c[index : index + _CHUNK]
            self.chunk = [block.condition(c, g) for block, g in zip(self.blocks, self.globals, strict=True)]
        return [None if gates is None else gates[offset] for gates in self.chunk]


@torch.inference_mode()
def sample(
    model: WaveNetVAE,
    c: Tensor | None,
    steps: int | None = None,
    *,
    generator: torch.Generator | None = None,
    noise: Tensor | None = None,
    count: int | None = None,
    g: Tensor | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Tensor:
    """Displacements (B, steps) drawn from the WaveNet under the conditioning c (B, C, `conditioning_length`).

    `steps` defaults to what c allows. Randomness comes from `generator`, or from `noise` (steps + 1, B, 2) of
    a uniform number (that picks the mixture component) and a standard normal one for each step made. Without
    the VAE, c is None and `count` says how many trajectories. Raises SpivaeError where lengths do not fit.
    """
    batch = len(c) if c is not None else (count or 1)
    if steps is None:
        if c is None:
            raise SpivaeError("steps: needs a number where there is no conditioning")
        steps = c.shape[-1] - _dropped(model)
    if steps < 1:
        raise SpivaeError(f"steps: needs at least 1, not {steps}")
    if (c is None) != (model.c_channels == 0):
        raise SpivaeError("conditioning: a model with a VAE needs it, one without takes none")
    if c is not None and c.shape[-1] != conditioning_length(model, steps):
        raise SpivaeError(
            f"conditioning of length {c.shape[-1]} does not fit {steps} steps: "
            f"needs {conditioning_length(model, steps)}"
        )
    if noise is None:
        noise = draw_noise(steps, batch, generator)
    if tuple(noise.shape) != (steps + 1, batch, 2):
        raise SpivaeError(f"noise: has shape {tuple(noise.shape)}, not {(steps + 1, batch, 2)}")
    weight = model.init_conv.weight
    noise = noise.to(weight.device)
    stepper = _Stepper(model, batch, c, g)
    x = weight.new_zeros(batch, 1)
    first, last = (
        (0, steps) if model.args.use_pad else (model.receptive_field, model.receptive_field + steps + 1)
    )
    for index in range(1, first):  # the history: only fills the caches
        stepper.push(x, index)
    made = weight.new_empty(batch, last - first)
    for step, index in enumerate(range(first, last)):
        x = _draw(stepper.push(x, index), noise[step])
        made[:, step : step + 1] = x
        if progress is not None and step % 100 == 0:
            progress(step, steps)
    return made[:, -steps:].contiguous()


def draw_noise(steps: int, batch: int, generator: torch.Generator | None) -> Tensor:
    """The randomness (steps + 1, B, 2) of a generation: uniform and standard normal numbers."""
    shape = (steps + 1, batch)
    return torch.stack(
        [torch.rand(shape, generator=generator), torch.randn(shape, generator=generator)], dim=-1
    )


def _draw(pred: Tensor, noise: Tensor) -> Tensor:
    """A displacement (B, 1) from mixture parameters (B, 3M) and noise (B, 2)."""
    uniform, normal = noise[:, :1], noise[:, 1:]
    if pred.shape[1] == 3:  # one component: no choice to make
        return torch.addcmul(pred[:, 1:2], pred[:, 2:].clamp(min=LOG_STD_FLOOR).exp(), normal)
    log_weights, means, log_std = mixture(pred[..., None])
    below = log_weights[..., 0].exp().cumsum(1) < uniform  # (B, M)
    component = below.sum(1, keepdim=True).clamp(max=log_weights.shape[1] - 1)
    return means[..., 0].gather(1, component) + torch.exp(log_std[..., 0].gather(1, component)) * normal
