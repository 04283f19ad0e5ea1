"""Output: does the model predict displacements with the right mean and the right diffusion coefficient?

For each parameter cell, the predicted mean and D_out = sigma_out^2 / 2 against time, sigma_out being the
cell's mean of the predicted standard deviation. Column j of the predictions describes the displacement that
ends at time j + R + 1 (R = receptive field), and so does the theory it is compared with: half the variance
of that displacement, given its parameters and the R displacements before. Where those tell something of the
next, as in FBM, it is less than half a displacement's mean square. It is known where the covariance is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spivae.api import (
    Analysis,
    Axis,
    CellIndex,
    Figure,
    HLine,
    Line,
    Panel,
    Result,
    evenly,
    has_limits,
    hookimpl,
    nearest,
    option,
    step_deviations,
)


@dataclass(frozen=True)
class Options:
    curves: int = option(5, "values of the first parameter, a curve each", low=1, high=100)
    panels: int | None = option(
        None, "values of the last parameter, a panel each (default: every one)", low=1, high=100
    )
    value: float | None = option(None, "show only the panel nearest to this value of the last parameter")
    seed_scaling: bool | None = option(
        None,
        "D_out as if the process began with the prediction: times (t / (t + R))^(alpha - 1); default for sbm",
    )


class Output(Analysis):
    name = "output"
    title = "Output"
    order = 3
    options = Options

    def compute(self, context):
        """Arrays `mu_out`, `D_out` and `theory` (curves, panels, times) at times `t`, and the grid values.

        `mu_theory` is there for a process that drifts.
        """
        dataset, predictions, process = context.dataset, context.predictions, context.process
        ends = [process.parameters[0], process.parameters[-1]][: len(process.parameters)]
        t = np.arange(predictions.out_std.shape[1], dtype=float)
        unseen = dataset.steps - len(t)  # R, or 0 where the model pads its input
        scaled = context.options.seed_scaling
        if scaled is None:
            scaled = process.name == "sbm"
        scaled = scaled and process.names == ("alpha", "D")
        times = t + 1 if scaled else t + unseen + 1

        cells = shown(dataset.cells_by(*(end.name for end in ends)), context.options, ends[-1].scale)

        def deviation_squared(rows):
            return predictions.out_std[rows].mean(axis=0, dtype=float) ** 2 / 2

        diffusion = over_other_parameters(deviation_squared, dataset.theta, cells.rows, len(t))
        if scaled:
            alpha = cells.values[0][:, None, None]
            diffusion = diffusion * ((1 + t) / (t + unseen + 1)) ** (alpha - 1)
        arrays = {
            "t": times,
            **{end.name: values for end, values in zip(ends, cells.values, strict=False)},
            "parameters": np.array([end.name for end in ends]),
            "labels": np.array([end.label for end in ends]),
            "mu_out": cells.mean(predictions.out_mean),
            "D_out": diffusion,
        }
        for name, values in theories(context, cells.rows, times if scaled else None).items():
            known = {tuple(point): row for point, row in zip(*values, strict=True)}
            arrays[name] = over_other_parameters(
                lambda rows, known=known: known[tuple(dataset.theta[rows[0]])],
                dataset.theta,
                cells.rows,
                len(t),
            )
        error = typical_error(diffusion, arrays.get("theory"))
        return Result(arrays=arrays, scalars={"diffusion_error": error})

    def figure(self, result):
        time, legend, where = Axis(label="t"), result.arrays["labels"][0].item(), subtitles(result)
        mean = Panel(
            title=" ".join(["Mean of the output", *where[-1]]),
            x=time,
            y=Axis(label="μ_out"),
            marks=tuple(means_of(result)),
            legend=legend,
        )
        panels = [
            Panel(
                title=" ".join(["D_out", *subtitle]),
                x=time,
                y=Axis(label="D_out", scale="log"),
                marks=tuple(diffusion_of(result, panel)),
                legend=legend,
            )
            for panel, subtitle in enumerate(where)
        ]
        caption = "Time from the first prediction." if result.arrays["t"][0] == 1 else ""
        error = result.scalars["diffusion_error"]
        if error is not None:
            told = f"{error:.1%}" if error < 10 else f"{error:.2g} times its value"
            caption = f"Dashed: theory; D_out is {told} off (median). {caption}".strip()
        return Figure(panels=(mean, *panels), title=self.title, caption=caption, columns=3)


def shown(cells, options, scale):
    """The cells to draw: curves of the first parameter, panels of the last (one, of a single parameter)."""
    curves = evenly(len(cells.values[0]), options.curves)
    if len(cells.values) == 1:
        return CellIndex((cells.values[0][curves],), cells.rows[curves][:, None])
    last = cells.values[1]
    if options.value is not None:
        panels = np.array([nearest(last, options.value, scale)])
    else:
        panels = evenly(len(last), options.panels or len(last))
    return CellIndex((cells.values[0][curves], last[panels]), cells.rows[np.ix_(curves, panels)])


def theories(context, rows, seed_times):
    """What is known of the output at the distinct parameters of these trajectories: those (k, p), and values.

    `theory` (k, times) is half the variance of each predicted step, given the steps that the model sees; or
    where times are scaled as the seed does, D(t) at `seed_times`. `mu_theory` is the mean of each.
    """
    process, dataset, predictions = context.process, context.dataset, context.predictions
    theta = np.unique(dataset.theta[np.concatenate(rows.ravel().tolist())], axis=0)
    length, found = predictions.steps, {}
    if seed_times is not None:
        found["theory"] = theta, process.diffusivity(theta, seed_times)
    elif has_limits(process):
        sd = step_deviations(process, theta, dataset.steps, predictions.receptive_field)
        found["theory"] = theta, sd[:, -length:] ** 2 / 2
    drift = process.mean(theta, dataset.steps)
    if drift is not None:
        found["mu_theory"] = theta, drift[:, -length:]
    return found


def over_other_parameters(of, theta, rows, length):
    """`of` the trajectories of one cell of the whole grid, averaged over the trajectories in each of `rows`.

    The answer is (curves, panels, length), NaN where there is no trajectory.
    """
    found = np.full((*rows.shape, length), np.nan)
    for cell in np.ndindex(rows.shape):
        if len(rows[cell]):
            _, group, counts = np.unique(theta[rows[cell]], axis=0, return_inverse=True, return_counts=True)
            parts = [of(rows[cell][group.ravel() == k]) for k in range(len(counts))]
            found[cell] = np.average(parts, axis=0, weights=counts)
    return found


def typical_error(diffusion, theory):
    """Median of |D_out / theory - 1|, or None where there is no theory."""
    if theory is None or not np.isfinite(diffusion).any():
        return None
    return float(np.nanmedian(np.abs(diffusion / theory - 1)))


def subtitles(result):
    """For each panel the words that tell its value of the last parameter; none for a single parameter."""
    if len(result.arrays["parameters"].tolist()) == 1:
        return [()]
    label, values = result.arrays["labels"][1].item(), result.arrays[result.arrays["parameters"][1].item()]
    return [("at", label, "=", f"{value:.3g}") for value in values]


def shades(result):
    """Index, shade and label of the curves, the largest value first as in the legend."""
    values = result.arrays[result.arrays["parameters"].tolist()[0]]
    for k in reversed(range(len(values))):
        yield k, k / max(len(values) - 1, 1), f"{values[k]:.3g}"


def means_of(result):
    """The predicted mean at the largest value of the last parameter; the others hide beneath its noise."""
    theory = result.arrays.get("mu_theory")
    if theory is None:
        yield HLine(y=0.0, muted=True)
    for k, shade, label in shades(result):
        if theory is not None:
            yield Line(x=result.arrays["t"], y=theory[k, -1], muted=True, dashed=True)
        yield Line(x=result.arrays["t"], y=result.arrays["mu_out"][k, -1], shade=shade, label=label)


def diffusion_of(result, panel):
    """D_out against time over its theory, and the line D that normal diffusion would follow."""
    t, theory = result.arrays["t"], result.arrays.get("theory")
    if result.arrays["parameters"].tolist()[-1] == "D" and len(result.arrays["parameters"].tolist()) > 1:
        yield HLine(y=float(result.arrays["D"][panel]), muted=True)
    for k, shade, label in shades(result):
        if theory is not None:
            yield Line(x=t, y=theory[k, panel], muted=True, dashed=True)
        yield Line(x=t, y=result.arrays["D_out"][k, panel], shade=shade, label=label)


@hookimpl
def register_analyses(register):
    register(Output())
