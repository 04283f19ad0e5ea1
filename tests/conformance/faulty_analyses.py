"""An analysis with one fault each, under the name of the check that has to find it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spivae.api import Analysis, Axis, Figure, Line, Panel, Result, option


@dataclass(frozen=True)
class Options:
    n: int = option(2000, "how many")


@dataclass
class Unfrozen:
    n: int = option(2000, "how many")


@dataclass(frozen=True)
class Undocumented:
    n: int = 3


class Right(Analysis):
    """Mean latents of each value of the first parameter, as it should be."""

    name = "right"
    title = "Right"
    options = Options

    def compute(self, context):
        mu = context.predictions.mu
        known = mu[np.isfinite(mu)]
        theta = context.dataset.theta[:, 0].copy()
        return Result(arrays={"theta": theta}, scalars={"mean": float(known.mean()) if known.size else None})

    def figure(self, result):
        theta = result.arrays["theta"]
        line = Line(x=np.arange(len(theta)), y=theta)
        return Figure(title=self.title, panels=(Panel(x=Axis(label="n"), marks=(line,)),))


class Named(Right):
    name = "two words"


class NeedsTheMoon(Right):
    needs = ("moon",)


class OptionsThatChange(Right):
    options = Unfrozen


class OptionsWithoutHelp(Right):
    options = Undocumented


class AnswersInADict(Right):
    def compute(self, context):
        return {"mean": 1.0}


class Untitled(Right):
    def figure(self, result):
        return Figure(panels=super().figure(result).panels)


class Remembers(Right):
    calls = 0

    def compute(self, context):
        Remembers.calls += 1
        return Result(arrays=super().compute(context).arrays, scalars={"calls": Remembers.calls})


class ChangesTheDataset(Right):
    def compute(self, context):
        context.dataset.theta[0] += 1
        return super().compute(context)


class ChangesTheHeader(Right):
    def compute(self, context):
        context.checkpoint.metrics["mine"] = 1
        return super().compute(context)


class ChangesTheResult(Right):
    def figure(self, result):
        drawn = super().figure(result)
        result.arrays["theta"][0] += 1
        return drawn


class AnswersInTuples(Right):
    def compute(self, context):
        return Result(arrays=super().compute(context).arrays, scalars={"objects": {1, 2}})


class OfTwoParameters(Right):
    def compute(self, context):
        _, _ = context.process.parameters
        return super().compute(context)


class NeedsTwoTrajectories(Right):
    def compute(self, context):
        _ = context.dataset.theta[1]
        return super().compute(context)


class NeedsFullCells(Right):
    def compute(self, context):
        cells = context.dataset.cells
        if context.dataset.steps and len(context.dataset) > 1:
            _ = [rows[0] for rows in cells.rows.ravel()]
        return super().compute(context)


class ChokesOnNaN(Right):
    def compute(self, context):
        if np.isnan(context.predictions.mu).any():
            raise ZeroDivisionError
        return super().compute(context)


class NeedsLatents(Right):
    def compute(self, context):
        _ = context.predictions.mu[:, 0]
        return super().compute(context)


class DrawsNothing(Right):
    def figure(self, result):
        empty = Line(x=np.full(3, np.nan), y=np.full(3, np.nan))
        return Figure(title=self.title, panels=(Panel(marks=(empty,)),))


class Chatty(Right):
    def compute(self, context):
        print("hello")
        return super().compute(context)


FAULTS = {
    Named: "metadata",
    NeedsTheMoon: "metadata",
    OptionsThatChange: "metadata",
    OptionsWithoutHelp: "metadata",
    AnswersInADict: "answers",
    Untitled: "answers",
    Remembers: "the same each time",
    ChangesTheDataset: "inputs untouched",
    ChangesTheHeader: "inputs untouched",
    ChangesTheResult: "inputs untouched",
    AnswersInTuples: "round trips",
    OfTwoParameters: "one and three parameters",
    NeedsTwoTrajectories: "a single trajectory",
    NeedsFullCells: "empty cells",
    ChokesOnNaN: "predictions of NaN",
    NeedsLatents: "no latents",
    DrawsNothing: "figures at all sizes",
    Chatty: "nothing printed",
}
