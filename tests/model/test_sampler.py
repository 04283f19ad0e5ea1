"""Generation from caches equals running the whole network over what was generated."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from test_model import VARIANTS, make
from test_scaled import stirred as scaled_model
from torch.utils.flop_counter import FlopCounterMode

from spivae.checkpoint.load import load_checkpoint
from spivae.errors import SpivaeError
from spivae.model.fast.threads import in_threads
from spivae.model.sampler import _draw, conditioning_length, draw_noise, sample
from spivae.model.stepper import Said
from spivae.model.vae import WaveNetVAE

DATA = Path(__file__).parents[1] / "data"


def draw(pred: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    """Displacements (B, 1) of mixture parameters (B, 3M) and noise (B, 2)."""
    out = torch.empty(1, len(pred))
    _draw(Said(*pred.T.clone().chunk(3)), noise[None, :, 0], noise[None, :, 1], out)
    return out.T


def rebuilt(model: WaveNetVAE, made: torch.Tensor, c: Any, noise: torch.Tensor, g: Any) -> torch.Tensor:
    """Each step drawn again, from one pass of the network over the finished series."""
    past = 0 if model.args.use_pad else model.receptive_field
    series = made
    if past:  # the history of zeros, and the step that was dropped
        dropped = draw(
            model.predict(torch.zeros(len(made), 1, past + 1), cut(c, past + 1), g)[..., -1], noise[0]
        )
        series = torch.cat([torch.zeros(len(made), past), dropped, made], dim=1)
    pred = model.predict(series[:, None], c, g)
    steps = [draw(pred[..., k], noise[k]) for k in range(pred.shape[-1])]
    return torch.cat(steps, dim=1)[:, -made.shape[1] :]


def cut(c: Any, length: int) -> Any:
    return None if c is None else c[..., :length]


@pytest.mark.parametrize("changes", VARIANTS.values(), ids=VARIANTS)
@torch.inference_mode()
def test_samples_equal_a_full_pass_over_themselves(changes: dict[str, Any]) -> None:
    model = make(**changes)
    generator = torch.Generator().manual_seed(0)
    steps = 300  # past one chunk of conditioning
    length = conditioning_length(model, steps)
    c = model.decode(torch.randn(3, 3, generator=generator), length) if model.c_channels else None
    g = torch.randn(3, 2, 1, generator=generator) if model.args.g_channels else None
    noise = draw_noise(steps, 3, generator)
    made = sample(model, c, steps, noise=noise, count=3, g=g)
    assert made.shape == (3, steps)
    assert torch.allclose(made, rebuilt(model, made, c, noise, g), atol=1e-5, rtol=1e-4)


class Doubled(WaveNetVAE):
    """An architecture of somebody else's."""

    def predict(self, x: torch.Tensor, c: torch.Tensor | None, g: torch.Tensor | None = None) -> torch.Tensor:
        return 2 * super().predict(x, c, g)


@pytest.mark.parametrize("changes", [{}, {"linear": 0}, {"num_mixtures": 2}, {"linear": 8}, None])
@torch.inference_mode()
def test_samples_of_other_architectures_equal_a_full_pass_too(changes: dict[str, Any] | None) -> None:
    model = scaled_model(0.05, **changes) if changes is not None else Doubled(make().args)
    if changes is None:
        model.load_state_dict(make().state_dict())
    steps, generator = 600, torch.Generator().manual_seed(0)
    c = model.decode(0.3 * torch.randn(3, 3, generator=generator), conditioning_length(model, steps))
    noise = draw_noise(steps, 3, generator)
    made = sample(model, c, steps, noise=noise, count=3)
    assert torch.isfinite(made).all()
    assert torch.allclose(made, rebuilt(model, made, c, noise, None), atol=1e-5, rtol=1e-4)


def test_an_architecture_of_somebody_else_cannot_pad() -> None:
    with pytest.raises(SpivaeError, match="use_pad: a Doubled cannot generate with padding"):
        sample(Doubled(make(use_pad=True).args), torch.zeros(1, 2, 10))


