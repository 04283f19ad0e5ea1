"""Convolutions over time on rows, and their gradients: nearly all arithmetic of the fast form.

Rows are (T * B, channels), row t * B + b for step t of trajectory b; `image` views them as what a
convolution takes, so that the taps of a kernel, whole steps from each other, are read where they lie. Kernels
are (taps, channels in, channels out), the oldest tap first. Everything is added to what is there.

oneDNN does this nearly at the speed of a large matrix product, by the instructions of the processor at hand,
also where the BLAS that torch was built with knows only older ones. torch's own convolutions hand kernels of
one tap to BLAS and always ask for new memory, so this calls the operator that torch.compile makes of
a convolution and a sum. Where a torch lacks it, the same is done tap by tap.
"""

from __future__ import annotations

import functools

import torch
from torch import Tensor

_MANY = 1 << 16  # numbers in a source: of fewer torch itself takes the gradients of kernels, slowly


def image(rows: Tensor, batch: int) -> Tensor:
    """Rows as (1, channels, T, B), a view."""
    return rows.view(1, -1, batch, rows.shape[1]).permute(0, 3, 1, 2)


def convolve(
    out: Tensor,
    source: Tensor,
    kernel: Tensor,
    bias: Tensor | None = None,
    *,
    apart: int = 1,
    relu: bool = False,
) -> None:
    """Add to the image `out` the convolution of the image `source` with a kernel whose taps are `apart` steps
    from each other, and the bias; then, with `relu`, leave what is above zero.

    `source` is (taps - 1) * apart steps longer than `out`.
    """
    if has_operator():
        weight = kernel.permute(2, 1, 0)[..., None]
        _operator(out, source, weight, bias, padding=0, apart=apart, unary="relu" if relu else None)
        return
    rows = _rows(out)
    for tap, weight in zip(_taps(source, out, len(kernel), apart), kernel, strict=True):
        rows.addmm_(tap, weight)
    if bias is not None:
        rows.add_(bias)
    if relu:
        rows.relu_()


def source_gradient(d_source: Tensor, d_out: Tensor, kernel: Tensor, *, apart: int = 1) -> None:
    """Add to the gradient of a convolution's source what that of its result gives."""
    if has_operator():
        turned = kernel.flip(0) if len(kernel) > 1 else kernel
        weight = turned.permute(1, 2, 0)[..., None]
        _operator(d_source, d_out, weight, None, padding=apart * (len(kernel) - 1), apart=apart)
        return
    rows = _rows(d_out)
    for d_tap, weight in zip(_taps(d_source, d_out, len(kernel), apart), kernel, strict=True):
        d_tap.addmm_(rows, weight.T)


def kernel_gradient(d_kernel: Tensor | None, source: Tensor, d_out: Tensor, *, apart: int = 1) -> None:
    """Add to the gradient of a convolution's kernel what that of its result gives."""
    assert d_kernel is not None
    taps = len(d_kernel)
    if source.numel() > _MANY and _has_wide_registers():
        weight = d_kernel.permute(2, 1, 0)[..., None]
        # torch gives kernels of one tap to oneDNN only where these are apart, which for one means nothing
        dilation = [apart if taps > 1 else 2, 1]
        _, found, _ = torch.ops.aten.convolution_backward(
            d_out, source, weight, None, [1, 1], [0, 0], dilation, False, [0, 0], 1, [False, True, False]
        )
        weight.add_(found)
        return
    rows = _rows(d_out)
    for tap, total in zip(_taps(source, d_out, taps, apart), d_kernel, strict=True):
        add_product(total, tap, rows)


def add_product(total: Tensor | None, rows: Tensor, others: Tensor) -> None:
    """Add rows^T others, two narrow matrices, to the gradient of a weight."""
    assert total is not None
    if others.shape[1] < rows.shape[1]:  # several times faster this way round
        total.add_(torch.mm(others.T, rows).T)
    else:
        total.addmm_(rows.T, others)


@functools.cache
def has_operator() -> bool:
    """Whether this torch has the operator, with the meaning that it has today."""
    out, source = torch.full((1, 1, 2, 1), 3.0), torch.ones(1, 1, 4, 1)
    try:
        _operator(out, source, torch.ones(1, 1, 2, 1), torch.ones(1), padding=0, apart=2, unary="relu")
    except (AttributeError, NotImplementedError, RuntimeError, TypeError):
        return False  # no such operator, another signature, or a torch without oneDNN
    return bool((out == 6).all())


@functools.cache
def _has_wide_registers() -> bool:
    """Whether oneDNN's gradients of kernels are faster than those of BLAS: only with AVX-512."""
    return has_operator() and torch.backends.cpu.get_cpu_capability() == "AVX512"


def _operator(
    out: Tensor,
    source: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    *,
    padding: int,
    apart: int,
    unary: str | None = None,
) -> None:
    torch.ops.mkldnn._convolution_pointwise_.binary(
        out, source, weight, bias, [padding, 0], [1, 1], [apart, 1], 1, "add", 1.0, unary, [], None
    )


def _rows(picture: Tensor) -> Tensor:
    return picture.permute(0, 2, 3, 1).flatten(0, 2)


def _taps(source: Tensor, out: Tensor, count: int, apart: int) -> list[Tensor]:
    """The rows of the source that each tap of a kernel takes."""
    steps = out.shape[2]
    return [_rows(source[:, :, k * apart : k * apart + steps]) for k in range(count)]
