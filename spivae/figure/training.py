"""The panels of a training: loss, KL of each latent, learning rate and beta along it, and its cells.

The live screen and the analysis of a checkpoint's own history draw with these.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from spivae.figure.spec import Axis, HLine, Line, Mark, Panel, Text, VLine
from spivae.figure.steady import inside, linear_limits, log_limits, trimmed_limits
from spivae.figure.trained_cells import TrainedCells, cell_panels
from spivae.model.latents import SURVIVING_KL, surviving

Array = npt.NDArray[np.float64]
KLScale = Literal["log", "symlog"]

NO_CELLS = "No NLL of cells was recorded."
LEAST_KL = 1e-4  # nats; below it a log axis would show only noise


def _nothing() -> Array:
    return np.zeros(0)


@dataclass(frozen=True)
class TrainingCurves:
    """What a training has recorded. All places along it (`x`, `ends`, `phases`) are epochs, or all are steps.

    `loss` (n,), `kl` (n, Z), `beta` (n,) and, where it is known, `rate` (n,) stand at `x` (n,); `beta` at
    `beta_at` where that is given. The results of validations stand at `ends` (e,): `validation` is the loss
    that is trained on, `nll` and `neg_elbo` are drawn where they are given. `batches` is a polyline through
    the losses of single batches, `phases` are the places where a phase begins after another, `true_beta` is
    the weight that makes the loss the -ELBO.
    """

    x: Array
    loss: Array
    kl: Array
    beta: Array
    beta_at: Array | None = None
    rate: Array | None = None
    batches: tuple[Array, Array] | None = None
    ends: Array = field(default_factory=_nothing)
    validation: Array = field(default_factory=_nothing)
    nll: Array | None = None
    neg_elbo: Array | None = None
    phases: Array = field(default_factory=_nothing)
    true_beta: float | None = None
    cells: TrainedCells | None = None


def training_panels(
    curves: TrainingCurves, x: Axis, kl_scales: Sequence[KLScale] = ("log", "symlog")
) -> tuple[Panel, ...]:
    """All panels of a training, the most important first; those without anything to show are left out.

    `x` has the limits that are shown. The KL of the latents comes once for each of `kl_scales`: "symlog"
    has beta beside it, and shows what is 0.
    """
    latents, beta_at = curves.kl.shape[1], _beta_at(curves)
    first, *more = [kl_panel(curves, x, scale) for scale in kl_scales] if latents else [None]
    panels = [
        loss_panel(curves, x),
        first,
        elbo_panel(curves, x),
        rate_panel(curves, x),
        beta_panel(beta_at, curves.beta, x, curves.true_beta, curves.phases),
        *more,
    ]
    if curves.cells is not None:
        alive = surviving(curves.kl[-1]) if len(curves.kl) else []
        panels += cell_panels(curves.cells, x, alive)
    return tuple(panel for panel in panels if panel is not None)


def _beta_at(curves: TrainingCurves) -> Array:
    return curves.x if curves.beta_at is None else curves.beta_at


def _borders(phases: Array, x: Axis) -> list[Mark]:
    """A line where each phase begins, as far as it is shown."""
    low, high = x.low or 0.0, x.high if x.high is not None else np.inf
    return [VLine(x=float(place), muted=True) for place in phases if low < place < high]


def loss_panel(curves: TrainingCurves, x: Axis) -> Panel:
    """The loss of the batches, smoothed, and of the validations."""
    marks = _borders(curves.phases, x)
    tops = [(inside(x, curves.ends, curves.validation), 0.9)]
    if curves.batches is not None:
        marks.append(Line(x=curves.batches[0], y=curves.batches[1], muted=True))
        tops.append((inside(x, *curves.batches), 0.98))
    else:
        tops.append((inside(x, curves.x, curves.loss), 0.9))
    marks.append(Line(x=curves.x, y=curves.loss, label="train", color=0))
    if curves.validation.size:
        marks.append(Line(x=curves.ends, y=curves.validation, label="validation", color=1))
    low, high = trimmed_limits(tops)
    return Panel(marks=tuple(marks), x=x, y=Axis(label="loss", unit="nats/step", low=low, high=high))


def elbo_panel(curves: TrainingCurves, x: Axis) -> Panel | None:
    """NLL and -ELBO of the validations; None where they are not given."""
    marks, tops = _borders(curves.phases, x), []
    for values, label, color in ((curves.nll, "NLL", 2), (curves.neg_elbo, "-ELBO", 3)):
        if values is not None and values.size:
            marks.append(Line(x=curves.ends, y=values, label=label, color=color))
            tops.append((inside(x, curves.ends, values), 0.9))
    if not tops:
        return None
    low, high = trimmed_limits(tops)
    y = Axis(label="validation", unit="nats/step", low=low, high=high)
    return Panel(marks=tuple(marks), x=x, y=y)


def kl_panel(curves: TrainingCurves, x: Axis, scale: KLScale) -> Panel:
    """The KL of each latent: what is below `LEAST_KL` lies on a log axis's floor; symlog has beta too."""
    marks = _borders(curves.phases, x)
    marks.append(HLine(y=SURVIVING_KL, muted=True))
    kl = np.maximum(curves.kl, LEAST_KL) if scale == "log" else curves.kl
    if scale == "symlog":
        marks.append(Line(x=_beta_at(curves), y=curves.beta, label="beta", muted=True))
    marks += [Line(x=curves.x, y=column, label=f"z{index}", color=index) for index, column in enumerate(kl.T)]
    seen = np.append(inside(x, curves.x, kl), SURVIVING_KL)
    low, high = log_limits(seen, LEAST_KL) or (None, None)
    y = Axis(
        label="KL per latent, beta" if scale == "symlog" else "KL per latent",
        unit="nats",
        scale=scale,
        low=0.0 if scale == "symlog" else low,
        high=high,
    )
    return Panel(marks=tuple(marks), x=x, y=y)


def rate_panel(curves: TrainingCurves, x: Axis) -> Panel | None:
    """The learning rate; None where it is not known."""
    if curves.rate is None:
        return None
    _, high = linear_limits(np.append(inside(x, curves.x, curves.rate), 0.0)) or (None, None)
    y = Axis(label="learning rate", low=0.0, high=high)
    return Panel(marks=(Line(x=curves.x, y=curves.rate, color=2),), x=x, y=y)


def beta_panel(
    at: Array, beta: Array, x: Axis, true_beta: float | None, phases: Array | None = None
) -> Panel:
    """The weight of the KL along a training: a staircase with the true weight of the -ELBO marked.

    The axis is logarithmic; a phase without KL lies on its floor, a decade beneath all others.
    """
    known = beta if true_beta is None else np.append(beta, true_beta)
    positive = known[np.isfinite(known) & (known > 0)]
    low, high = limits if (limits := log_limits(positive, 1e-9)) else (1e-4, 1e-3)
    nothing = beta == 0
    marks: list[Mark] = [] if phases is None else _borders(phases, x)
    if true_beta is not None:
        marks.append(HLine(y=true_beta, muted=True, label="true weight"))
    if nothing.any():
        low /= 10
        marks.append(Text(x=float(at[nothing.argmax()]), y=low * 1.5, text=" 0"))
    marks.append(Line(x=at, y=np.where(nothing, low, beta), color=3))
    return Panel(marks=tuple(marks), x=x, y=Axis(label="beta", scale="log", low=low, high=high))
