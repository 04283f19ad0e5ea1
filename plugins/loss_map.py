"""Loss map: how well a model predicts in each part of the parameter range, and at each time.

The loss here is the negative log-likelihood (NLL) per step, averaged over the trajectories of each parameter
cell. It falls with the scale of the displacements: small D gives small numbers. All is taken at z = mu, where
NLL + KL / steps is close to the negative ELBO but no bound: `spivae evaluate` averages over z ~ q(z|x).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spivae.api import (
    Analysis,
    Axis,
    Figure,
    Heatmap,
    Line,
    Panel,
    Result,
    VLine,
    axes_of,
    describe,
    edges_around,
    evenly,
    expected,
    hookimpl,
    option,
)


@dataclass(frozen=True)
class Options:
    times: int = option(4, "cells drawn against time, from the highest NLL to the lowest", low=1, high=50)


class LossMap(Analysis):
    name = "loss"
    title = "Loss map"
    order = 2
    options = Options

    def compute(self, context):
        """Arrays: `nll` over the grid of the first two parameters, and their values under their own names;
        `nll_in_time` (cells, steps) at times `t`, unreduced, for some `cells` of that grid.
        """
        dataset, predictions = context.dataset, context.predictions
        shown = context.process.parameters[:2]
        cells = dataset.cells_by(*(parameter.name for parameter in shown))
        per_trajectory = predictions.nll.mean(axis=1, dtype=float)
        nll, kl = per_trajectory.mean(), predictions.kl.sum(axis=1, dtype=float).mean()
        grid = cells.mean(per_trajectory)
        return Result(
            arrays={
                "nll": grid,
                "trajectories": cells.counts,
                **{p.name: values for p, values in zip(shown, cells.values, strict=False)},
                "parameters": np.array([p.name for p in shown]),
                **describe(shown),
                **in_time(context, cells, grid),
            },
            scalars={
                "nll": float(nll),
                "kl": float(kl),
                "neg_elbo": float(nll + kl / predictions.nll.shape[1]),
            },
        )

    def figure(self, result):
        found, (first, *second) = result.scalars, axes_of(result.arrays)
        curves = Panel(
            title="NLL of each cell",
            x=first,
            y=Axis(label="NLL per step", unit="nats"),
            marks=tuple(curves_of(result)),
            legend=second[0].label if second else "",
        )
        time = Panel(
            title="NLL in time",
            x=Axis(label="t"),
            y=Axis(label="NLL", unit="nats"),
            marks=tuple(times_of(result)),
            legend=", ".join(axis.label for axis in (first, *second)),
        )
        caption = (
            f"NLL {found['nll']:.4f}, KL {found['kl']:.2f} nats, "
            f"-ELBO {found['neg_elbo']:.4f} per step (z = μ)"
        )
        if "entropy_in_time" in result.arrays:
            caption += ". Dashed: entropy"
        panels = (curves, *([heatmap_of(result)] if second else []), time)
        return Figure(panels=panels, title=self.title, caption=caption, columns=2)


def in_time(context, cells, nll):
    """The NLL of each step in some cells of known mean NLL, and where steps are independent their entropy.

    The entropy is what the NLL would be, given the parameters; a model cannot be below it but by chance.
    """
    dataset, predictions, process = context.dataset, context.predictions, context.process
    steps = predictions.nll.shape[1]
    ranked = np.argsort(nll, axis=None, kind="stable")[::-1]
    ranked = ranked[np.isfinite(nll.ravel()[ranked])]
    chosen = [np.unravel_index(ranked[k], nll.shape) for k in evenly(len(ranked), context.options.times)]

    def entropy(theta, length):
        variance = process.covariance(theta, length)
        independent = variance is not None and variance.ndim == 2
        return np.log(2 * np.pi * np.e * variance[:, -steps:]) / 2 if independent else None

    found = {
        "t": np.arange(dataset.steps - steps, dataset.steps) + 1,
        "nll_in_time": np.reshape(
            [predictions.nll[cells.rows[cell]].mean(axis=0, dtype=float) for cell in chosen], (-1, steps)
        ),
        "cells": np.array([[v[k] for v, k in zip(cells.values, cell, strict=True)] for cell in chosen]),
    }
    bounds = [expected(entropy, dataset.theta[cells.rows[cell]], dataset.steps) for cell in chosen]
    return found if not bounds or bounds[0] is None else found | {"entropy_in_time": np.stack(bounds)}


def curves_of(result):
    """A line of NLL against the first parameter for each value of the second, the largest on top."""
    arrays = result.arrays
    names, nll = arrays["parameters"].tolist(), arrays["nll"]
    x = arrays[names[0]]
    if names[0] == "alpha" and x.min() < 1 < x.max():
        yield VLine(x=1.0, dashed=True, muted=True)  # normal diffusion
    if len(names) == 1:
        yield Line(x=x, y=nll, color=0)
        return
    values = arrays[names[1]]
    for k in reversed(range(len(values))):
        yield Line(x=x, y=nll[:, k], label=f"{values[k]:.3g}", shade=k / max(len(values) - 1, 1))


def heatmap_of(result):
    """The same map over both parameters, a parameter with a log scale as its decimal logarithm."""
    arrays, edges, axes = result.arrays, [], []
    for name, axis in zip(arrays["parameters"].tolist(), axes_of(arrays), strict=True):
        log = axis.scale == "log"
        edges.append(edges_around(np.log10(arrays[name]) if log else arrays[name]))
        axes.append(Axis(label=f"log10 {axis.label}") if log else axis)
    return Panel(
        title="The same as a map",
        x=axes[0],
        y=axes[1],
        marks=(Heatmap(x_edges=edges[0], y_edges=edges[1], values=arrays["nll"].T, label="NLL (nats)"),),
    )


def times_of(result):
    """A line of NLL against time for each chosen cell, the highest first, over the entropy of its steps."""
    arrays = result.arrays
    t, count = arrays["t"], len(arrays["cells"])
    for bound in arrays.get("entropy_in_time", ()):
        yield Line(x=t, y=bound, muted=True, dashed=True)
    for k, (cell, curve) in enumerate(zip(arrays["cells"], arrays["nll_in_time"], strict=True)):
        label = ", ".join(f"{value:.3g}" for value in cell)
        yield Line(x=t, y=curve, label=label, shade=1 - k / max(count - 1, 1))


@hookimpl
def register_analyses(register):
    register(LossMap())
