"""Shapes, causality, initial weights and losses of the WaveNet-VAE."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spivae.errors import SpivaeError
from spivae.model.arguments import ModelArgs, expected_shapes
from spivae.model.losses import REDUCTIONS, Loss, Parts, kl, nll
from spivae.model.vae import WaveNetVAE, build

SMALL = {
    "o_dim": 63,
    "nf": (4, 6),
    "avg_size": 4,
    "encoder": (8,),
    "decoder": (8,),
    "z_dim": 3,
    "nc_out": 2,
    "c_channels": 2,
    "res_channels": 4,
    "skip_channels": 12,
    "layer_size": 2,
}
VARIANTS: dict[str, dict[str, Any]] = {
    "default": {},
    "mixtures": {"num_mixtures": 3},
    "padded": {"use_pad": True},
    "stacked": {"stack_size": 2},
    "wavenet only": {"c_channels": 0},
    "global condition": {"g_channels": 2},
    "long kernel": {"res_kernel_size": 4},
    "padded and stacked": {"use_pad": True, "stack_size": 2, "num_mixtures": 2},
}


def small(**changes: Any) -> ModelArgs:
    return ModelArgs.from_mapping({**SMALL, **changes})


def make(**changes: Any) -> WaveNetVAE:
    return build(small(**changes), torch.Generator().manual_seed(1)).eval()


def batch(n: int = 5, steps: int = 63) -> torch.Tensor:
    return torch.randn(n, 1, steps, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("changes", VARIANTS.values(), ids=VARIANTS)
def test_every_variant_has_the_shapes_its_arguments_tell(changes: dict[str, Any]) -> None:
    model = make(**changes)
    args = model.args
    g = torch.randn(5, 2, 1, generator=torch.Generator().manual_seed(3)) if args.g_channels else None
    output = model(batch(), g=g)
    assert output.pred.shape == (5, 3 * args.num_mixtures, args.predicted)
    assert output.mu.shape == output.logvar.shape == (5, args.latents)
    if args.c_channels:
        assert output.c is not None
        assert output.c.shape == (5, args.c_channels, args.o_dim)
    assert {key: tuple(value.shape) for key, value in model.state_dict().items()} == expected_shapes(args)


@pytest.mark.parametrize("changes", VARIANTS.values(), ids=VARIANTS)
def test_a_prediction_sees_its_receptive_field_and_nothing_else(changes: dict[str, Any]) -> None:
    model = make(**changes)
    args = model.args
    x = batch(1).requires_grad_()
    c = model.decode(torch.randn(1, args.z_dim, generator=torch.Generator().manual_seed(4)))
    j = 40  # a displacement in the middle
    model.predict(x, c)[0, :, j - args.first_predicted].sum().backward()
    assert x.grad is not None
    seen = x.grad[0, 0].nonzero().ravel().tolist()
    assert seen == list(range(j - args.receptive_field, j))


def test_initial_loss_is_about_one_for_every_seed() -> None:
    x = 0.3 * batch(16, 399)
    for seed in range(8):
        model = build(ModelArgs(), torch.Generator().manual_seed(seed))
        with torch.inference_mode():
            loss = Loss(model.receptive_field, model.c_channels)(model(x), x)
        assert isinstance(loss, torch.Tensor)
        assert 0.8 < float(loss) < 1.2


def test_equal_generators_give_equal_weights_and_leave_the_global_state_alone() -> None:
    before = torch.get_rng_state()
    first, second = make(), make()
    assert torch.equal(before, torch.get_rng_state())
    for a, b in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(a, b)


def test_nll_is_that_of_the_gaussian_mixture() -> None:
    pred = torch.randn(4, 9, 10, generator=torch.Generator().manual_seed(0))
    x = torch.randn(4, 1, 12, generator=torch.Generator().manual_seed(1))
    logits, means, log_std = pred.chunk(3, dim=1)
    mixture = torch.distributions.MixtureSameFamily(
        torch.distributions.Categorical(logits=logits.transpose(1, 2)),
        torch.distributions.Normal(means.transpose(1, 2), log_std.exp().transpose(1, 2)),
    )
    wanted = -mixture.log_prob(x[:, 0, 2:])
    assert torch.allclose(nll(pred, x)[..., 0], wanted, atol=1e-5)


def test_kl_is_that_of_two_gaussians() -> None:
    mu, logvar = torch.tensor([[0.5, -2.0]]), torch.tensor([[0.0, -1.0]])
    wanted = torch.distributions.kl_divergence(
        torch.distributions.Normal(mu, (0.5 * logvar).exp()), torch.distributions.Normal(0.0, 1.0)
    )
    assert torch.allclose(kl(mu, logvar), wanted)


def test_log_std_is_clamped_so_that_the_loss_stays_finite() -> None:
    pred = torch.zeros(1, 3, 4)
    pred[:, 2] = -1e4
    assert torch.isfinite(nll(pred, torch.zeros(1, 1, 4))).all()


def test_reductions_agree_with_one_another() -> None:
    model, x = make(), batch()
    output = model(x)
    by_name = {
        name: Loss(model.receptive_field, model.c_channels, 0.1, name)(output, x) for name in REDUCTIONS
    }
    parts = by_name["none"]
    assert isinstance(parts, Parts)
    steps, divergence = model.args.predicted, 0.1 * parts.kl.sum(1)
    assert torch.allclose(by_name["mean"], parts.loss.mean())  # type: ignore[arg-type]
    assert torch.allclose(by_name["sum"], parts.nll.sum() + divergence.sum())  # type: ignore[arg-type]
    assert torch.allclose(by_name["sumtime"], steps * parts.nll.mean() + divergence.mean())  # type: ignore[arg-type]


def test_noise_moves_the_latents_by_their_standard_deviation() -> None:
    model, x = make(), batch()
    mu, logvar = model.encode(x)
    noise = torch.ones_like(mu)
    moved = model.decode(mu + torch.exp(0.5 * logvar))
    assert torch.allclose(model(x, noise=noise).c, moved)  # type: ignore[arg-type]


def test_the_conditioning_stretches_to_other_lengths() -> None:
    model = make()
    c = model.decode(torch.zeros(2, 3), 500)
    assert c is not None
    assert c.shape == (2, 2, 500)


def test_trajectories_of_another_length_are_refused() -> None:
    with pytest.raises(SpivaeError, match="62 displacements do not fit this model: it encodes 63"):
        make()(batch(steps=62))


@settings(max_examples=40, deadline=None)
@given(
    st.fixed_dictionaries(
        {
            "o_dim": st.integers(-3, 80),
            "layer_size": st.integers(0, 5),
            "stack_size": st.integers(0, 2),
            "res_kernel_size": st.integers(0, 4),
            "c_channels": st.sampled_from([0, 2, 3]),
            "use_pad": st.booleans(),
            "z_dim": st.integers(-1, 3),
        }
    )
)
def test_arguments_either_make_a_model_or_say_which_of_them_is_wrong(changes: dict[str, Any]) -> None:
    try:
        args = small(**changes)
    except SpivaeError as error:
        message = str(error)
    else:
        message = ""
    if message:
        assert message.startswith("model arguments: ")
        return
    shapes = {key: tuple(value.shape) for key, value in build(args).state_dict().items()}
    assert shapes == expected_shapes(args)
    assert args.true_beta == pytest.approx(1 / args.predicted)


def test_unknown_arguments_are_refused_but_the_originals_extras_are_not() -> None:
    assert ModelArgs.from_mapping({"beta": 0.005, "model_name": "SPIVAE"}) == ModelArgs()
    with pytest.raises(SpivaeError, match="unknown field `dropout`"):
        ModelArgs.from_mapping({"dropout": 0.1})
    assert msgspec.to_builtins(ModelArgs())["o_dim"] == 399
    assert math.isclose(ModelArgs().true_beta * 367, 1)
