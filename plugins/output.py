"""Output: does the model predict displacements with the right mean and the right diffusion coefficient?

For each parameter cell, the predicted mean and D_out = sigma_out^2 / 2 against time, sigma_out being the
cell's mean of the predicted standard deviation. Column j of the predictions describes the displacement that
ends at time j + R + 1 (R = receptive field), and so does the theory it is compared with.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spivae.api import Analysis, Axis, Figure, HLine, Line, Panel, Result, hookimpl, option


@dataclass(frozen=True)
class Options:
    curves: int = option(5, "values of the first parameter, a curve each", low=1, high=100)
    panels: int = option(4, "values of the last parameter, a panel each", low=1, high=100)
    value: float | None = option(None, "show only the panel nearest to this value of the last parameter")
    seed_scaling: bool | None = option(
        None,
        "D_out as if the process began with the prediction: times (t / (t + R))^(alpha - 1); default for sbm",
    )


class Output(Analysis):
    name = "output"
    title = "Output"
    options = Options

    def compute(self, context):
        """Arrays `mu_out`, `D_out` and `theory` (curves, panels, times) at times `t`, and the grid values."""
        dataset, predictions, process = context.dataset, context.predictions, context.process
        values, counts = dataset.cells.values, dataset.cells.counts
        first, last = process.parameters[0], process.parameters[-1]
        t = np.arange(predictions.out_std.shape[1], dtype=float)
        unseen = dataset.steps - len(t)  # R, or 0 where the model pads its input
        scaled = context.options.seed_scaling
        if scaled is None:
            scaled = process.name == "sbm"
        scaled = scaled and process.names == ("alpha", "D")
        times = t + 1 if scaled else t + unseen + 1

        mean = dataset.cells.mean(predictions.out_mean)
        diffusion = dataset.cells.mean(predictions.out_std) ** 2 / 2
        if scaled:
            alpha = values[0][:, None, None]
            diffusion = diffusion * ((1 + t) / (t + unseen + 1)) ** (alpha - 1)
        theory = theory_of(process, values, times)

        curves, panels = chosen(values, context.options, last.scale)
        arrays = {"t": times, first.name: values[0][curves]}
        arrays["parameters"] = np.array([first.name, last.name][: len(values)])
        arrays["labels"] = np.array([first.label, last.label][: len(values)])
        if len(values) > 1:
            arrays[last.name] = values[-1][panels]
        for name, cells in (("mu_out", mean), ("D_out", diffusion), ("theory", theory)):
            if cells is not None:
                arrays[name] = over_middle(cells, counts)[np.ix_(curves, panels)]
        error = typical_error(arrays.get("D_out"), arrays.get("theory"))
        return Result(arrays=arrays, scalars={"diffusion_error": error})

    def figure(self, result):
        time, legend = Axis(label="t"), result.arrays["labels"][0].item()
        mean = Panel(
            title="Mean of the output",
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
            for panel, subtitle in enumerate(subtitles(result))
        ]
        caption = "Time from the first prediction." if result.arrays["t"][0] == 1 else ""
        error = result.scalars["diffusion_error"]
        if error is not None:
            caption = f"Dashed: theory; D_out is {error:.1%} off (median). {caption}".strip()
        return Figure(panels=(mean, *panels), title=self.title, caption=caption, columns=3)


def chosen(values, options, scale):
    """Which values of the first parameter get a curve, and which of the last a panel; as indices."""
    curves = evenly(len(values[0]), options.curves)
    if len(values) == 1:
        return curves, np.array([0])
    if options.value is not None:
        return curves, nearest(values[-1], options.value, scale)
    return curves, evenly(len(values[-1]), options.panels)


def theory_of(process, values, times):
    """The process's diffusion coefficient in every cell (grid..., times), or None where it has no formula."""
    cells = np.stack([axis.ravel() for axis in np.meshgrid(*values, indexing="ij")], axis=-1)
    diffusivity = process.diffusivity(cells, times)
    if diffusivity is None:
        return None
    return np.reshape(diffusivity, (*map(len, values), len(times)))


def over_middle(cells, counts):
    """Mean over all but the first and last parameter: (grid..., times) -> (first, last or 1, times)."""
    if counts.ndim == 1:
        return cells[:, None, :]
    middle = tuple(range(1, counts.ndim - 1))
    weight = counts.sum(axis=middle)[..., None]
    total = np.where(counts[..., None] > 0, cells * counts[..., None], 0).sum(axis=middle)
    return np.where(weight > 0, total / np.maximum(weight, 1), np.nan)


def evenly(count, wanted):
    """Indices of up to `wanted` of `count` values, both ends among them."""
    return np.unique(np.linspace(0, count - 1, min(wanted, count)).round().astype(int))


def nearest(values, wanted, scale):
    """Index (1,) of the value nearest to the wanted one on the parameter's scale."""
    if scale == "log":
        values, wanted = np.log(values), np.log(max(wanted, 1e-300))
    return np.array([np.abs(values - wanted).argmin()])


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
    """The predicted mean in every shown cell, which theory wants at 0 for unbiased processes."""
    yield HLine(y=0.0, muted=True)
    for k, shade, label in shades(result):
        for panel, curve in enumerate(result.arrays["mu_out"][k]):
            yield Line(x=result.arrays["t"], y=curve, shade=shade, label=label if panel == 0 else "")


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
