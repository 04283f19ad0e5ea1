"""Limits: how far is the model from the best that is possible?

For a process whose covariance is known, the least that a model can lose is known exactly: the entropy H of
its steps, given the parameters and a receptive field of steps before, and the information I that a trajectory
holds about its parameters. A model pays for what its latents tell (its rate, the KL divergence) and for how
badly it predicts with them (its distortion, n (NLL - H) over its n predicted steps). Their sum is
n (-ELBO - H): I for a model that tells all and predicts as well as can be, and what is above that is the gap.
Fresh trajectories are judged at z ~ q(z|x), as `spivae evaluate` does: the same n and seed give the same
figures.

The Cramér-Rao bounds say how well parameters can be told from one trajectory at all. Near the ends of the
range the Bayes posterior is better than they are, since its prior knows the ends.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import numpy as np

from spivae.api import (
    Analysis,
    Axis,
    Figure,
    HLine,
    Line,
    Panel,
    Points,
    Result,
    axes_of,
    compare,
    cramer_rao,
    describe,
    error_bars,
    evenly,
    family,
    few_cells,
    has_limits,
    hookimpl,
    optimal_kl,
    optimal_nll,
    option,
    posterior,
    uniform,
)

WEIGHTS = 41  # points of the curve of models that are best at their beta
POINTS = 9  # values of the first parameter that the Bayes posterior is judged at
UNEVEN = 10  # of the worst cell's excess over the typical one, from which on a linear axis shows it alone


@dataclass(frozen=True)
class Options:
    n: int = option(4000, "fresh trajectories, rounded up to as many in every cell", low=1, high=1_000_000)
    posteriors: int = option(
        200, "trajectories for each point of the Bayes posterior's error; 0 for none", low=0, high=10_000
    )


class LimitsAnalysis(Analysis):
    name = "limits"
    title = "Limits"
    order = 6
    options = Options
    needs = ("model",)

    def compute(self, context):
        """`excess` (first, last): the NLL of a trajectory above the entropy of its cell, in nats.

        `cramer_rao` (p, first) and `bayes` (p, points), with standard errors `bayes_se`, are errors of
        estimates on each parameter's own scale, against the first parameter. `best_kl` and `best_excess`
        (weights,), in nats, are of the models that are best at each beta from the true one to the training's.
        """
        process, options, beta = context.process, context.options, context.checkpoint.beta
        if not has_limits(process):
            return Result(scalars={"empty": f"No exact limit is known for {process.name}."})
        seed, steps = context.data.seed, context.model.args.o_dim
        found = compare(
            context.model, process, context.grid, options.n, seed, beta=beta, progress=context.progress
        )
        bound, known, grid = found.bound, found.limits, found.grid
        ends = [process.parameters[0], process.parameters[-1]][: len(process.parameters)]
        points, errors, uncertain = bayes(context, grid)
        return Result(
            arrays={
                "first": grid.values[ends[0].name],
                "last": grid.values[ends[-1].name],
                "excess": known.predicted * over_ends(bound.excess.reshape(grid.shape)),
                "cramer_rao": cramer_rao(process, few_cells(process, grid, grid.shape[0]).cells, steps).T,
                "points": points,
                "bayes": errors,
                "bayes_se": uncertain,
                "names": np.array([on_scale(parameter) for parameter in process.parameters]),
                **best(known, len(bound.surviving), beta),
                **describe(ends),
            },
            scalars={
                "n": bound.n,
                "beta": beta,
                "beta_true_units": beta and beta * known.predicted,
                "surviving": bound.surviving,
                "nll": bound.nll.value,
                "kl": float(bound.kl_latents.sum()),
                "neg_elbo": bound.neg_elbo.value,
                "neg_elbo_se": bound.neg_elbo.error,
                "limits": dataclasses.asdict(known) | {"floor": known.floor, "bound": known.bound},
                "gap": dataclasses.asdict(found.gap),
            },
        )

    def figure(self, result):
        if "empty" in result.scalars:
            return Figure(panels=(), title=self.title, caption=result.scalars["empty"])
        return Figure(
            panels=(excess_of(result), plane_of(result), *errors_of(result)),
            title=self.title,
            caption=caption(result.scalars),
            columns=2,
        )


def on_scale(parameter):
    return f"ln {parameter.label}" if parameter.scale == "log" else parameter.label


def over_ends(values):
    """Values over a grid as (first, last): averaged over all parameters between, and (first, 1) of one."""
    if values.ndim == 1:
        return values[:, None]
    return values.mean(axis=tuple(range(1, values.ndim - 1)))


def bayes(context, grid):
    """The error of posterior means at some values (k,) of the first parameter, and its standard error.

    It is the root of their mean squared errors (p, k). All other parameters are uniform between the ends of
    the grid, which is the prior.
    """
    process, each, values = context.process, context.options.posteriors, next(iter(grid.values.values()))
    points = values[evenly(len(values), POINTS)]
    if not each:
        return points[:0], *np.empty((2, len(process.parameters), 0))
    rng = context.rng()
    theta = uniform(process, each * len(points), rng, grid)
    theta[:, 0] = np.repeat(points, each)
    x = process.displacements(rng, theta, context.model.args.o_dim)
    found = posterior(
        process, x, grid=grid, progress=lambda done, total: context.progress(done, total, "estimating")
    )
    truth = [p.to_scale(column) for p, column in zip(process.parameters, theta.T, strict=True)]
    squares = ((found.mean - np.stack(truth, axis=1)) ** 2).reshape(len(points), each, -1)
    error = np.sqrt(squares.mean(axis=1)).T
    with np.errstate(invalid="ignore"):  # where a parameter is known, or guessed rightly from nothing
        return points, error, squares.std(axis=1).T / np.sqrt(each) / (2 * error)


def best(known, survivors, beta):
    """KL and excess of the best models with as many latents, from the true weight to that of the training."""
    if not beta or not survivors:
        return {}
    weights = np.geomspace(1.0, beta * known.predicted, WEIGHTS)
    nll = np.array([optimal_nll(known, survivors, weight) for weight in weights])
    return {
        "best_kl": np.array([optimal_kl(known, survivors, weight) for weight in weights]),
        "best_excess": known.predicted * (nll - known.entropy),
    }


def predicted(known):
    return known["steps"] - known["receptive_field"]


def caption(found):
    """The gap, its two parts and what they are at best at this beta; then the levels that it lies between."""
    gap, known, weight, n = (
        found["gap"],
        found["limits"],
        found["beta_true_units"],
        predicted(found["limits"]),
    )
    digits = 1 if gap["error"] >= 0.1 else 2  # those that are known
    told = f"Gap {gap['nats']:.{digits}f} ± {gap['error']:.{digits}f} nats"
    told += f": decoder {gap['decoder']:+.{digits}f}, encoder {gap['encoder']:+.{digits}f}"
    if gap["decoder_optimal"] is not None and not math.isclose(weight, 1, rel_tol=0.05):
        told += f"; best at β {weight:.2g}/{n}: "
        told += f"{gap['decoder_optimal']:+.{digits}f}, {gap['encoder_optimal']:+.{digits}f}"
    return (
        f"{told}. Nats per step: -ELBO {found['neg_elbo']:.4f}, H + I/{n} {known['bound']:.4f}, "
        f"floor {known['floor']:.4f}, H {known['entropy']:.5f}; I {known['information']:.2f} nats."
    )


def excess_of(result):
    """A line for each value of the last parameter, over the zero that is as good as can be."""
    arrays, sizes = result.arrays, np.abs(result.arrays["excess"])
    marks = [HLine(y=0.0, muted=True)]
    if len(arrays["labels"]) == 1:
        marks.append(Line(x=arrays["first"], y=arrays["excess"][:, 0], color=0))
    else:
        for k, shade, label in family(arrays["last"]):
            marks.append(Line(x=arrays["first"], y=arrays["excess"][:, k], shade=shade, label=label))
    return Panel(
        title="NLL above each cell's entropy",
        x=axes_of(arrays)[0],
        y=Axis(label="nats", scale="symlog" if sizes.max() > UNEVEN * np.median(sizes) else "linear"),
        marks=tuple(marks),
        legend=arrays["labels"][1].item() if len(arrays["labels"]) > 1 else "",
    )


def plane_of(result):
    """What the model pays for and what it gets for it; -ELBO is the same along falling diagonals."""
    arrays, found, known = result.arrays, result.scalars, result.scalars["limits"]
    n = predicted(known)
    kl, distortion = found["kl"], n * (found["nll"] - known["entropy"])
    best_kl, best_excess = (arrays.get(name, np.empty(0)) for name in ("best_kl", "best_excess"))
    right = 1.2 * max(kl, known["information"])
    top, bottom = max(distortion, known["information"], *best_excess), min(distortion, 0.0, *best_excess)
    margin = 0.1 * (top - bottom)
    across = np.array([0.0, right])
    floor, bound = (n * (known[name] - known["entropy"]) - across for name in ("floor", "bound"))
    marks = [
        Line(x=across, y=floor, muted=True, dashed=True, label="floor"),
        Line(x=across, y=bound, muted=True, label=f"H + I/{n}"),
    ]
    if len(best_kl):
        marks.append(Line(x=best_kl, y=best_excess, color=1))
        marks.append(Points(x=best_kl[-1:], y=best_excess[-1:], color=1, label="best at β"))
    gap = np.array([known["information"] - kl, distortion])
    marks.append(Line(x=np.array([kl, kl]), y=gap, color=0))
    marks.append(Points(x=np.array([kl]), y=gap[1:], color=0, label="model"))
    return Panel(
        title="Rate and distortion",
        x=Axis(label="KL", unit="nats", low=0.0, high=right),
        y=Axis(label="NLL above H", unit="nats", low=bottom - margin, high=top + margin),
        marks=tuple(marks),
    )


def errors_of(result):
    """For each parameter the least standard deviation of estimates, and the error of the Bayes posterior."""
    arrays = result.arrays
    for k, name in enumerate(arrays["names"].tolist()):
        marks = [Line(x=arrays["first"], y=arrays["cramer_rao"][k], muted=True, label="Cramér-Rao")]
        if len(arrays["points"]):
            error = arrays["bayes"][k]
            marks += error_bars(arrays["points"], error, arrays["bayes_se"][k], color=0)
            marks.append(Points(x=arrays["points"], y=error, color=0, label="Bayes posterior mean"))
        yield Panel(
            title=f"Least error of {name}", x=axes_of(arrays)[0], y=Axis(label="sd"), marks=tuple(marks)
        )


@hookimpl
def register_analyses(register):
    register(LimitsAnalysis())
