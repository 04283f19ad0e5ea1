"""The model computes what the original computes, on every reference file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from spivae.checkpoint.load import load_checkpoint
from spivae.model.arguments import expected_shapes
from spivae.model.losses import Loss, nll

DATA = Path(__file__).parents[1] / "data"
NAMES = ["original_init", "original_mixture3", "original_wavenet_only", "original_sbm_trained"]


def close(found: torch.Tensor, wanted: np.ndarray) -> bool:
    return np.allclose(found.numpy(), wanted, rtol=1e-5, atol=1e-5)


def rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(values**2)))


@pytest.mark.parametrize("name", NAMES)
def test_outputs_and_losses_equal_the_originals_to_five_digits(name: str) -> None:
    checkpoint, model = load_checkpoint(DATA / f"{name}.tar")
    reference = np.load(DATA / f"{name}.reference.npz")
    x = torch.from_numpy(reference["x"])
    loss = Loss(model.receptive_field, model.c_channels, checkpoint.beta or 0.0)
    with torch.inference_mode():
        output = model(x)
        parts = loss.parts(output, x)
        found = {
            **output._asdict(),
            "nll": parts.nll,
            "kl": parts.kl,
            "loss_mean": loss(output, x),
        }
        own = nll(torch.from_numpy(reference["pred"]), x)
        exact = Loss(model.receptive_field, 0).parts(model.double()(x.double()), x.double()).nll.numpy()
    compared = {key for key in reference.files if key in found}
    assert {"pred", "nll"} <= compared
    for key in compared - {"nll"}:
        assert close(found[key], reference[key]), key
    # the step of a tiny scale takes what float32 leaves of its mean a thousand times: there the original is
    # as far from the exact value as any other order of its sums, which processors choose
    assert close(own, reference["nll"])
    assert rms(parts.nll.numpy() - exact) < 1.2 * rms(reference["nll"] - exact) + 1e-6
    assert model.receptive_field == int(reference["receptive_field"])


@pytest.mark.parametrize("name", NAMES)
def test_parameter_names_and_shapes_are_the_originals(name: str) -> None:
    checkpoint, model = load_checkpoint(DATA / f"{name}.tar")
    found = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    assert list(found.items()) == list(expected_shapes(model.args).items())
    assert checkpoint.weights is not None
    assert set(found) == set(checkpoint.weights)


def test_the_default_model_has_the_published_number_of_parameters() -> None:
    _, model = load_checkpoint(DATA / "original_init.tar")
    assert sum(weight.numel() for weight in model.parameters()) == 262_885
    assert model.receptive_field == 32
