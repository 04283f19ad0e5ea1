"""The curves of a run as a figure, on axes that stay where they are while the curves grow."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from spivae.figure.spec import Axis, Figure
from spivae.figure.steady import round_up
from spivae.figure.trained_cells import TrainedCells
from spivae.figure.training import LEAST_KL, NO_CELLS, TrainingCurves, training_panels

if TYPE_CHECKING:
    from spivae.following.series import RunSeries
    from spivae.training.run import RunInfo

Array = npt.NDArray[np.float64]
Unit = Literal["epoch", "step"]


def figure(
    series: RunSeries,
    info: RunInfo,
    window: float = 1.0,
    true_beta: float | None = None,
    phases: Sequence[int] = (),
    unit: Unit = "epoch",
    searched: float = 1.0,
) -> Figure:
    """Loss, KL of each latent, learning rate, beta, and what is known of the parameter cells.

    `window` is the share of the training that is shown, up to its newest step; `phases` are the epochs of
    each phase; everything is drawn along epochs or along steps. Where not all of a sampled past has been
    `searched` for single spikes, the caption says so.
    """
    scale = steps_per_epoch(series, info) if unit == "step" else 1.0
    ends, validation = _validation(series)
    batches_x, batches = series.raw("loss")
    kl = [calm(np.maximum(series.curve(f"kl{index}"), LEAST_KL)) for index in range(series.latents)]
    curves = TrainingCurves(
        x=series.x * scale,
        loss=series.curve("smooth"),
        kl=np.reshape(kl, (series.latents, len(series.x))).T,
        beta=series.curve("beta"),
        rate=series.curve("lr"),
        batches=(batches_x * scale, batches),
        ends=ends * scale,
        validation=validation,
        phases=np.cumsum(phases)[:-1] * scale,
        true_beta=true_beta,
        cells=_cells(series, info, scale),
    )
    x = _x_axis(series.epoch * scale, info.epochs * scale, window, unit)
    missing = series.epochs and curves.cells is None
    captions = (sampled(searched), NO_CELLS if missing else "")
    return Figure(panels=training_panels(curves, x), columns=2, caption=" ".join(filter(None, captions)))


def sampled(searched: float) -> str:
    """What a caption says of a past of which this share was searched for spikes; nothing of all."""
    return "" if searched >= 1 else f"Sampled: single spikes may be missing ({searched:.0%} searched)."


def steps_per_epoch(series: RunSeries, info: RunInfo) -> float:
    """How many steps make an epoch, as run.json or else the newest step tells."""
    if info.steps and info.epochs:
        return info.steps / info.epochs
    return series.step / series.epoch if series.epoch else 1.0


def _x_axis(done: float, whole: float, window: float, unit: Unit) -> Axis:
    """From 0 to a round number of epochs or steps that is reached seldom; or the last part of it."""
    high = min(round_up(max(done, 1e-3)), float(max(whole, done)))
    low = 0.0
    if window < 1:
        step = 10.0 ** math.floor(math.log10(max(done, 1e-3)) - 1)
        low = max(0.0, math.floor(done * (1 - window) / step) * step)
        high = min(float(max(whole, done)), math.ceil((done + done * window * 0.1) / step + 1e-9) * step)
    return Axis(label=unit, low=low, high=high)


def _cells(series: RunSeries, info: RunInfo, scale: float) -> TrainedCells | None:
    """The cells of the run's grid; None where nothing, or something of another grid, was recorded."""
    values = [np.array(axis.values) for axis in info.grid]
    count = math.prod(map(len, values))
    if not values or not series.cells or series.cells.width != count:
        return None
    mu = series.mu if series.mu is not None and series.mu.shape[1] == count else None
    axes = [Axis(label=axis.label or axis.name, unit=axis.unit, scale=axis.scale) for axis in info.grid]
    return TrainedCells(axes, values, series.cells.x * scale, series.cells.last, mu)


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
