"""Exponents: is the exponent the same before and beyond the receptive field?

A model sees the last R displacements (its receptive field); what reaches further, its latents must tell it.
For each alpha, the slope of the ensemble's TA-MSD over lags below R and over lags above R, up to a quarter of
the length. Generate long trajectories to see far beyond. Where theory's own slope is not alpha, as for SBM,
whose TA-MSD grows linearly whatever alpha is, it is drawn as well. The exponent shows there in how squared
displacements change with time: the ensemble's TEA-MSD tells it.
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
    Line,
    Panel,
    Points,
    Result,
    SpivaeError,
    TeaMsd,
    axes_of,
    describe,
    ensemble_slope,
    error_bars,
    few_cells,
    finite_rows,
    hookimpl,
    option,
    positions_of,
    spread_lags,
    ta_msd,
)

SIDES = ("before", "beyond")
DIFFERENT = 0.01  # of a slope in theory from alpha, to be worth a curve
SHORTEST = 3  # receptive field below which there are two lags


@dataclass(frozen=True)
class Options:
    curves: int = option(9, "values of alpha", low=1, high=200)
    value: float | None = option(None, "value of the last parameter (default: the middle one)")
    n: int = option(50, "trajectories generated for each alpha", low=2, high=2000)
    length: int | None = option(
        None, "displacements of each (default: as in training, or what R needs)", low=8, high=100_000
    )


class Exponents(Analysis):
    name = "exponents"
    title = "Exponents"
    order = 13
    options = Options
    needs = ("model",)

    def compute(self, context):
        """Arrays `before` and `beyond` (k,) at `alpha`, with standard errors `_error` and `_theory`.

        `tea` and `tea_error` (k,) are there for a process whose displacements are independent.
        """
        process, options, field = context.process, context.options, context.model.receptive_field
        if process.names[0] != "alpha":
            return Result(scalars={"empty": f"{process.title}: its first parameter is no exponent alpha."})
        if not context.model.args.latents:
            return Result(scalars={"empty": NO_LATENTS})
        if field < SHORTEST:
            return Result(scalars={"empty": f"A slope needs two lags below the receptive field, {field}."})
        length = options.length or max(context.model.args.o_dim, 4 * (field + 2))
        lags = lags_of(field, length)
        grid = few_cells(process, context.grid, options.curves, value=options.value)
        scalars = {"receptive_field": field, "length": length, "n": options.n, "diverged": 0}
        slopes, tea, known = {side: [] for side in SIDES}, [], Expectations(process)
        for parts in context.generate_in_parts(grid.cells, options.n, length, context.rng()):
            ensemble, msd = TeaMsd(options.n), {side: [] for side in SIDES}
            for displacements in parts:
                kept = finite_rows(displacements)
                scalars["diverged"] += len(displacements) - len(kept)
                if len(kept):
                    positions = positions_of(kept)
                    for side in SIDES:
                        msd[side].append(ta_msd(positions, lags[side]))
                    if known.memory == "independent":
                        ensemble.add(kept)
            for side in SIDES:
                slopes[side].append(slope_of(msd[side], lags[side]))
            tea.append(ensemble.exponent(context.begins_at))
        arrays = {"alpha": grid.cells[:, 0], **describe(process.parameters)}
        if known.memory == "independent":
            arrays["tea"], arrays["tea_error"] = np.array(tea).T
            scalars["tea_mae"] = mean_of_known(np.abs(arrays["tea"] - arrays["alpha"]))
        for side in SIDES:
            arrays[side], arrays[f"{side}_error"] = np.array(slopes[side]).T
            theory = known.ta_msd(grid.cells, lags[side], length, context.begins_at)
            if theory is not None:
                arrays[f"{side}_theory"] = np.array(
                    [ensemble_slope(lags[side], row[None])[0] for row in theory]
                )
            error = np.abs(arrays[side] - arrays.get(f"{side}_theory", arrays["alpha"]))
            scalars[f"{side}_mae"] = mean_of_known(error)
            scalars[f"{side}_lags"] = [int(lags[side][0]), int(lags[side][-1])]
        if len(process.names) > 1:
            scalars["value"] = float(grid.cells[0, -1])
        return Result(arrays=arrays, scalars=scalars)

    def figure(self, result):
        if "empty" in result.scalars:
            return Figure(panels=(), title=self.title, caption=result.scalars["empty"])
        arrays, found = result.arrays, result.scalars
        alpha, labels = arrays["alpha"], arrays["labels"].tolist()
        marks = [Line(x=alpha, y=alpha, muted=True, dashed=True)]
        for color, side in enumerate(SIDES):
            theory = arrays.get(f"{side}_theory")
            if theory is not None and np.abs(theory - alpha).max() > DIFFERENT:
                marks.append(Line(x=alpha, y=theory, muted=True))
            low, high = found[f"{side}_lags"]
            marks += error_bars(alpha, arrays[side], arrays[f"{side}_error"], color)
            marks.append(Points(x=alpha, y=arrays[side], color=color, label=f"{side}: lags {low}-{high}"))
        if "tea" in arrays:
            marks += error_bars(alpha, arrays["tea"], arrays["tea_error"], len(SIDES))
            marks.append(Points(x=alpha, y=arrays["tea"], color=len(SIDES), label="TEA-MSD"))
        where = f" at {labels[-1]} = {found['value']:.3g}" if "value" in found else ""
        panel = Panel(
            title=f"Exponents{where}" if "tea" in arrays else f"Slope of the TA-MSD{where}",
            x=axes_of(arrays)[0],
            y=Axis(label="α_g"),
            marks=tuple(marks),
            legend=f"R = {found['receptive_field']}",
        )
        return Figure(panels=(panel,), title=self.title, caption=caption(result))


def slope_of(parts, lags):
    """Slope of the TA-MSDs (n, lags) of an ensemble, with its error; NaN of fewer than two trajectories."""
    msd = np.concatenate(parts) if parts else ()
    return ensemble_slope(lags, msd) if len(msd) > 1 else (np.nan, np.nan)


def mean_of_known(values):
    """The mean of the finite ones, or None where there is none."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else None


def lags_of(field, length):
    """Lags below the receptive field, and above it up to a quarter of the length, for averages to be good."""
    if length // 4 < field + 2:
        raise SpivaeError(
            f"option length: a slope needs two lags beyond the receptive field of {field}, and a quarter of "
            f"{length} displacements does not reach them; give {4 * (field + 2)} or more"
        )
    return {"before": spread_lags(1, field - 1), "beyond": spread_lags(field + 1, length // 4)}


def caption(result):
    found, arrays = result.scalars, result.arrays
    told = f"Dashed: α. {found['length']:,} steps."
    if "before_theory" in arrays:
        theory = np.concatenate([arrays[f"{side}_theory"] for side in SIDES])
        if np.abs(theory - np.tile(arrays["alpha"], 2)).max() > DIFFERENT:
            told = told.replace("α.", "α; full: theory.")
    if found["diverged"]:
        return f"{told} Diverged and left out: {found['diverged']}."
    return f"{told} Off by {found['before_mae']:.2g} before R, {found['beyond_mae']:.2g} beyond."


@hookimpl
def register_analyses(register):
    register(Exponents())
