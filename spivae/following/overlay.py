"""Several trainings on the same axes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from spivae.figure.spec import Axis, Figure, Line, Mark, Panel
from spivae.figure.steady import log_limits, round_up, trimmed_limits
from spivae.following.figure import sampled, steps_per_epoch

if TYPE_CHECKING:
    from spivae.following.series import RunSeries
    from spivae.training.run import RunInfo

Along = Literal["epoch", "step", "time"]
Array = npt.NDArray[np.float64]

COLORS = 6  # of more runs, each has a shade of its own
_RAW = 3  # of more runs, the losses of single batches would hide the smoothed ones
_LEAST_KL = 1e-2


@dataclass(frozen=True)
class Member:
    """One of the runs: its curves, and the label that tells it from the others."""

    label: str
    series: RunSeries
    info: RunInfo


def overlay(members: Sequence[Member], along: Along = "epoch", searched: float = 1.0) -> Figure:
    """Loss, and -ELBO, NLL and KL of the validations, of all runs along epochs, steps or hours.

    The caption tells where not all of a sampled past has been `searched` for single spikes.
    """
    shown = [member for member in members if member.series.step]
    end = max((_place(member, along, np.array([member.series.epoch]))[0] for member in shown), default=0.0)
    x = Axis(label=along, unit="h" if along == "time" else "", low=0.0, high=round_up(max(end, 1e-3)))
    panels = (
        _panel(shown, along, x, "-ELBO", lambda row: row.get("neg_elbo")),
        _loss_panel(shown, along, x),
        _panel(shown, along, x, "KL", _sum_of_kl, log=True),
        _panel(shown, along, x, "NLL", lambda row: row.get("nll")),
    )
    return Figure(panels=panels, columns=2, caption=sampled(searched) if len(shown) <= _RAW else "")


def _place(member: Member, along: Along, epochs: Array) -> Array:
    """Where these epochs lie on the axis."""
    if along == "epoch":
        return epochs
    if along == "step":
        return epochs * steps_per_epoch(member.series, member.info)
    hours = np.append(member.series.curve("seconds"), member.series.last["seconds"]) / 3600
    return np.interp(epochs, np.append(member.series.x, member.series.epoch), hours)


def _look(number: int, count: int) -> dict[str, Any]:
    """The colour of a run among so many; labels of many shades are those of the first and the last."""
    return {"color": number} if count <= COLORS else {"shade": number / (count - 1)}


def _label(member: Member, number: int, count: int) -> str:
    return member.label if count <= COLORS or number in (0, count - 1) else ""


def _loss_panel(members: Sequence[Member], along: Along, x: Axis) -> Panel:
    """The smoothed loss of the batches; of a few runs with the losses themselves behind it."""
    raw, smooth, tops = [], [], []
    for number, member in enumerate(members):
        series = member.series
        at, batches = series.raw("loss")
        if len(members) <= _RAW:
            raw.append(Line(x=_place(member, along, at), y=batches, muted=True))
        values = series.curve("smooth")
        tops.append((values, 0.9))
        look = _look(number, len(members))
        label = _label(member, number, len(members))
        smooth.append(Line(x=_place(member, along, series.x), y=values, label=label, **look))
    low, high = trimmed_limits(tops)
    return Panel(marks=(*raw, *smooth), x=x, y=Axis(label="loss", unit="nats/step", low=low, high=high))


def _panel(
    members: Sequence[Member],
    along: Along,
    x: Axis,
    label: str,
    value: Callable[[dict[str, Any]], float | None],
    log: bool = False,
) -> Panel:
    """What the validations have found, a line for each run."""
    marks: list[Mark] = []
    tops: list[tuple[Array, float]] = []
    for number, member in enumerate(members):
        rows = [(row["epoch"], found) for row in member.series.epochs if (found := value(row)) is not None]
        table = np.array(rows, dtype=np.float64).reshape(-1, 2)
        look = _look(number, len(members))
        name = _label(member, number, len(members))
        marks.append(Line(x=_place(member, along, table[:, 0]), y=table[:, 1], label=name, **look))
        tops.append((table[:, 1], 0.9))
    if log:
        limits = log_limits(np.concatenate([values for values, _ in tops] or [np.zeros(0)]), _LEAST_KL)
        low, high = limits or (None, None)
        y = Axis(label=label, unit="nats", scale="log", low=low, high=high)
    else:
        low, high = trimmed_limits(tops)
        y = Axis(label=label, unit="nats/step", low=low, high=high)
    return Panel(marks=tuple(marks), x=x, y=y)


def _sum_of_kl(row: dict[str, Any]) -> float | None:
    kl = row.get("kl")
    return None if not kl or None in kl else float(sum(kl))