@torch.inference_mode()
def test_a_trained_model_generates_the_same_at_equal_noise_whatever_the_batch() -> None:
    _, model = load_checkpoint(DATA / "original_sbm_trained.tar")
    z = torch.randn(4, 6, generator=torch.Generator().manual_seed(0))
    noise = draw_noise(50, 4, torch.Generator().manual_seed(1))
    c = model.decode(z, conditioning_length(model, 50))
    assert c is not None
    together = sample(model, c, noise=noise)
    alone = torch.cat([sample(model, c[i : i + 1], noise=noise[:, i : i + 1]) for i in range(4)])
    assert torch.allclose(together, alone, atol=1e-6)


@pytest.fixture
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@torch.inference_mode()
def test_a_large_batch_is_shared_out_among_threads(two_threads: None) -> None:
    _, model = load_checkpoint(DATA / "original_sbm_trained.tar")
    noise = draw_noise(20, 300, torch.Generator().manual_seed(1))
    z = torch.randn(300, 6, generator=torch.Generator().manual_seed(0))
    c = model.decode(z, conditioning_length(model, 20))
    assert c is not None
    together = sample(model, c, noise=noise)
    alone = torch.cat([sample(model, c[rows], noise=noise[:, rows]) for rows in torch.arange(300).split(60)])
    assert torch.allclose(together, alone, atol=1e-6)


def test_progress_may_stop_a_generation_in_all_threads(two_threads: None) -> None:
    class StopIt(Exception):
        pass

    def stop(step: int, steps: int) -> None:
        if step >= 100:
            raise StopIt

    model = make(c_channels=0)
    with pytest.raises(StopIt):
        sample(model, None, 100_000, count=300, progress=stop)
    both = threading.Barrier(2)
    in_threads(lambda thread, rows: both.wait(timeout=60), 2)  # they are free again


def test_equal_generators_give_equal_samples() -> None:
    model = make(c_channels=0)
    made = [sample(model, None, 20, count=2, generator=torch.Generator().manual_seed(7)) for _ in range(2)]
    assert torch.equal(*made)


def test_lengths_that_do_not_fit_are_refused() -> None:
    model = make()
    with pytest.raises(SpivaeError, match="conditioning of length 30 does not fit 40 steps"):
        sample(model, torch.zeros(1, 2, 30), 40)
    with pytest.raises(SpivaeError, match="a model with a VAE needs it"):
        sample(model, None, 40)
    with pytest.raises(SpivaeError, match="steps: needs at least 1"):
        sample(make(c_channels=0), None, 0)


def recomputed(model: WaveNetVAE, c: torch.Tensor, steps: int, noise: torch.Tensor) -> torch.Tensor:
    """The plain way: the receptive field is run through the network again for every step."""
    past = model.receptive_field
    series = torch.zeros(len(c), past)
    for step in range(steps + 1):
        window = torch.cat([series[:, -past:], series.new_zeros(len(c), 1)], dim=1)[:, None]
        pred = model.predict(window, c[..., step : step + past + 1])
        series = torch.cat([series, draw(pred[..., -1], noise[step])], dim=1)
    return series[:, past + 1 :]


@torch.inference_mode()
def test_caches_spare_the_multiplications_of_the_receptive_field(one_thread: None) -> None:
    _, model = load_checkpoint(DATA / "original_sbm_trained.tar")
    z = torch.randn(5, 6, generator=torch.Generator().manual_seed(0))
    c = model.decode(z, conditioning_length(model, 40))
    assert c is not None
    noise = draw_noise(40, 5, torch.Generator().manual_seed(1))
    with FlopCounterMode(display=False) as plainly:
        slow = recomputed(model, c, 40, noise)
    with FlopCounterMode(display=False) as cached:
        fast = sample(model, c, noise=noise)
    assert torch.allclose(slow, fast, atol=1e-5)
    # one column of every layer a step, those of the history too, instead of some twenty
    assert 0 < 6 * cached.get_total_flops() < plainly.get_total_flops()
