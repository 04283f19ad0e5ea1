"""The figure of a learning-rate sweep: the loss against the rate, with what it suggests."""

from __future__ import annotations

import numpy as np

from spivae.figure.spec import Axis, Figure, Line, Mark, Panel, VLine
from spivae.figure.steady import linear_limits
from spivae.training.lr_finder import Sweep

NO_VALLEY = (
    "The loss does not fall for long enough to suggest a rate: look at other rates, or take more steps."
)


def sweep_figure(sweep: Sweep) -> Figure:
    """The loss of each step and its smoothed curve, the valley and the steepest place marked.

    Where the loss diverges, it leaves the panel.
    """
    marks: list[Mark] = [
        Line(x=sweep.lrs, y=sweep.losses, label="batch", muted=True),
        Line(x=sweep.lrs, y=sweep.smooth, label="smoothed", color=0),
    ]
    for name, rate, color in (("valley", sweep.valley, 1), ("steepest", sweep.steepest, 2)):
        if rate is not None:
            marks.append(VLine(x=rate, label=f"{name} {rate:.1e}", color=color))
    lowest = int(np.argmin(sweep.smooth))
    best, before = sweep.smooth[lowest], sweep.smooth[: lowest + 1].max()
    # half of the fall on either side shows where the loss begins to rise again
    around = np.array([best, before]) + np.array([-0.25, 0.5]) * max(before - best, 0.02)
    low, high = linear_limits(around) or (None, None)
    panel = Panel(
        x=Axis(label="learning rate", scale="log", low=float(sweep.lrs[0]), high=float(sweep.lrs[-1])),
        y=Axis(label="loss", unit="nats/step", low=low, high=high),
        marks=tuple(marks),
    )
    return Figure(
        panels=(panel,), title=f"Learning rates for beta {sweep.beta:.3g}", caption=sweep_words(sweep)
    )


def sweep_words(sweep: Sweep) -> str:
    """What a sweep suggests, in a sentence."""
    if sweep.valley is None:
        return NO_VALLEY
    end = f"the loss diverged at {sweep.lrs[-1]:.1e}" if sweep.stopped == "diverged" else "it did not diverge"
    return f"Suggested lr_max: {sweep.valley:.1e} (valley); {end}."
