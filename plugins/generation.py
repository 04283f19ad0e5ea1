"""Generated: are the trajectories that a model makes those of the process it was trained on?

Fresh trajectories of few cells are encoded, and as many generated from their latents. Their mean
displacement and their diffusion coefficient D(t) = <dx^2> / 2, in windows of ten steps, are compared with
theory, and so is their exponent. Where displacements are independent, as in SBM, that is read from how their
variance changes with time: once rightly, and once as the seed reads it, which takes the first generated step
for the process's first. Where they are stationary, as in FBM, the TA-MSD over lags 1 to 10 tells it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spivae.api import (
    DIFFUSION_WINDOW,
    NO_LATENTS,
    Analysis,
    Axis,
    Figure,
    HLine,
    Line,
    Panel,
    Points,
    Result,
    axes_of,
    check_capacity,
    describe,
    error_bars,
    family,
    few_cells,
    hookimpl,
    judge_generated,
    option,
)

HELD = 16  # float32 numbers in the statistics of each displacement of a cell, and of what theory says
READINGS = {"alpha": "α_g", "alpha_seed": "as the seed reads it"}


@dataclass(frozen=True)
class Options:
    curves: int = option(5, "values of the first parameter, a curve each", low=1, high=100)
    panels: int = option(2, "values of the last parameter, a panel each", low=1, high=100)
    value: float | None = option(None, "show only the panel nearest to this value of the last parameter")
    n: int = option(100, "trajectories generated in each cell", low=2, high=10_000)
    length: int | None = option(
        None, "displacements of each (default: as many as in training)", low=10, high=100_000
    )


class Generated(Analysis):
    name = "generated"
    title = "Generated"
    order = 10
    options = Options
    needs = ("model",)

    def compute(self, context):
        """Arrays `drift`, `D_t` and theirs in theory (curves, panels, windows) at times `t`.

        `drift` is the mean displacement in units of the displacements' root mean square. `alpha_read`
        and `alpha_seed_read` (curves, panels) are there, with errors, where an estimator is right for them.
        """
        process, options = context.process, context.options
        if not context.model.args.latents:
            return Result(scalars={"empty": NO_LATENTS})
        grid = few_cells(process, context.grid, options.curves, options.panels, options.value)
        length = options.length or max(context.model.args.o_dim, DIFFUSION_WINDOW)
        check_capacity(len(grid.cells), length, HELD, "cells", "fewer curves or panels, or a shorter length")
        parts = context.generate_like(np.repeat(grid.cells, options.n, axis=0), length, context.rng())
        found = judge_generated(parts, process, grid, options.n, length, context.begins_at)
        ends = [process.parameters[0], process.parameters[-1]][: len(process.parameters)]
        with np.errstate(invalid="ignore"):  # where nothing moves
            shown = {"drift": found.drift / np.sqrt(found.square), "D_t": found.square / 2}
        if found.square_theory is not None:
            shown["drift_theory"] = found.drift_theory / np.sqrt(found.square_theory)
            shown["D_t_theory"] = found.square_theory / 2
        for name, reading in zip(READINGS, (found.alpha, found.alpha_seed), strict=True):
            if reading is not None and ends[0].name == "alpha":
                shown |= {f"{name}_read": reading.mean, f"{name}_error": reading.error}
        shape = (len(grid.values[ends[0].name]), -1)
        arrays = {
            name: values.reshape(*shape, *values.shape[len(grid.shape) :]) for name, values in shown.items()
        }
        return Result(
            arrays=arrays
            | {"t": found.times, "first": grid.values[ends[0].name], "last": grid.values[ends[-1].name]}
            | describe(ends),
            scalars=found.to_json(),
        )

    def figure(self, result):
        if "empty" in result.scalars:
            return Figure(panels=(), title=self.title, caption=result.scalars["empty"])
        panels = [mean_of(result), *diffusion_of(result)]
        if "alpha_read" in result.arrays:
            panels.append(exponents_of(result))
        return Figure(panels=tuple(panels), title=self.title, caption=caption(result.scalars), columns=2)


def caption(found):
    """How far the trajectories are from theory, beside what noise alone does."""
    if found["not_finite"]:
        return f"Dashed: theory. Trajectories that diverged: {found['not_finite']}; their cells are left out."
    if found["diffusivity_worst_ratio"] is None:
        return ""
    worst, noise = found["diffusivity_worst_ratio"], found["diffusivity_worst_noise"]
    told = f"Dashed: theory. D(t) off by ×{worst:.2g} at worst (noise ×{noise:.2g})"
    if found["alpha_mae"] is not None:
        told += f"; α_g by {found['alpha_mae']:.2f} ({found['alpha_mae_noise']:.2f})"
    return told + "."


def at_each_value(result):
    """For each panel the words that tell its value of the last parameter; none for a single parameter."""
    if len(result.arrays["labels"]) == 1:
        return [""]
    label = result.arrays["labels"][1].item()
    return [f" at {label} = {value:.3g}" for value in result.arrays["last"]]


def mean_of(result):
    """The mean displacement, which theory wants at 0 where nothing drives the process."""
    t, arrays = result.arrays["t"], result.arrays
    driven = "drift_theory" in arrays and arrays["drift_theory"].any()
    marks = [] if driven else [HLine(y=0.0, muted=True)]
    for k, shade, label in family(arrays["first"]):
        for panel, curve in enumerate(arrays["drift"][k]):
            if driven:
                marks.append(Line(x=t, y=arrays["drift_theory"][k, panel], muted=True, dashed=True))
            marks.append(Line(x=t, y=curve, shade=shade, label=label if panel == 0 else ""))
    return Panel(
        title="Mean displacement",
        x=Axis(label="t"),
        y=Axis(label="⟨Δx⟩/σ"),
        marks=tuple(marks),
        legend=arrays["labels"][0].item(),
    )


def diffusion_of(result):
    """D(t) over its theory, a panel for each value of the last parameter."""
    t, arrays = result.arrays["t"], result.arrays
    for panel, where in enumerate(at_each_value(result)):
        marks = []
        for k, shade, label in family(arrays["first"]):
            if "D_t_theory" in arrays:
                marks.append(Line(x=t, y=arrays["D_t_theory"][k, panel], muted=True, dashed=True))
            marks.append(Line(x=t, y=arrays["D_t"][k, panel], shade=shade, label=label))
        yield Panel(
            title=f"D(t){where}",
            x=Axis(label="t"),
            y=Axis(label="⟨Δx²⟩/2", scale="log"),
            marks=tuple(marks),
            legend=arrays["labels"][0].item(),
        )


def exponents_of(result):
    """The exponent that is read against the true one, over all values of the last parameter."""
    arrays, alpha = result.arrays, result.arrays["first"]
    marks = [Line(x=alpha, y=alpha, muted=True, dashed=True)]
    for color, (name, label) in reversed(list(enumerate(READINGS.items()))):  # the right one on top
        if f"{name}_read" in arrays:
            mean, error = of_known(arrays[f"{name}_read"], arrays[f"{name}_error"])
            marks += error_bars(alpha, mean, error, color)
            marks.append(Points(x=alpha, y=mean, color=color, label=label))
    return Panel(
        title="Exponent of what is generated", x=axes_of(arrays)[0], y=Axis(label="α_g"), marks=tuple(marks)
    )


def of_known(means, errors):
    """Mean and its error (k,) over the finite ones of means (k, panels); NaN where there is none."""
    known = np.isfinite(means)
    count = np.where(known.any(axis=1), known.sum(axis=1), np.nan)
    spread = np.sqrt(np.where(known, errors**2, 0).sum(axis=1))
    return np.where(known, means, 0).sum(axis=1) / count, spread / count


@hookimpl
def register_analyses(register):
    register(Generated())
