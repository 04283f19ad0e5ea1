"""Encoding: the expression that each latent encodes, found by a sparse fit to the mean of mu in each cell.

R^2 is that of the cell means on the drawn line, or on a curve where the latent folds back. Single
trajectories are worse: their R^2, with z drawn from q(z|x), is given with the most that the KL allows,
1 - exp(-2 KL).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from spivae.api import (
    NO_LATENTS,
    SURVIVING_KL,
    Analysis,
    Axis,
    Figure,
    Line,
    Panel,
    Points,
    Result,
    axes_of,
    check_latent,
    describe,
    hookimpl,
    identify,
    option,
    surviving,
)

MOST_SHADES = 10
CURVE_POINTS = 200


@dataclass(frozen=True)
class Options:
    latent: int | None = option(None, "latent to look at (default: each that survives)", low=0)


class Encoding(Analysis):
    name = "encoding"
    title = "Encoding"
    order = 4
    options = Options

    def compute(self, context):
        """For each latent Z arrays `mean_Z` of the cells and, where it has a name, the expression's `x_Z`.

        `cells` (m, p) holds their parameters; `line_x_Z` and `line_y_Z` are the fit.
        """
        predictions, dataset, process = context.predictions, context.dataset, context.process
        mu, logvar, length = predictions.mu, predictions.logvar, dataset.steps + 1
        kl = predictions.kl[np.isfinite(predictions.kl).all(axis=1)].mean(axis=0, dtype=float)
        check_latent(context.options.latent, mu.shape[1])
        shown = surviving(kl) if context.options.latent is None else [context.options.latent]
        cells, cell = np.unique(dataset.theta, axis=0, return_inverse=True)
        arrays = {"cells": cells, **describe(process.parameters)}
        latents = []
        for found in identify(process, dataset.theta, mu, logvar=logvar, latents=shown, length=length):
            arrays[f"mean_{found.latent}"] = means(mu[:, found.latent], cell.ravel(), len(cells))
            if found.expression:
                values = found.values(process, cells, length)
                line = np.linspace(values.min(), values.max(), CURVE_POINTS)
                arrays[f"x_{found.latent}"] = values
                arrays[f"line_x_{found.latent}"], arrays[f"line_y_{found.latent}"] = (
                    line,
                    found.expected(line),
                )
            latents.append(
                {**dataclasses.asdict(found), "folded": found.folded, "kl": float(kl[found.latent])}
            )
        return Result(arrays=arrays, scalars={"count": mu.shape[1], "latents": latents})

    def figure(self, result):
        latents = sorted(result.scalars["latents"], key=lambda found: -found["kl"])
        return Figure(
            panels=tuple(panel_of(result, found) for found in latents),
            title=self.title,
            caption=caption(result.scalars["count"], latents),
            columns=3,
        )


def means(mu, cell, count):
    """Mean (count,) of the finite mu (n,) in each cell; NaN where there is none."""
    known = np.isfinite(mu)
    trajectories = np.bincount(cell[known], minlength=count)
    total = np.bincount(cell[known], mu[known].astype(float), count)
    return np.where(trajectories > 0, total / np.maximum(trajectories, 1), np.nan)


def panel_of(result, found):
    """The cells' means against the expression, or against a parameter that varies where there is none."""
    latent, axes, cells = found["latent"], axes_of(result.arrays), result.arrays["cells"]
    if found["expression"]:
        x, title = result.arrays[f"x_{latent}"], found["expression"]
        axis = Axis(label=title.split(", ")[0])
        title += ", folded" if found["folded"] else ""
        line = {"x": result.arrays[f"line_x_{latent}"], "y": result.arrays[f"line_y_{latent}"]}
        marks = (Line(**line, label=f"R² {found['r2']:.3f}", muted=True),)
    else:
        varying = (k for k in range(cells.shape[1]) if len(np.unique(cells[:, k])) > 1)
        k = next(varying, 0)
        x, axis, title, marks = cells[:, k], axes[k], "no expression", ()
    return Panel(
        title=f"Latent {latent}: {title}",
        x=axis,
        y=Axis(label=f"mean μ_{latent}"),
        marks=(*marks, *points_of(x, result.arrays[f"mean_{latent}"], cells)),
        legend=axes[-1].label,
    )


def points_of(x, y, cells):
    """Points for each value of the last parameter, or for equal parts of its values where they are many."""
    last = cells[:, -1]
    values, group = np.unique(last, return_inverse=True)
    if cells.shape[1] == 1 or len(values) == 1 or np.array_equal(x, last):
        yield Points(x=x, y=y, color=0)
        return
    if len(values) > MOST_SHADES:
        group = group * MOST_SHADES // len(values)
    for k in reversed(np.unique(group).tolist()):
        own = group == k
        yield Points(x=x[own], y=y[own], label=f"{np.median(last[own]):.3g}", shade=k / group.max())


def caption(count, latents):
    """How well single trajectories follow the expressions, and what else is known of them."""
    if not count:
        return NO_LATENTS
    if not latents:
        return f"No latent survives: no KL is above {SURVIVING_KL} nats. Choose one with the option latent."
    named = "; ".join(f"z{found['latent']} {words(found)}" for found in latents if found["expression"])
    nameless = " ".join(f"z{found['latent']}: {found['reason']}." for found in latents if found["reason"])
    return f"Trajectories' R² (ceiling): {named}. {nameless}".strip() if named else nameless


def words(found):
    """R^2 of single trajectories with z drawn from q(z|x), its ceiling, the time it refers to."""
    parts = [f"{found['r2_trajectory']:.2f} ({found['ceiling']:.2f})"]
    if found["t_star"] is not None:
        parts.append(f"t* = {plain(found['t_star'], 3)} ± {plain(found['t_star_sd'], 2)}")
    return ", ".join(parts)


def plain(value, digits):
    """A positive number in so many digits, without an exponent where it is moderate."""
    return f"{float(f'{value:.{digits}g}'):.0f}" if 10**digits <= value < 1e6 else f"{value:.{digits}g}"


@hookimpl
def register_analyses(register):
    register(Encoding())
