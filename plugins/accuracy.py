"""Accuracy: what the latents know of the parameters, beside the best that any estimator can do.

Parameters are drawn uniformly from the training range, a fresh trajectory each, and estimated from the
surviving latents by a regression that is cross-validated. Where the process has a likelihood, the Bayes
posterior (its prior is that same range) is the limit: no estimator has a smaller mean squared error than its
mean, and the efficiency of an estimator is the error of that mean over its own.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from spivae.api import (
    BAYES,
    LATENTS,
    MEDIAN,
    NO_LATENTS,
    SURVIVING_KL,
    Analysis,
    Axis,
    Figure,
    Line,
    Panel,
    Points,
    Result,
    Text,
    has_limits,
    hookimpl,
    knowledge,
    option,
    surviving,
    training_grid,
    uniform,
)

FOR_SURVIVAL = 500  # trajectories that tell which latents survive
WIDEST = 0.25  # of the true range, that the estimates' axis reaches beyond it


@dataclass(frozen=True)
class Options:
    n: int = option(2000, "trajectories, each with parameters of its own", low=50, high=50_000)


class AccuracyAnalysis(Analysis):
    name = "accuracy"
    title = "Accuracy"
    order = 5
    options = Options
    needs = ("model",)

    def compute(self, context):
        """`truth` (n, p) and for each estimator K `estimates_K` (n, p), all on the parameters' own scales."""
        process, rng = context.process, context.rng()
        grid = training_grid(process, context.checkpoint.ds_args)
        latents = survivors(context, grid, rng)
        found = knowledge(context.model, process, grid, latents, context.options.n, rng, context.progress)
        judged = found.accuracy()
        return Result(
            arrays={
                "truth": found.truth,
                **{f"estimates_{k}": values for k, values in enumerate(found.estimates.values())},
                "labels": np.array([label(parameter) for parameter in process.parameters]),
            },
            scalars={
                "n": len(found.truth),
                "process": process.title,
                "latents": context.model.args.latents,
                "surviving": latents,
                "limit": has_limits(process),
                "accuracy": {
                    estimator: {name: dataclasses.asdict(one) for name, one in each.items()}
                    for estimator, each in judged.items()
                },
            },
        )

    def figure(self, result):
        columns = len(result.arrays["labels"])
        panels = [
            panel_of(result, k, column)
            for k, name in enumerate(result.scalars["accuracy"])
            if name != MEDIAN  # hardly another picture than the mean's
            for column in range(columns)
        ]
        return Figure(
            panels=tuple(panels),
            title=self.title,
            caption=caption(result),
            columns=columns * max(1, 4 // columns),
        )


def survivors(context, grid, rng):
    """The latents that survive on trajectories like those that are judged."""
    if not context.model.args.latents:
        return []
    theta = uniform(context.process, FOR_SURVIVAL, rng, grid)
    steps = context.model.args.o_dim
    mu, logvar = context.encode(context.process.displacements(rng, theta, steps))
    return surviving(((mu**2 + np.exp(logvar) - 1 - logvar) / 2).mean(axis=0))


def label(parameter):
    return f"ln {parameter.label}" if parameter.scale == "log" else parameter.label


def panel_of(result, k, column):
    """One estimator's values of one parameter against the true ones, and the line on which they are equal."""
    truth, estimates = result.arrays["truth"][:, column], result.arrays[f"estimates_{k}"][:, column]
    estimator, each = list(result.scalars["accuracy"].items())[k]
    name, found = result.arrays["labels"].tolist()[column], list(each.values())[column]
    low, high = truth.min(), truth.max()
    known = estimates[np.isfinite(estimates)]
    margin = WIDEST * (high - low)
    bottom = max(min(low, known.min(initial=low)), low - margin)
    top = min(max(high, known.max(initial=high)), high + margin)
    lines = [f"MAE {found['mae']:.3g}", f"R² {found['r2']:.3f}"]
    if found["efficiency"] is not None and estimator != BAYES:
        lines.append(f"eff. {found['efficiency']:.1%}")
    return Panel(
        title=f"{name}: {estimator.removeprefix('Bayes ')}",
        x=Axis(label=f"true {name}", low=low, high=high),
        y=Axis(label="estimate", low=bottom, high=top),
        marks=(
            Line(x=np.array([low, high]), y=np.array([low, high]), muted=True),
            Points(x=truth, y=estimates, color=k % 6),
            *written(lines, low, high, bottom, top),
        ),
    )


def written(lines, low, high, bottom, top):
    """Lines of text in the lower right corner, which good estimates leave empty."""
    for row, text in enumerate(reversed(lines)):
        yield Text(x=high - 0.46 * (high - low), y=bottom + (0.07 + 0.13 * row) * (top - bottom), text=text)


def caption(result):
    """How efficient the latents are in each parameter, or why that is not known, and how many there were."""
    found = result.scalars
    if not found["latents"]:
        first = NO_LATENTS
    elif not found["surviving"]:
        first = f"No latent survives: no KL is above {SURVIVING_KL} nats."
    elif not found["limit"]:
        first = f"No exact limit is known for {found['process']}."
    else:
        each = zip(result.arrays["labels"].tolist(), found["accuracy"][LATENTS].values(), strict=True)
        words = ", ".join(f"{name} {one['efficiency']:.1%}" for name, one in each)
        first = f"Efficiency of the latents: {words}."
    return f"{first} {found['n']:,} uniform draws."


@hookimpl
def register_analyses(register):
    register(AccuracyAnalysis())
