"""The curves of a run as a figure, on axes that stay where they are while the curves grow."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spivae.figure.spec import Axis, Figure, HLine, Line, Mark, Panel, Text
from spivae.model.latents import SURVIVING_KL

if TYPE_CHECKING:
    from spivae_tui.run_series import RunSeries

Array = npt.NDArray[np.float64]

# Shares of the training, counted from its newest step, that a viewer can look at
WINDOWS = (1.0, 0.5, 0.1)
LEAST_KL = 1e-4  # nats; below it the axis would show only noise
_MANTISSAS = (1, 1.5, 2, 3, 4, 5, 6, 8, 10)


def figure(series: RunSeries, epochs: int, window: float = 1.0, true_beta: float | None = None) -> Figure:
    """Loss, KL of each latent, learning rate and beta; `window` is the share of the epochs that is shown."""
    x = _x_axis(series.epoch, epochs, window)
    panels = [
        _loss(series, x),
        _kl(series, x),
        _rate(series, x),
        beta_panel(series.x, series.curve("beta"), x, true_beta),
    ]
    if not series.latents:
        del panels[1]
    return Figure(panels=tuple(panels), columns=2)


def _x_axis(done: float, epochs: int, window: float) -> Axis:
    """From 0 to a round number of epochs that is reached seldom; or the last part of it."""
    high = min(round_up(max(done, 1e-3)), float(max(epochs, done)))
    low = 0.0
    if window < 1:
        step = 10.0 ** math.floor(math.log10(max(done, 1e-3)) - 1)
        low = max(0.0, math.floor(done * (1 - window) / step) * step)
        high = min(float(max(epochs, done)), math.ceil((done + done * window * 0.1) / step + 1e-9) * step)
    return Axis(label="epoch", low=low, high=high)


def round_up(value: float) -> float:
    """The next number of a coarse scale (1, 1.5, 2, 3, 4, 5, 6, 8, 10, ...)."""
    decade = 10.0 ** math.floor(math.log10(value))
    return next(mantissa * decade for mantissa in _MANTISSAS if mantissa * decade >= value * (1 - 1e-9))


def linear_limits(values: Array) -> tuple[float, float] | None:
    """Round limits around the values, so that they move seldom; None without values."""
    finite = values[np.isfinite(values)]
    if not finite.size:
        return None
    low, high = float(finite.min()), float(finite.max())
    span = max(high - low, 1e-9 * max(abs(low), abs(high)), 1e-12)
    decade = 10.0 ** math.floor(math.log10(span))
    step = next(decade * part for part in (0.1, 0.2, 0.5, 1.0, 2.0) if span / (decade * part) <= 9)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return first * step, max(last, first + 1) * step


def log_limits(values: Array, least: float) -> tuple[float, float] | None:
    """Whole decades around the positive values, never below `least`."""
    positive = values[np.isfinite(values) & (values > 0)]
    if not positive.size:
        return None
    low = max(math.floor(math.log10(max(float(positive.min()), least))), round(math.log10(least)))
    high = math.ceil(math.log10(max(float(positive.max()), least)) + 1e-9)
    return 10.0**low, 10.0 ** max(high, low + 1)


def _inside(x: Axis, along: Array, values: Array) -> Array:
    assert x.low is not None
    return values[along >= x.low] if x.low else values


def _loss(series: RunSeries, x: Axis) -> Panel:
    raw_x, raw = series.raw("loss")
    smooth = series.curve("smooth")
    valid_x, valid = _validation(series)
    marks: list[Mark] = [
        Line(x=raw_x, y=raw, muted=True),
        Line(x=series.x, y=smooth, label="train", color=0),
    ]
    if valid.size:
        marks.append(Line(x=valid_x, y=valid, label="validation", color=1))
    # single spikes may leave the panel, or a diverged start would flatten all that follows
    tops = [(_inside(x, raw_x, raw), 0.98), (_inside(x, valid_x, valid), 0.9)]
    finite = [(values[np.isfinite(values)], share) for values, share in tops]
    ends = [(values.min(), np.quantile(values, share)) for values, share in finite if values.size]
    low, high = linear_limits(np.array(ends).ravel()) or (None, None)
    return Panel(marks=tuple(marks), x=x, y=Axis(label="loss", unit="nats/step", low=low, high=high))


def _validation(series: RunSeries) -> tuple[Array, Array]:
    """Validation loss, NLL + beta KL, at the end of each epoch."""
    rows = [(row["epoch"], validation_loss(row)) for row in series.epochs]
    table = np.array([row for row in rows if row[1] is not None], dtype=np.float64).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def validation_loss(row: dict[str, Any]) -> float | None:
    """The loss of an epoch's validation, with the weight that its phase trains with."""
    nll, kl, beta = row.get("nll"), row.get("kl"), row.get("beta")
    if nll is None or kl is None or beta is None or None in kl:
        return None
    return float(nll + beta * sum(kl))


def calm(values: Array, over: int = 8) -> Array:
    """Geometric mean of each positive value and those before it, at most `over` of them; NaN stays NaN."""
    logs = np.log(values)
    known = np.isfinite(logs)
    sums = np.cumsum(np.where(known, logs, 0.0))
    counts = np.cumsum(known).astype(np.float64)
    sums[over:] -= sums[:-over].copy()
    counts[over:] -= counts[:-over].copy()
    return np.where(known, np.exp(sums / np.maximum(counts, 1.0)), np.nan)


def _kl(series: RunSeries, x: Axis) -> Panel:
    curves = [calm(np.maximum(series.curve(f"kl{index}"), LEAST_KL)) for index in range(series.latents)]
    marks: list[Mark] = [HLine(y=SURVIVING_KL, muted=True)]
    marks += [Line(x=series.x, y=curve, label=f"z{index}", color=index) for index, curve in enumerate(curves)]
    seen = [_inside(x, series.x, curve) for curve in curves] or [np.zeros(0)]
    limits = log_limits(np.concatenate([*seen, [SURVIVING_KL]]), LEAST_KL)
    low, high = limits or (None, None)
    return Panel(
        marks=tuple(marks),
        x=x,
        y=Axis(label="KL per latent", unit="nats", scale="log", low=low, high=high),
    )


def _rate(series: RunSeries, x: Axis) -> Panel:
    rate = series.curve("lr")
    _, high = linear_limits(np.append(_inside(x, series.x, rate), 0.0)) or (None, None)
    y = Axis(label="learning rate", low=0.0, high=high)
    return Panel(marks=(Line(x=series.x, y=rate, color=2),), x=x, y=y)


def beta_panel(at: Array, beta: Array, x: Axis, true_beta: float | None) -> Panel:
    """The weight of the KL against the epoch: a staircase with the true weight of the -ELBO marked.

    The axis is logarithmic; a phase without KL lies on its floor, a decade beneath all others.
    """
    known = beta if true_beta is None else np.append(beta, true_beta)
    positive = known[np.isfinite(known) & (known > 0)]
    low, high = limits if (limits := log_limits(positive, 1e-9)) else (1e-4, 1e-3)
    nothing = beta == 0
    marks: list[Mark] = []
    if true_beta is not None:
        marks.append(HLine(y=true_beta, muted=True, label="true weight"))
    if nothing.any():
        low /= 10
        marks.append(Text(x=float(at[nothing.argmax()]), y=low * 1.5, text=" 0"))
    marks.append(Line(x=at, y=np.where(nothing, low, beta), color=3))
    return Panel(marks=tuple(marks), x=x, y=Axis(label="beta", scale="log", low=low, high=high))
