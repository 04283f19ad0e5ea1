"""Latents: which latent neurons a model uses, and how their means depend on the parameters.

A latent that the KL term has switched off has mu near 0 and sigma^2 near 1, whatever the trajectory. The
measures Var(mu) and mean(log sigma^2) follow Lu et al., Phys. Rev. X 10, 031056 (2020).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from spivae.api import (
    NO_LATENTS,
    SURVIVING_KL,
    Analysis,
    Axis,
    Figure,
    Histogram,
    HLine,
    Line,
    Panel,
    Points,
    Result,
    SpivaeError,
    abscissas,
    axes_of,
    check_latent,
    describe,
    hookimpl,
    option,
)

GOLDEN = (5**0.5 - 1) / 2
LOWEST_KL = 1e-6  # nats; what is below is as good as nothing, and 0 has no place on a log axis


@dataclass(frozen=True)
class Options:
    latent: int | None = option(None, "show this latent alone (default: all, the idle ones faintly)", low=0)
    against: str | None = option(
        None, "a parameter, or a combination or its number from 1 (default: each of them)"
    )
    axis: str = option(
        "own", "axis of the parameters: each its own, or all of one kind", choices=("own", "linear", "log")
    )
    points: int = option(600, "trajectories drawn in each panel", low=1, high=20_000)
    bins: int = option(60, "bins of the histograms", low=2, high=500)


class Latents(Analysis):
    name = "latents"
    title = "Latents"
    order = 1
    options = Options

    def compute(self, context):
        """Histograms have a row a latent; `mu` and what it is drawn `against` a row a drawn trajectory."""
        mu, logvar, kl = context.predictions.mu, context.predictions.logvar, context.predictions.kl
        count = mu.shape[1]
        if count == 0:
            return Result(scalars={"surviving": [], "kl": []})
        check_latent(context.options.latent, count)
        drawn = spread(len(mu), context.options.points)
        quantities = shown_against(context, drawn)
        kl = kl.mean(axis=0, dtype=float)
        var_mu, mean_logvar = mu.var(axis=0, dtype=float), logvar.mean(axis=0, dtype=float)
        mu_edges, mu_counts = histograms(mu, context.options.bins)
        sigma2_edges, sigma2_counts = histograms(np.exp(logvar.astype(float)), context.options.bins)
        return Result(
            arrays={
                "mu_edges": mu_edges,
                "mu_counts": mu_counts,
                "sigma2_edges": sigma2_edges,
                "sigma2_counts": sigma2_counts,
                "mu": mu[drawn],
                "against": np.stack([quantity.values for quantity in quantities], axis=1),
                **describe(quantities),
                "shown": np.arange(count)
                if context.options.latent is None
                else np.array([context.options.latent]),
            },
            scalars={
                "surviving": context.predictions.surviving,
                "kl": kl.tolist(),
                "var_mu": var_mu.tolist(),
                "mean_logvar": mean_logvar.tolist(),
            },
        )

    def figure(self, result):
        if not result.scalars["kl"]:
            return Figure(panels=(), title=self.title, caption=NO_LATENTS)
        panels = [
            Panel(title=f"μ against {axis.label}", x=axis, y=Axis(label="μ"), marks=scatter(result, column))
            for axis, column in zip(axes_of(result.arrays), result.arrays["against"].T, strict=True)
        ]
        return Figure(
            panels=(*distributions(result), *measures(result), *panels),
            title=self.title,
            caption=caption(result.scalars["surviving"]),
            columns=4,
        )


def shown_against(context, drawn):
    """What mu is drawn against, for the drawn trajectories, on the axes that the options ask for."""
    dataset, options = context.dataset, context.options
    found = abscissas(context.process, dataset.theta[drawn], dataset.steps + 1, options.against)
    if options.axis == "own":
        return found
    for quantity in found:
        if options.axis == "log" and not quantity.combined and quantity.values.min() <= 0:
            raise SpivaeError(f"option axis: {quantity.name} has values of 0 or less, and no log axis")
    return [item if item.combined else replace(item, scale=options.axis) for item in found]


def spread(count, wanted):
    """Rows (<= wanted,) of `count`, evenly spread and without a period that a grid could share."""
    if wanted >= count:
        return np.arange(count)
    return np.unique((np.arange(wanted) * GOLDEN % 1 * count).astype(int))


def histograms(values, bins):
    """Common edges (bins + 1,) and the counts (Z, bins) of each column of values (n, Z)."""
    finite = values[np.isfinite(values)]
    edges = np.histogram_bin_edges(finite, bins)
    return edges, np.stack([np.histogram(column, edges)[0] for column in values.T])


def caption(survivors):
    if not survivors:
        return f"No latent survives: no KL is above {SURVIVING_KL} nats."
    return (
        f"Surviving (KL above {SURVIVING_KL} nats): {', '.join(map(str, survivors))}. Grey latents are idle."
    )


def style(result, latent):
    """Colour and label of one latent: its own where it survives or was asked for, grey otherwise."""
    if latent in result.scalars["surviving"] or len(result.arrays["shown"]) == 1:
        return {"color": latent % 6, "label": str(latent)}
    return {"muted": True}


def by_importance(result):
    """The latents to show, idle ones first, so that the others are drawn over them."""
    survivors = result.scalars["surviving"]
    return sorted(result.arrays["shown"].tolist(), key=lambda latent: (latent in survivors, latent))


def distributions(result):
    """Histograms of mu and sigma^2 over the dataset, an outline a latent, counts on a log axis."""
    for name, label in (("mu", "μ"), ("sigma2", "σ²")):
        marks = tuple(
            Histogram(
                edges=result.arrays[f"{name}_edges"],
                counts=result.arrays[f"{name}_counts"][latent],
                **style(result, latent),
            )
            for latent in by_importance(result)
        )
        counts = Axis(label="trajectories", scale="log", low=0.8)
        yield Panel(
            title=f"Distribution of {label}", x=Axis(label=label), y=counts, marks=marks, legend="latent"
        )


def measures(result):
    """Var(mu) with mean(log sigma^2), and the KL divergence with its threshold, against the latent."""
    latents = np.arange(len(result.scalars["kl"]))
    kl = np.maximum(result.scalars["kl"], LOWEST_KL)
    used = np.isin(latents, result.scalars["surviving"])
    index = Axis(label="latent", low=-0.5, high=len(latents) - 0.5)
    yield Panel(
        title="Which latents are used",
        x=index,
        marks=(
            HLine(y=0.0, muted=True, dashed=True),
            Line(x=latents, y=np.array(result.scalars["var_mu"]), label="Var(μ)", color=0),
            Line(x=latents, y=np.array(result.scalars["mean_logvar"]), label="mean(log σ²)", color=1),
        ),
    )
    marks = [HLine(y=SURVIVING_KL, muted=True, dashed=True)]
    for chosen, look in (
        (used, {"label": "survives", "color": 2}),
        (~used, {"label": "idle", "muted": True}),
    ):
        if chosen.any():
            marks.append(Points(x=latents[chosen], y=kl[chosen], **look))
    yield Panel(
        title="KL a latent", x=index, y=Axis(label="KL", unit="nats", scale="log"), marks=tuple(marks)
    )


def scatter(result, column):
    """mu of the drawn trajectories against one value of each."""
    return tuple(
        Points(x=column, y=result.arrays["mu"][:, latent], **style(result, latent))
        for latent in by_importance(result)
    )


@hookimpl
def register_analyses(register):
    register(Latents())
