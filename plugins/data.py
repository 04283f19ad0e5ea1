"""Data: the trajectories a model is shown, before it is asked about them, and its loss on them.

How many there are for each value of each parameter; their ensemble-averaged mean squared displacement
(EA-MSD) and mean displacement from the start, against theory; the loss NLL + beta KL on a random batch and on
all of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spivae.api import (
    Analysis,
    Axis,
    Figure,
    Histogram,
    HLine,
    Line,
    Panel,
    Result,
    Text,
    axes_of,
    describe,
    edges_of,
    evenly,
    expected,
    hookimpl,
    nearest,
    option,
)

TOGETHER = 4096  # trajectories whose positions are held at once
MOST_BINS = 100  # of the counts; grids with more values are counted in equal bins


@dataclass(frozen=True)
class Options:
    curves: int = option(5, "values of the first parameter, a curve each", low=1, high=100)
    value: float | None = option(None, "value of the last parameter for the curves (default: the middle one)")
    batch: int = option(256, "trajectories in the batch whose loss is told", low=1, high=100_000)


class Data(Analysis):
    name = "data"
    title = "Data"
    order = 7
    options = Options

    def compute(self, context):
        """Arrays `msd`, `mean`, `error` (curves, L) at times `t`, and counts in edges for each parameter."""
        dataset, process = context.dataset, context.process
        names = process.names if len(process.names) == 1 else (process.names[0], process.names[-1])
        cells = dataset.cells_by(*names)
        curves = evenly(len(cells.values[0]), context.options.curves)
        arrays = {
            "t": np.arange(1, dataset.steps + 1),
            "values": cells.values[0][curves],
            **describe(process.parameters),
        }
        chosen, scalars = cells.rows[curves], loss_of(context)
        if len(names) > 1:
            at = middle_or_nearest(cells.values[1], context.options.value, process.parameters[-1].scale)
            chosen, scalars["value"] = chosen[:, at], float(cells.values[1][at])
        arrays |= moments(dataset, chosen) | theory(process, dataset, chosen)
        for parameter, column in zip(process.parameters, dataset.theta.T, strict=True):
            edges = edges_of(column, parameter.scale, MOST_BINS)
            arrays[f"{parameter.name}_edges"] = edges
            arrays[f"{parameter.name}_counts"] = np.histogram(column, edges)[0]
        scalars["parameters"] = list(process.names)
        return Result(arrays=arrays, scalars=scalars)

    def figure(self, result):
        return Figure(
            panels=(*curves_of(result), *counts_of(result)),
            title=self.title,
            caption=caption(result.scalars),
            columns=2,
        )


def loss_of(context):
    """The mean loss on all trajectories and on a batch of them, drawn at random."""
    predictions, beta = context.predictions, context.checkpoint.beta
    weight = 1 / predictions.steps if beta is None else beta
    nll, kl = predictions.nll.mean(axis=1, dtype=float), predictions.kl.sum(axis=1, dtype=float)
    loss = nll + weight * kl
    batch = context.rng().choice(len(loss), min(context.options.batch, len(loss)), replace=False)
    return {
        "loss": float(loss.mean()),
        "loss_batch": float(loss[batch].mean()),
        "nll": float(nll.mean()),
        "kl": float(kl.mean()),
        "beta": weight,
        "beta_of_checkpoint": beta is not None,
        "batch": len(batch),
        "trajectories": len(loss),
        "receptive_field": predictions.receptive_field,
        "latents": predictions.kl.shape[1],
    }


def middle_or_nearest(values, wanted, scale):
    """Index of the middle value, or of the one nearest to what is wanted."""
    return len(values) // 2 if wanted is None else nearest(values, wanted, scale)


def moments(dataset, chosen):
    """EA-MSD, mean displacement from the start and its standard error, a row for each of the chosen cells."""
    found = {name: np.full((len(chosen), dataset.steps), np.nan) for name in ("msd", "mean", "error")}
    for k, rows in enumerate(chosen):
        if len(rows) == 0:
            continue
        found["mean"][k] = sum(x.sum(axis=0) for x in positions_in_parts(dataset, rows)) / len(rows)
        found["msd"][k] = sum((x**2).sum(axis=0) for x in positions_in_parts(dataset, rows)) / len(rows)
        if len(rows) > 1:
            squares = sum(
                ((x - found["mean"][k]) ** 2).sum(axis=0) for x in positions_in_parts(dataset, rows)
            )
            found["error"][k] = np.sqrt(squares / (len(rows) - 1) / len(rows))
    return found


def positions_in_parts(dataset, rows):
    """Positions (n, L) at times 1 to L of these trajectories, TOGETHER of them at a time."""
    for start in range(0, len(rows), TOGETHER):
        yield np.cumsum(dataset.displacements[rows[start : start + TOGETHER], 0], axis=1, dtype=float)


def theory(process, dataset, chosen):
    """`msd_theory` and `mean_theory` (curves, L), each where the process has a closed form."""

    def drift(theta, steps):
        steady = process.mean(theta, steps)
        return None if steady is None else np.cumsum(steady, axis=1)

    found = {}
    for name, closed_form, times in (
        ("msd_theory", process.msd, np.arange(1, dataset.steps + 1)),
        ("mean_theory", drift, dataset.steps),
    ):
        curves = [expected(closed_form, dataset.theta[rows], times) if len(rows) else None for rows in chosen]
        if any(curve is not None for curve in curves):
            empty = np.full(dataset.steps, np.nan)
            found[name] = np.stack([empty if curve is None else curve for curve in curves])
    return found


def caption(found):
    """The losses with their beta, and the receptive field."""
    whose = "" if found["beta_of_checkpoint"] else ", the ELBO's"
    beta = f"β = {found['beta']:.3g}{whose}" if found["latents"] else "no latents"
    return (
        f"Loss {found['loss_batch']:.4f} on {found['batch']:,}, {found['loss']:.4f} on all "
        f"{found['trajectories']:,} ({beta}). Receptive field {found['receptive_field']}."
    )


def curves_of(result):
    """EA-MSD and mean displacement at one value of the last parameter, a curve a value of the first."""
    found, axes = result.arrays, axes_of(result.arrays)
    at = f" at {axes[-1].label} = {result.scalars['value']:.3g}" if "value" in result.scalars else ""
    look = [
        {"shade": k / max(len(found["values"]) - 1, 1), "label": f"{value:.3g}"}
        for k, value in enumerate(found["values"])
    ]
    order = list(reversed(range(len(look))))  # the largest first, as in the legend
    squares = [Line(x=found["t"], y=found["msd"][k], **look[k]) for k in order]
    if "msd_theory" in found:
        squares += [Line(x=found["t"], y=curve, muted=True, dashed=True) for curve in found["msd_theory"]]
    yield Panel(
        title=f"EA-MSD{at}",
        x=Axis(label="t", scale="log"),
        y=Axis(label="MSD", scale="log"),
        marks=tuple(squares),
        legend=axes[0].label,
    )
    if not np.isfinite(found["error"]).any():
        means = [Text(x=1.0, y=0.0, text="needs two trajectories in a cell")]
    else:
        means = deviations(found, look, order)
    yield Panel(
        title=f"Mean x{at}",
        x=Axis(label="t", scale="log"),
        y=Axis(label="standard errors"),
        marks=tuple(means),
        legend=axes[0].label,
    )


def deviations(found, look, order):
    """Mean displacements in units of their standard error, with guides at two of them."""
    marks = [HLine(y=float(y), muted=True, dashed=y != 0) for y in (-2, 0, 2)]
    marks += [Line(x=found["t"], y=found["mean"][k] / found["error"][k], **look[k]) for k in order]
    if "mean_theory" in found:
        drifts = found["mean_theory"] / found["error"]
        marks += [Line(x=found["t"], y=curve, muted=True, dashed=True) for curve in drifts]
    return marks


def counts_of(result):
    """How many trajectories there are for the values of each parameter."""
    for name, axis in zip(result.scalars["parameters"], axes_of(result.arrays), strict=True):
        counts = result.arrays[f"{name}_counts"]
        least, most = counts.min(), counts.max()
        told = f"{most:,}" if least == most else f"{least:,} to {most:,}"
        yield Panel(
            title=f"For each {axis.label}: {told}",
            x=axis,
            y=Axis(label="trajectories", low=0.0),
            marks=(Histogram(edges=result.arrays[f"{name}_edges"], counts=counts, color=0),),
        )


@hookimpl
def register_analyses(register):
    register(Data())
