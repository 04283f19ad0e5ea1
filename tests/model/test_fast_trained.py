"""The fast form of the trained models that ship, at their real size, against the readable one in float64."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

import spivae_models
from spivae.checkpoint.load import load_checkpoint
from spivae.model.losses import Loss, judged_steps, mixture
from spivae.model.paths import forward, gradients, path_of
from spivae.model.sampler import conditioning_length, draw_noise, sample
from spivae.model.vae import WaveNetVAE
from spivae.process import Process
from spivae_plugins.fbm import FractionalBrownianMotion
from spivae_plugins.sbm import ScaledBrownianMotion

BETA = 1 / 367
COUNT = 37  # trajectories: no multiple of anything, so that the last part of a batch is smaller
PROCESSES: dict[str, Process] = {"sbm": ScaledBrownianMotion(), "fbm": FractionalBrownianMotion()}
Trained = tuple[WaveNetVAE, torch.Tensor, torch.Tensor]


@pytest.fixture(autouse=True)
def _two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module", params=PROCESSES)
def trained(request: pytest.FixtureRequest) -> Trained:
    """A shipped model, trajectories of its process from all over the training range, and latent noise."""
    _, model = load_checkpoint(Path(spivae_models.__path__[0]) / f"{request.param}.safetensors")
    rng = np.random.default_rng(5)
    theta = np.stack([rng.uniform(0.2, 1.8, COUNT), 10 ** rng.uniform(-5, -2, COUNT)], axis=1)
    x = PROCESSES[request.param].displacements(rng, theta, model.args.o_dim).astype(np.float32)
    noise = rng.standard_normal((COUNT, model.args.latents), dtype=np.float32)
    return model, torch.from_numpy(x[:, None]), torch.from_numpy(noise)


def far(found: torch.Tensor, wanted: torch.Tensor) -> float:
    """The largest difference, relative to the largest of the wanted values."""
    return float((found.double() - wanted).abs().max() / wanted.abs().max())


def test_outputs_are_those_of_the_readable_form(trained: Trained) -> None:
    model, x, noise = trained
    assert path_of(model) == "fast"
    exact = copy.deepcopy(model).double()
    with torch.no_grad():
        wanted, said = exact(x.double(), noise=noise.double()), forward(model, x, noise)
    assert far(said.mu, wanted.mu) < 1e-5
    assert far(said.logvar, wanted.logvar) < 1e-5
    assert far(said.c, wanted.c) < 1e-5
    names = ("log weights", "means", "log std")
    for name, found, right in zip(names, mixture(said.pred), mixture(wanted.pred), strict=True):
        if right.any():  # of a single Gaussian all log weights are 0
            assert far(found, right) < 1e-5, name
        else:
            assert not found.any(), name


def test_gradients_are_those_of_the_readable_form(trained: Trained) -> None:
    model, x, noise = trained
    model, exact = copy.deepcopy(model), copy.deepcopy(model).double()
    gradients(model, x, noise, BETA)
    loss = Loss(exact.receptive_field, exact.c_channels, BETA)
    parts = loss.learnt(exact.learn(x.double(), noise.double()), x.double(), judged_steps(exact, x))
    parts.loss.mean().backward()  # type: ignore[no-untyped-call]
    for (name, weight), right in zip(model.named_parameters(), exact.parameters(), strict=True):
        assert (weight.grad is None) == (right.grad is None), name
        if weight.grad is not None and right.grad is not None:
            assert far(weight.grad, right.grad) < 5e-5, name


def test_several_and_unequal_parts_of_a_batch_say_what_its_trajectories_say_alone(trained: Trained) -> None:
    model, x, noise = trained
    # 64 rows or more a thread, shared out unevenly
    together, alone = copy.deepcopy(model), copy.deepcopy(model)
    many = torch.arange(4 * COUNT + 3) % COUNT
    x, noise = x[many], noise[many]
    loss = gradients(together, x, noise, BETA).loss
    said = forward(model, x, noise)
    one = [forward(model, x[k : k + 1], noise[k : k + 1]) for k in range(COUNT)]
    for name in ("pred", "mu", "logvar"):
        wanted = torch.cat([getattr(output, name) for output in one])[many]
        assert far(getattr(said, name), wanted.double()) < 1e-5, name
    each = [gradients(alone, x[k : k + 1], noise[k : k + 1], BETA).loss for k in many.tolist()]
    assert far(loss, torch.cat(each).double()) < 1e-5
    for (name, weight), right in zip(together.named_parameters(), alone.parameters(), strict=True):
        if weight.grad is not None and right.grad is not None:
            assert far(weight.grad, right.grad.double() / len(many)) < 5e-5, name


@torch.inference_mode()
def test_equal_noise_makes_equal_samples(trained: Trained) -> None:
    model, _, noise = trained
    c = model.decode(noise, conditioning_length(model, 60))
    assert c is not None
    drawn = draw_noise(60, COUNT, torch.Generator().manual_seed(6))
    together = sample(model, c, noise=drawn)
    cut = ([0], list(range(1, 20)), list(range(20, COUNT)))
    alone = torch.cat([sample(model, c[rows], noise=drawn[:, rows]) for rows in cut])
    assert far(together, alone.double()) < 1e-5
    exact = sample(copy.deepcopy(model).double(), c.double(), noise=drawn.double())
    assert far(together, exact) < 1e-4  # rounding of one step is fed to those after it
