"""Density: how the trajectories lie in the plane of a latent and a parameter, or a combination of parameters.

Histograms on a log colour scale: a narrow curve tells that the latent encodes what it is drawn against. Each
value of a parameter's grid has a column of its own, and bins with few counts stay empty.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spivae.api import (
    NO_LATENTS,
    SURVIVING_KL,
    Analysis,
    Axis,
    Figure,
    Heatmap,
    Panel,
    Result,
    Text,
    abscissas,
    axes_of,
    check_latent,
    describe,
    edges_of,
    hookimpl,
    option,
)

MOST_BINS = 125
FEWEST_BINS = 10
WANTED = 4  # trajectories for each bin, on average, where the number of bins is left to the analysis


@dataclass(frozen=True)
class Options:
    latent: int | None = option(None, "latent to look at (default: each that survives)", low=0)
    against: str | None = option(
        None, "a parameter, or a combination or its number from 1 (default: each of them)"
    )
    at_least: int = option(2, "bins with fewer counts stay empty", low=1, high=1_000_000)
    bins: int | None = option(
        None, f"bins along μ (default: {MOST_BINS}, or fewer for few trajectories)", low=2, high=1000
    )


class Density(Analysis):
    name = "density"
    title = "Density"
    order = 8
    options = Options

    def compute(self, context):
        """Arrays `counts_Z_K` (x, y) of latent Z and quantity K, between `x_edges_K` and `y_edges_Z_K`."""
        options, dataset, mu = context.options, context.dataset, context.predictions.mu
        survivors = context.predictions.surviving
        scalars = {"latents": mu.shape[1], "surviving": survivors, "at_least": options.at_least, "shown": []}
        if mu.shape[1] == 0:
            return Result(scalars=scalars)
        check_latent(options.latent, mu.shape[1])
        quantities = abscissas(context.process, dataset.theta, dataset.steps + 1, options.against)
        scalars["shown"] = survivors if options.latent is None else [options.latent]
        arrays = describe(quantities)
        for k, quantity in enumerate(quantities):
            known = np.isfinite(mu).all(axis=1) & np.isfinite(quantity.values)
            across = x_edges(quantity, known, options.bins)
            arrays[f"x_edges_{k}"] = across
            up = options.bins or bins_for(known.sum() / (len(across) - 1))
            for latent in scalars["shown"]:
                counts, _, edges = np.histogram2d(
                    quantity.values[known],
                    mu[known, latent],
                    bins=(across, np.histogram_bin_edges(mu[known, latent], up)),
                )
                arrays[f"counts_{latent}_{k}"] = counts.astype(int)
                arrays[f"y_edges_{latent}_{k}"] = edges
        return Result(arrays=arrays, scalars=scalars)

    def figure(self, result):
        return Figure(panels=tuple(panels_of(result)), title=self.title, caption=caption(result), columns=4)


def bins_for(trajectories):
    """As many bins as give each WANTED of the trajectories, within limits."""
    return int(np.clip(trajectories / WANTED, FEWEST_BINS, MOST_BINS))


def x_edges(quantity, known, bins):
    """Around each value of a parameter's grid, in equal bins for a combination or a continuum of values."""
    values = quantity.values[known]
    most = bins or bins_for((len(values) * WANTED) ** 0.5)
    if quantity.combined or not len(values):
        return np.histogram_bin_edges(values, most)
    return edges_of(values, quantity.scale, max(most, MOST_BINS))


def caption(result):
    """Which latents are shown, and how much of the dataset the figure leaves out."""
    found = result.scalars
    if not found["latents"]:
        return NO_LATENTS
    if not found["shown"]:
        return f"No latent survives: no KL is above {SURVIVING_KL} nats. Choose one with the option latent."
    counts = [result.arrays[name] for name in result.arrays if name.startswith("counts_")]
    total = sum(int(table.sum()) for table in counts)
    kept = sum(int(table[table >= found["at_least"]].sum()) for table in counts)
    if not kept:
        return "Too few trajectories: ask for more in each cell (per_cell), or for fewer bins."
    return (
        f"Bins with fewer than {found['at_least']} counts are empty: they hold {1 - kept / total:.1%} "
        "of the trajectories."
    )


def panels_of(result):
    """A panel for each latent and each quantity."""
    if not result.scalars["shown"]:
        return
    axes = axes_of(result.arrays)
    for latent in result.scalars["shown"]:
        low, high = shown_range(result, latent, len(axes))
        for k, axis in enumerate(axes):
            yield Panel(
                title=f"Latent {latent} against {axis.label}",
                x=axis,
                y=Axis(label=f"μ_{latent}", low=low, high=high),
                marks=(density_of(result, latent, k),),
            )


def shown_range(result, latent, quantities):
    """The range of mu that any panel of a latent shows, so that a few far ones do not press the rest flat."""
    low, high = [], []
    for k in range(quantities):
        counts = result.arrays[f"counts_{latent}_{k}"]
        rows = np.flatnonzero((counts >= result.scalars["at_least"]).any(axis=0))
        if len(rows):
            edges = result.arrays[f"y_edges_{latent}_{k}"]
            low.append(float(edges[rows[0]]))
            high.append(float(edges[rows[-1] + 1]))
    return min(low, default=None), max(high, default=None)


def density_of(result, latent, k):
    """The histogram, or where no bin has enough counts a word that tells so."""
    at_least = result.scalars["at_least"]
    counts = result.arrays[f"counts_{latent}_{k}"]
    x_edges, y_edges = result.arrays[f"x_edges_{k}"], result.arrays[f"y_edges_{latent}_{k}"]
    if counts.max() >= at_least:
        values = np.where(counts >= at_least, counts, np.nan).T
        return Heatmap(x_edges=x_edges, y_edges=y_edges, values=values, scale="log", label="counts")
    return Text(x=float(x_edges[0]), y=float(y_edges.mean()), text=f"no bin has {at_least} counts")


@hookimpl
def register_analyses(register):
    register(Density())
