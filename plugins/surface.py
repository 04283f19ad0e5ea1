"""Surface: the mean of each latent over two parameters of the process.

Cells of the grid hold the mean of mu over their trajectories, all values of the other parameters together.
The colours of all latents share limits that are symmetric about 0, so that an idle latent looks idle.
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
    HLine,
    Line,
    Panel,
    Result,
    SpivaeError,
    axes_of,
    check_latent,
    describe,
    edges_around,
    hookimpl,
    option,
)


@dataclass(frozen=True)
class Options:
    latent: int | None = option(None, "show this latent alone (default: all, those in use first)", low=0)
    across: str | None = option(None, "parameter along x (default: the process's first)")
    up: str | None = option(None, "parameter along y (default: the process's last)")


class Surface(Analysis):
    name = "surface"
    title = "Surface"
    order = 9
    options = Options

    def compute(self, context):
        """Array `mu` (Z, values of x, values of y), or (Z, values) for a process with one parameter."""
        mu, survivors = context.predictions.mu, context.predictions.surviving
        if mu.shape[1] == 0:
            return Result(scalars={"surviving": [], "shown": []})
        chosen = two_of(context.process.parameters, context.options.across, context.options.up)
        cells = context.dataset.cells_by(*(parameter.name for parameter in chosen))
        return Result(
            arrays={
                "mu": np.moveaxis(cells.mean(mu), -1, 0),
                **dict(zip(("x_values", "y_values"), cells.values, strict=False)),
                **describe(chosen),
            },
            scalars={
                "surviving": survivors,
                "shown": shown(context.options.latent, survivors, mu.shape[1]),
                "parameters": [parameter.name for parameter in chosen],
            },
        )

    def figure(self, result):
        if not result.scalars["shown"]:
            return Figure(panels=(), title=self.title, caption=NO_LATENTS)
        survivors, axes = result.scalars["surviving"], axes_of(result.arrays)
        panels = (lines(result, axes[0]),) if len(axes) == 1 else tuple(maps(result, axes))
        words = ", ".join(map(str, survivors)) or "none"
        return Figure(
            panels=panels,
            title=self.title,
            caption=f"Mean μ of each cell. Surviving (KL above {SURVIVING_KL} nats): {words}.",
            columns=3,
        )


def two_of(parameters, across, up):
    """The parameters along x and y; one alone where the process has no other."""
    by_name = {parameter.name: parameter for parameter in parameters}
    for role, name in (("across", across), ("up", up)):
        if name is not None and name not in by_name:
            raise SpivaeError(f"option {role}: no parameter {name!r}; there are {', '.join(by_name)}")
    if len(parameters) == 1:
        return list(parameters)
    if across is not None and across == up:
        raise SpivaeError(f"options across and up: both are {across}; choose two parameters")
    first, last = parameters[0].name, parameters[-1].name
    if across is None:
        across = first if up != first else last
    if up is None:
        up = last if across != last else first
    return [by_name[across], by_name[up]]


def shown(latent, survivors, count):
    """The latents to draw: the surviving ones, then the idle, or the one that was asked for."""
    if latent is None:
        return [*survivors, *(k for k in range(count) if k not in survivors)]
    check_latent(latent, count)
    return [latent]


def maps(result, axes):
    """A map for each latent, a parameter with a log scale as its decimal logarithm."""
    edges, named = [], []
    for values, axis in zip((result.arrays["x_values"], result.arrays["y_values"]), axes, strict=True):
        log = axis.scale == "log"
        edges.append(edges_around(np.log10(values) if log else values))
        named.append(Axis(label=f"log10 {axis.label}") if log else axis)
    mu = result.arrays["mu"][result.scalars["shown"]]
    limit = float(np.max(np.abs(mu), where=np.isfinite(mu), initial=0.0)) or 1.0
    for latent, values in zip(result.scalars["shown"], mu, strict=True):
        idle = "" if latent in result.scalars["surviving"] else " (idle)"
        heatmap = Heatmap(
            x_edges=edges[0],
            y_edges=edges[1],
            values=values.T,
            label="mean μ",
            low=-limit,
            high=limit,
            surface=True,
        )
        yield Panel(title=f"Latent {latent}{idle}", x=named[0], y=named[1], marks=(heatmap,))


def lines(result, axis):
    """A line for each latent against the only parameter, the idle ones in grey."""
    marks = [HLine(y=0.0, muted=True)]
    for latent in result.scalars["shown"]:
        used = latent in result.scalars["surviving"] or len(result.scalars["shown"]) == 1
        look = {"color": latent % 6, "label": str(latent)} if used else {"muted": True}
        marks.append(Line(x=result.arrays["x_values"], y=result.arrays["mu"][latent], **look))
    return Panel(
        title=f"Mean μ against {axis.label}", x=axis, y=Axis(label="μ"), marks=tuple(marks), legend="latent"
    )


@hookimpl
def register_analyses(register):
    register(Surface())
