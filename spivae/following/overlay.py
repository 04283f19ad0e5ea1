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
    """One of the runs: its curves, and the label that tells it from the others.

    `searched` is the share of a sampled past that was searched for single spikes; `chosen` is the one that is
    looked at.
    """

    label: str
    series: RunSeries
    info: RunInfo
    searched: float = 1.0
    chosen: bool = False


def overlay(members: Sequence[Member], along: Along = "epoch") -> Figure:
    """Loss, and -ELBO, NLL and KL of the validations, of all runs along epochs, steps or hours.

    The chosen run stands in front, and the losses of its batches behind it. The caption tells where a sampled
    past whose batches are shown was not searched through for single spikes.
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
    searched = min((member.searched for member in shown if _has_raw(member, shown)), default=1.0)
    return Figure(panels=panels, columns=2, caption=sampled(searched))


def _place(member: Member, along: Along, epochs: Array) -> Array:
    """Where these epochs lie on the axis."""
    if along == "epoch":
        return epochs
    if along == "step":
        return epochs * steps_per_epoch(member.series, member.info)
    hours = np.append(member.series.curve("seconds"), member.series.last["seconds"]) / 3600
    return np.interp(epochs, np.append(member.series.x, member.series.epoch), hours)


def _color(number: int, count: int) -> dict[str, Any]:
    """The colour of a run among so many."""
    return {"color": number} if count <= COLORS else {"shade": number / (count - 1)}


def _look(member: Member, number: int, count: int) -> dict[str, Any]:
    """How a run's curves look; of many shades the first, the last and the chosen one have a label."""
    labelled = count <= COLORS or number in (0, count - 1) or member.chosen
    return {
        "label": member.label if labelled else "",
        "front": member.chosen,
        **_color(number, count),
    }


def _has_raw(member: Member, members: Sequence[Member]) -> bool:
    return member.chosen or len(members) <= _RAW


def _loss_panel(members: Sequence[Member], along: Along, x: Axis) -> Panel:
    """The smoothed loss of the batches, of the chosen run and of a few with the losses themselves behind."""
    raw, smooth, tops = [], [], []
    for number, member in enumerate(members):
        series = member.series
        if _has_raw(member, members):
            at, batches = series.raw("loss")
            color = _color(number, len(members))
            line = Line(x=_place(member, along, at), y=batches, muted=True, front=member.chosen, **color)
            raw.append(line)
        values = series.curve("smooth")
        tops.append((values, 0.9))
        look = _look(member, number, len(members))
        smooth.append(Line(x=_place(member, along, series.x), y=values, **look))
    low, high = trimmed_limits(tops)
    return Panel(
        marks=(*sorted(raw, key=lambda line: line.front), *smooth),
        x=x,
        y=Axis(label="loss", unit="nats/step", low=low, high=high),
    )


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
        look = _look(member, number, len(members))
        marks.append(Line(x=_place(member, along, table[:, 0]), y=table[:, 1], **look))
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
