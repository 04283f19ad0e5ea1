"""Convolutions on rows, and their gradients, are those of torch; with and without the operator of oneDNN."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import conv1d

from spivae.model.fast import convolve as module
from spivae.model.fast.convolve import convolve, has_operator, image, kernel_gradient, source_gradient

SIZES = {
    "steps": st.integers(1, 9),
    "batch": st.integers(1, 6),
    "taps": st.integers(1, 4),
    "apart": st.integers(1, 5),
    "before": st.integers(1, 18),
    "after": st.integers(1, 33),
}


@pytest.fixture(params=[True, False], ids=["operator", "tap by tap"], autouse=True)
def _way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "has_operator", lambda: request.param)


def test_the_torch_that_is_installed_has_the_operator() -> None:
    assert has_operator()


def agree(steps: int, batch: int, taps: int, apart: int, before: int, after: int) -> None:
    generator = torch.Generator().manual_seed(0)

    def made(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64).float()

    source, kernel = made((steps + (taps - 1) * apart) * batch, before), made(taps, before, after)
    bias, out, d_out = made(after), made(steps * batch, after), made(steps * batch, after)
    series = source.double().view(-1, batch, before).permute(1, 2, 0).requires_grad_()
    weight = kernel.double().permute(2, 1, 0).requires_grad_()
    conv = conv1d(series, weight, dilation=apart)  # (B, after, T)
    wanted = (out + bias).double() + conv.permute(2, 0, 1).reshape(-1, after)
    conv.backward(d_out.double().view(steps, batch, after).permute(1, 2, 0))  # type: ignore[no-untyped-call]
    assert series.grad is not None
    assert weight.grad is not None

    positive, d_source, d_kernel = out.clone(), torch.ones_like(source), torch.ones_like(kernel)
    images = image(source, batch), image(d_out, batch)
    convolve(image(out, batch), images[0], kernel, bias, apart=apart)
    convolve(image(positive, batch), images[0], kernel, bias, apart=apart, relu=True)
    source_gradient(image(d_source, batch), images[1], kernel, apart=apart)
    kernel_gradient(d_kernel, *images, apart=apart)
    near = {"rtol": 1e-5, "atol": 1e-4}
    assert torch.allclose(out.double(), wanted, **near)
    assert torch.allclose(positive.double(), wanted.relu(), **near)
    assert torch.allclose(d_source.double() - 1, series.grad.permute(2, 0, 1).reshape(-1, before), **near)
    assert torch.allclose(d_kernel.double() - 1, weight.grad.permute(2, 1, 0), rtol=1e-5, atol=1e-3)


@settings(max_examples=40, deadline=None)
@given(st.fixed_dictionaries(SIZES))
def test_all_sizes_agree(sizes: dict[str, int]) -> None:
    agree(**sizes)


def test_real_sizes_agree() -> None:
    agree(steps=367, batch=64, taps=3, apart=8, before=16, after=32)


def test_an_operator_that_means_something_else_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    def other(*arguments: object, **named: object) -> None:
        """Adds nothing."""

    monkeypatch.setattr(module, "_operator", other)
    assert not has_operator.__wrapped__()

    def gone(*arguments: object, **named: object) -> None:
        raise AttributeError("no operator of this name")

    monkeypatch.setattr(module, "_operator", gone)
    assert not has_operator.__wrapped__()
