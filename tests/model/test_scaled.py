"""The scaled WaveNet-VAE: what its encoder reads, and what its scale does."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch

from spivae.errors import SpivaeError
from spivae.model import powers, scaled
from spivae.model.losses import Loss
from spivae.model.powers import log_powers
from spivae.model.scaled import ScaledWaveNetVAE, build_scaled
from spivae.model.scaled_arguments import ScaledArgs, log_edges, scaled_shapes

SMALL: dict[str, Any] = {
    "o_dim": 63,
    "encoder": (8,),
    "decoder": (8,),
    "z_dim": 3,
    "knots": 5,
    "linear": 4,
    "c_channels": 2,
    "res_channels": 4,
    "skip_channels": 12,
    "layer_size": 2,
}


def make(**changes: Any) -> ScaledWaveNetVAE:
    args = ScaledArgs.from_mapping({**SMALL, **changes})
    return build_scaled(args, torch.Generator().manual_seed(1)).eval()


def stirred(size: float = 0.1, **changes: Any) -> ScaledWaveNetVAE:
    model, generator = make(**changes), torch.Generator().manual_seed(3)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(size * torch.randn(weight.shape, generator=generator))
    return model


def batch(n: int = 5, steps: int = 63) -> torch.Tensor:
    return 0.05 * torch.randn(n, 1, steps, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("changes", [{}, {"linear": 0}, {"num_mixtures": 2}, {"z_dim": 1}])
def test_shapes_are_those_that_the_arguments_tell(changes: dict[str, Any]) -> None:
    model = make(**changes)
    args, said = model.args, model(batch())
    assert {name: tuple(weight.shape) for name, weight in model.state_dict().items()} == scaled_shapes(args)
    assert said.pred.shape == (5, 3 * args.num_mixtures, args.predicted)
    assert said.c.shape == (5, args.carried, 63)
    assert said.mu.shape == said.logvar.shape == (5, args.z_dim)


@pytest.mark.parametrize("length", [1, 2, 5, 63, 399, 4096])
def test_bins_are_full_and_cover_every_step(length: int) -> None:
    edges = log_edges(length)
    assert edges[0] == 0
    assert edges[-1] == length
    assert all(before < after for before, after in pairwise(edges))


def test_a_change_of_units_moves_one_feature_alone() -> None:
    x = batch()[:, 0]
    moved = log_powers(100 * x) - log_powers(x)
    assert torch.allclose(moved[:, :-1], torch.zeros(()), atol=1e-4)
    assert torch.allclose(moved[:, -1], torch.tensor(math.log(100) / 2))


def test_the_weighted_power_of_scaled_brownian_motion_is_least_at_its_own_exponent() -> None:
    # of all power laws t^a, the likeliest has the least ln <x^2 / t^a> + mean(a ln t)
    alpha, n, steps = 1.5, 4000, 399
    t = np.arange(1, steps + 1)
    x = torch.from_numpy(
        np.random.default_rng(0).standard_normal((n, steps)) * t ** ((alpha - 1) / 2)
    ).float()
    features = log_powers(x)[:, len(log_edges(steps)) - 1 :][:, :17].double().mean(0).numpy()
    exponents = -np.linspace(-1, 1, 17)
    norm = np.array([np.log(np.sum(t**-a) / steps) for a in exponents])
    likelihood = -(features + norm) - exponents * np.log(t).mean()
    assert exponents[likelihood.argmax()] == pytest.approx(alpha - 1)


def test_a_trajectory_that_never_moves_is_encoded() -> None:
    mu, logvar = make().encode(torch.zeros(1, 1, 63))
    assert torch.isfinite(mu).all()
    assert torch.isfinite(logvar).all()


def test_a_prediction_sees_the_past_alone() -> None:
    model, x = stirred(), batch(1)
    c = model.decode(torch.randn(1, 3, generator=torch.Generator().manual_seed(4)))
    changed = x.clone()
    changed[..., 40] += 1.0
    difference = (model.predict(changed, c) - model.predict(x, c)).abs().amax(dim=(0, 1))
    first = 41 - model.receptive_field  # entry j tells of displacement j + R
    assert (difference[:first] == 0).all()
    assert difference[first] > 0
    assert (difference[first + model.receptive_field :] == 0).all()


@pytest.mark.parametrize("size", [1e-4, 1e-2, 1.0, 100.0])
def test_every_seed_starts_as_a_gaussian_of_the_typical_size(size: float) -> None:
    for seed in range(8):
        model = build_scaled(ScaledArgs(typical=size), torch.Generator().manual_seed(seed))
        x = size * torch.randn(32, 1, 399, generator=torch.Generator().manual_seed(seed))
        noise = torch.randn(32, 6, generator=torch.Generator().manual_seed(seed + 1))
        with torch.no_grad():
            nll = Loss(32, 6, reduction="none")(model(x, noise=noise), x).nll.mean()  # type: ignore[union-attr]
        assert float(nll) - math.log(size) == pytest.approx(0.5 * math.log(2 * math.pi * math.e), abs=0.05)


def test_a_model_learns_from_its_own_steps_and_from_those_before() -> None:
    model, x, noise = stirred(), batch(), torch.zeros(5, 3)
    field, own = model.receptive_field, model(x, noise=noise)
    learnt = model.learn(x, noise)
    assert learnt.pred.shape[-1] == 63
    assert torch.allclose(learnt.pred[..., 2 * field :], own.pred[..., field:], atol=1e-5)
    loss = Loss(field, 2, beta=0.1)
    found, alone = loss.learnt(learnt, x, 55), loss.parts(own, x)
    assert found.nll.shape == (5, 55, 1)
    early = loss.parts(learnt, x).nll[:, :field].sum((1, 2)) / 55
    assert torch.allclose(found.loss - early, alone.loss, atol=1e-4)
    unlike = stirred(whole=False)
    assert torch.equal(unlike.learn(x, noise).pred, unlike(x, noise=noise).pred)


def test_long_series_end_as_the_training_did() -> None:
    model, z = stirred(), torch.zeros(1, 3)
    longer, own = model.decode(z, 100), model.decode(z)
    assert torch.equal(longer[..., :63], own)
    assert torch.equal(longer[..., 63:], own[..., -1:].expand(-1, -1, 37))
    assert torch.equal(model.decode(z, 40), own[..., :40])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"linear": 10}, "linear: 10 is past the receptive field of 8"),
        ({"o_dim": 8}, "o_dim: 8 displacements must exceed the receptive field of 8"),
        ({"knots": 1}, "knots: needs at least 2, not 1"),
        ({"typical": 0.0}, "typical: needs a displacement above 0, not 0.0"),
        ({"encoder": (0,)}, "encoder: needs at least 1, not 0"),
        ({"c_channels": 0}, "c_channels: needs at least 1, not 0"),
        ({"layer_size": 65}, "layer_size: at most 64 layers, not 65"),
        ({"nf": (4,)}, "unknown field `nf`"),
    ],
)
def test_impossible_arguments_are_refused_in_words(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SpivaeError, match=message):
        make(**changes)


@pytest.mark.parametrize("table", [lambda *key: scaled._times(63, 5, *key), powers._weights])
def test_constant_tables_are_kept_on_their_device_and_not_for_every_length(table: Any) -> None:
    cpu, elsewhere = torch.device("cpu"), torch.device("meta")
    first = table(63, cpu)
    assert table(63, cpu)[0] is first[0]
    assert [part.device for part in table(63, elsewhere)] == [elsewhere, elsewhere]
    for length in range(70, 100):
        table(length, cpu)
    assert table(63, cpu)[0] is not first[0]
