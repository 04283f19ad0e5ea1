"""Architectures: a name belongs to one, and a model needs no WaveNet to predict, train and generate."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest
import torch

from spivae.errors import SpivaeError
from spivae.model import architectures
from spivae.model.architectures import SCALED_WAVENET_VAE, architecture, check_free
from spivae.model.base import Arguments
from spivae.model.losses import LOG_STD_FLOOR
from spivae.model.sampler import conditioning_length, sample
from spivae.networks import Autoencoder, WaveNetVAE, built


def small() -> type[Arguments]:
    """As an import of its file makes it, each time anew."""

    class Small(msgspec.Struct, Arguments, frozen=True):
        o_dim: int = 12
        z_dim: int = 2
        c_channels = 1
        receptive_field = 0

    return Small


class Spread(Autoencoder):
    """The latent is the logarithm of the spread."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(1, 2)

    def encode(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        mu = self.linear(x.square().mean(2).log())
        return mu, torch.zeros_like(mu)

    def decode(self, z: torch.Tensor, length: int | None = None) -> torch.Tensor:
        return z[:, :1, None].expand(-1, -1, length or 12)


class Plain(WaveNetVAE):
    def make_vae(self) -> Spread:
        return Spread()

    def make_network(self) -> None:
        pass

    def predict(self, x: torch.Tensor, c: torch.Tensor | None, g: Any = None) -> torch.Tensor:
        assert c is not None
        return torch.cat([torch.zeros_like(c), torch.zeros_like(c), c], dim=1)[..., -x.shape[-1] :]


def halve(model: Plain, generator: torch.Generator) -> None:
    for weight in model.parameters():
        weight.normal_(generator=generator).mul_(0.5)


def plain() -> Plain:
    return built(Plain, small()(), torch.Generator().manual_seed(0), halve)


def test_a_model_without_a_wavenet_has_weights_of_the_generator_alone() -> None:
    first, again = plain(), plain()
    assert {name: tuple(value.shape) for name, value in first.state_dict().items()} == {
        "vae.linear.weight": (2, 1),
        "vae.linear.bias": (2,),
    }
    for one, other in zip(first.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("steps", [1, 30])
def test_it_predicts_every_step_and_generates_what_it_predicts(steps: int) -> None:
    model = plain().eval()
    assert model(torch.randn(4, 1, 12)).pred.shape == (4, 3, 12)
    z = torch.tensor([[-20.0, 0.0], [2.0, 0.0]])  # below the floor, and e^2
    c = model.decode(z, conditioning_length(model, steps))
    normal = torch.ones(steps + 1, 2, 2)
    made = sample(model, c, steps, noise=normal)
    expected = torch.tensor([LOG_STD_FLOOR, 2.0]).exp()[:, None].expand(-1, steps)
    torch.testing.assert_close(made, expected)


def test_a_file_that_is_imported_again_has_the_same_architecture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(architectures, "_known", dict(architectures.known()))
    first = replace(SCALED_WAVENET_VAE, name="own", arguments=small(), model="own:build")
    again = replace(first, arguments=small())
    assert again != first
    architectures.register(first)
    architectures.register(again)
    assert architecture("own") is again
    for other in (
        replace(first, model="other:build"),
        replace(first, arguments=SCALED_WAVENET_VAE.arguments),
    ):
        with pytest.raises(ValueError, match="the architecture 'own' is already registered"):
            check_free(other)


def test_an_architecture_that_nobody_has_is_looked_for_in_the_plugins(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import spivae.plugins

    asked: list[bool] = []
    monkeypatch.setattr(spivae.plugins, "default_plugins", lambda: asked.append(True))
    assert architecture("wavenet-vae").name == "wavenet-vae"
    assert not asked
    with pytest.raises(SpivaeError, match=r"architecture 'wavenet' is not known.*did you mean 'wavenet-vae'"):
        architecture("wavenet")
    assert asked == [True]
