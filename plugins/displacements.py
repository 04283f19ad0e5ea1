"""Correlations: do generated displacements remember the earlier ones as those of the process do?

Autocorrelation of the displacements of trajectories generated like fresh ones of few cells, against theory. A
model sees R displacements at once (its receptive field); what it remembers for longer, its latents must tell
it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spivae.api import (
    NO_LATENTS,
    Analysis,
    Axis,
    Expectations,
    Figure,
    HLine,
    Line,
    Panel,
    Result,
    SpivaeError,
    VLine,
    describe,
    displacement_correlation,
    family,
    few_cells,
    finite_rows,
    hookimpl,
    option,
    spread_lags,
)

MEMORYLESS = 20  # lags for a model that sees nothing of the past


@dataclass(frozen=True)
class Options:
    curves: int = option(5, "values of the first parameter, a curve each", low=1, high=100)
    value: float | None = option(None, "value of the last parameter (default: the middle one)")
    n: int = option(100, "trajectories generated in each cell", low=3, high=2000)
    length: int | None = option(
        None, "displacements of each (default: as many as in training)", low=2, high=10_000
    )
    lags: int | None = option(None, "the longest lag (default: three receptive fields)", low=1)


class Correlations(Analysis):
    name = "correlations"
    title = "Correlations"
    order = 14
    options = Options
    needs = ("model",)

    def compute(self, context):
        """Arrays `correlation` and its standard `error` (curves, lags) at lags `lag`, and in `theory`."""
        process, options, field = context.process, context.options, context.model.receptive_field
        if not context.model.args.latents:
            return Result(scalars={"empty": NO_LATENTS})
        grid = few_cells(process, context.grid, options.curves, value=options.value)
        length = options.length or context.model.args.o_dim
        longest = options.lags or min(3 * field or MEMORYLESS, length - 1)
        if longest >= length:
            raise SpivaeError(
                f"option lags: the longest lag of {length} displacements is {length - 1}, not {longest}; "
                "generate longer ones (length)"
            )
        lags, found = spread_lags(1, longest), []
        unknown, diverged = np.full((2, len(lags)), np.nan), 0
        for displacements in context.generate_cells(grid.cells, options.n, length, context.rng()):
            kept = finite_rows(displacements)
            diverged += len(displacements) - len(kept)
            found.append(displacement_correlation(kept, lags) if len(kept) > 2 else unknown)
        theory = Expectations(process).correlation(grid.cells, lags)
        correlation, error = np.array(found).transpose(1, 0, 2)
        arrays = {
            "lag": lags,
            "correlation": correlation,
            "error": error,
            "values": grid.cells[:, 0],
            **describe(process.parameters),
        }
        scalars = {"receptive_field": field, "n": options.n, "length": length, "diverged": diverged}
        if len(process.parameters) > 1:
            scalars["value"] = float(grid.cells[0, -1])
        if theory is not None:
            arrays["theory"] = theory
            sigmas = (correlation - theory) / error
            scalars["within"] = rms(sigmas[:, lags <= field])
            scalars["beyond"] = rms(sigmas[:, lags > field])
        return Result(arrays=arrays, scalars=scalars)

    def figure(self, result):
        if "empty" in result.scalars:
            return Figure(panels=(), title=self.title, caption=result.scalars["empty"])
        arrays, found = result.arrays, result.scalars
        at, label = VLine(x=float(found["receptive_field"]), muted=True), arrays["labels"].tolist()
        where = f" at {label[-1]} = {found['value']:.3g}" if "value" in found else ""
        curves, away = [HLine(y=0.0, muted=True), at], [HLine(y=0.0, muted=True), at]
        for k, shade, name in family(arrays["values"]):
            if "theory" in arrays:
                curves.append(Line(x=arrays["lag"], y=arrays["theory"][k], muted=True, dashed=True))
                sigmas = (arrays["correlation"][k] - arrays["theory"][k]) / arrays["error"][k]
                away.append(Line(x=arrays["lag"], y=sigmas, shade=shade, label=name))
            curves.append(Line(x=arrays["lag"], y=arrays["correlation"][k], shade=shade, label=name))
        lag = Axis(label="lag", scale="log")
        panels = [
            Panel(
                title=f"Correlation of displacements{where}",
                x=lag,
                y=Axis(label="⟨Δx(t)Δx(t+lag)⟩/⟨Δx²⟩"),
                marks=tuple(curves),
                legend=label[0],
            )
        ]
        if "theory" in arrays:
            panels.append(
                Panel(
                    title="Away from theory",
                    x=lag,
                    y=Axis(label="standard errors"),
                    marks=tuple(away),
                    legend=label[0],
                )
            )
        return Figure(panels=tuple(panels), title=self.title, caption=caption(found), columns=1)


def rms(sigmas):
    """Root mean square of those that are known, or None of none."""
    known = sigmas[np.isfinite(sigmas)]
    return float(np.sqrt(np.mean(known**2))) if known.size else None


def caption(found):
    """Where the line stands, and how far from theory the curves are: 1 standard error is noise alone."""
    told = f"Vertical: R = {found['receptive_field']}."
    if found["diverged"]:
        told += f" Diverged and left out: {found['diverged']}."
    away = [
        f"{found[key]:.2g} {where}"
        for key, where in (("within", "up to R"), ("beyond", "beyond"))
        if found.get(key) is not None
    ]
    return f"{told} Standard errors off theory: {', '.join(away)}." if away else told


@hookimpl
def register_analyses(register):
    register(Correlations())
