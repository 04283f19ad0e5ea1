"""Generation, one step at a time, from caches: the past of every layer is kept, never computed again.

The history is R zeros, where R is the receptive field; the first step after it is made and dropped, and the
next ones are kept. Kept step k (counted from 1) is drawn with the conditioning at 0-based index k + R, so the
conditioning has length steps + R + 1, and kept step k is displacement k + R + 1 of the process.

A model with `use_pad` knows its own history, zeros inside every layer: there every step is kept, from the
first displacement on, and the conditioning has the length of the series.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from spivae.errors import SpivaeError
from spivae.model.fast.threads import in_threads
from spivae.model.losses import LOG_STD_FLOOR
from spivae.model.stepper import Said, Stepper
from spivae.model.steppers import AnyStepper, stepper
from spivae.model.vae import WaveNetVAE

# trajectories that are worth a thread of their own: with fewer, threads wait for each other's Python
_FOR_A_THREAD = 128


def conditioning_length(model: WaveNetVAE, steps: int) -> int:
    """The length of the conditioning that `sample` needs for this many steps."""
    return steps + _dropped(model)


def _dropped(model: WaveNetVAE) -> int:
    """How many positions of the conditioning come before the first kept step."""
    return 0 if model.args.use_pad else model.receptive_field + 1


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
    weight = next(model.parameters())
    # without padding, one step more is made, and dropped
    made = weight.new_empty(steps + (not model.args.use_pad), batch)
    uniform, normal = noise[: len(made)].to(weight).permute(2, 0, 1).contiguous()
    ended = threading.Event()

    def work(thread: int, rows: slice) -> None:
        tell = progress if thread == 0 else None
        with torch.inference_mode():
            maker = stepper(
                model,
                rows.stop - rows.start,
                None if c is None else c[rows],
                None if g is None else g[rows],
            )
            parts = [part[:, rows].split(1) for part in (made, uniform, normal)]
            for step in _steps(maker, model.args.first_predicted, *parts):
                if ended.is_set():  # another thread has failed, or the caller was interrupted
                    return
                if tell is not None and step % 100 == 0:
                    tell(step, steps)

    least = _FOR_A_THREAD if weight.device.type == "cpu" else batch
    in_threads(work, batch, least, give_up=ended.set)
    return made[-steps:].T.contiguous()


def _steps(
    maker: Stepper | AnyStepper,
    first: int,
    made: Sequence[Tensor],
    uniform: Sequence[Tensor],
    normal: Sequence[Tensor],
) -> Iterator[int]:
    """Fill `made` (1, B) each, the first of which is displacement `first`; gives the number of each step."""
    x = torch.zeros_like(made[0])
    for index in range(1, first):  # the history: only fills the past
        maker.push(x, index)
    for step, out in enumerate(made):
        maker.push(x, first + step)
        _draw(maker.say(first + step), uniform[step], normal[step], out)
        x = out
        yield step


def draw_noise(steps: int, batch: int, generator: torch.Generator | None) -> Tensor:
    """The randomness (steps + 1, B, 2) of a generation: uniform and standard normal numbers."""
    shape = (steps + 1, batch)
    return torch.stack(
        [torch.rand(shape, generator=generator), torch.randn(shape, generator=generator)], dim=-1
    )


def _draw(said: Said, uniform: Tensor, normal: Tensor, out: Tensor) -> None:
    """Displacements `out` from mixture parameters, a uniform and a normal number, each (1, B)."""
    logits, means, log_std = said
    if len(logits) > 1:
        below = torch.softmax(logits, 0).cumsum(0) < uniform  # (M, B)
        component = below.sum(0, keepdim=True).clamp(max=len(logits) - 1)
        means, log_std = means.gather(0, component), log_std.gather(0, component)
    torch.addcmul(means, log_std.clamp_(min=LOG_STD_FLOOR).exp_(), normal, out=out)
