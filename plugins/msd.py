"""MSD: how far trajectories get in a given time, averaged over time (TA) and over the ensemble (EA).

Of trajectories that the model generates like fresh ones of few cells, or of the data themselves. The local
slope of the TA-MSD tells whether its exponent changes at the receptive field R, which is all that the model
sees of the past. Theory is that of the time that is generated: it begins R + 1 steps after the process does.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from spivae.api import (
    NO_LATENTS,
    Analysis,
    Array,
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
    ea_msd,
    evenly,
    expected,
    family,
    few_cells,
    finite_rows,
    hookimpl,
    moving_slope,
    nearest,
    option,
    positions_of,
    spread_lags,
    ta_msd,
)

TOGETHER = 4096  # trajectories of the data looked at side by side


@dataclass(frozen=True)
class Options:
    source: str = option(
        "generated", "the model's trajectories, or the data's", choices=("generated", "data")
    )
    curves: int = option(5, "values of the first parameter, a curve each", low=1, high=100)
    value: float | None = option(None, "value of the last parameter (default: the middle one)")
    n: int = option(50, "trajectories generated in each cell", low=1, high=2000)
    length: int | None = option(
        None, "displacements of each (default: as many as in training)", low=8, high=100_000
    )
    window: float = option(0.7, "decades of the lag that a slope is taken over", low=0.01, high=5.0)


@dataclass(frozen=True)
class Curves:
    """Trajectories for each curve, in parts (n, length), with their parameters, from time `begins_at` on."""

    values: Array
    value: float
    thetas: list[Array]
    trajectories: Iterable[Iterable[Array]]
    length: int
    begins_at: int = 0


class Msd(Analysis):
    name = "msd"
    title = "MSD"
    order = 12
    options = Options
    needs = ("model", "dataset")

    def compute(self, context):
        """Arrays `ta_msd`, `slope` and `ea_msd` (curves, lags) at lags `lag`, each with its `_theory`."""
        options = context.options
        if options.source == "generated" and not context.model.args.latents:
            return Result(scalars={"empty": NO_LATENTS})
        curves = of_data(context) if options.source == "data" else of_model(context)
        lags = spread_lags(1, curves.length // 2)
        if not np.isfinite(moving_slope(lags, lags, options.window)).any():
            raise SpivaeError(
                f"option window: {options.window:g} decades never hold two lags, and a slope needs two points"
            )
        time, ensemble, diverged = zip(*(averaged(parts, lags) for parts in curves.trajectories), strict=True)
        arrays = {"ta_msd": np.array(time), "ea_msd": np.array(ensemble)}
        arrays |= theory(context.process, curves, lags)
        for name in ("slope", "slope_theory"):
            msd = name.replace("slope", "ta_msd")
            if msd in arrays:
                arrays[name] = moving_slope(lags, arrays[msd], options.window)
        return Result(
            arrays={"lag": lags, "values": curves.values, **arrays, **describe(context.process.parameters)},
            scalars={
                "source": options.source,
                "length": curves.length,
                "value": curves.value,
                "receptive_field": context.model.receptive_field,
                "diverged": sum(diverged),
            },
        )

    def figure(self, result):
        if "empty" in result.scalars:
            return Figure(panels=(), title=self.title, caption=result.scalars["empty"])
        arrays, found = result.arrays, result.scalars
        labels = arrays["labels"].tolist()
        where = f" at {labels[-1]} = {found['value']:.3g}" if len(labels) > 1 else ""
        ratios = {}
        if "ta_msd_theory" in arrays:
            ratios["ratio"] = arrays["ta_msd"] / arrays["ta_msd_theory"]
        panels = [
            Panel(
                title=title,
                x=Axis(label="lag" if name != "ea_msd" else "t", scale="log"),
                y=Axis(label=label, scale=scale),
                marks=tuple(marks_of(arrays | ratios, name, found)),
                legend=labels[0],
            )
            for name, title, label, scale in (
                ("ta_msd", f"TA-MSD{where}", "TA-MSD", "log"),
                ("slope", "Slope of the TA-MSD", "slope", "linear"),
                ("ea_msd", f"EA-MSD{where}", "EA-MSD", "log"),
                ("ratio", "TA-MSD over theory", "ratio", "log"),
            )
            if name in arrays | ratios
        ]
        return Figure(panels=tuple(panels), title=self.title, caption=caption(result), columns=2)


def of_model(context):
    """Trajectories generated like fresh ones of few cells."""
    options = context.options
    grid = few_cells(context.process, context.grid, options.curves, value=options.value)
    length = options.length or context.model.args.o_dim
    made = context.generate_in_parts(grid.cells, options.n, length, context.rng())
    thetas = [cell[None] for cell in grid.cells]
    return Curves(grid.cells[:, 0], float(grid.cells[0, -1]), thetas, made, length, context.begins_at)


def of_data(context):
    """The data's own trajectories in few cells."""
    dataset, process, options = context.dataset, context.process, context.options
    length = options.length or dataset.steps
    if length > dataset.steps:
        raise SpivaeError(
            f"option length: these data have {dataset.steps} displacements, not {length}; "
            "generated trajectories can be longer (source)"
        )
    names = process.names if len(process.names) == 1 else (process.names[0], process.names[-1])
    cells = dataset.cells_by(*names)
    rows, last = cells.rows, cells.values[-1]
    if len(names) > 1:
        middle = len(last) // 2
        at = middle if options.value is None else nearest(last, options.value, process.parameters[-1].scale)
        rows, last = rows[:, at], last[at]
    kept = np.array([k for k, some in enumerate(rows) if len(some)])
    kept = kept[evenly(len(kept), options.curves)]
    return Curves(
        cells.values[0][kept],
        float(last if len(names) > 1 else last[kept[0]]),
        [dataset.theta[rows[k]] for k in kept],
        (in_parts(dataset.displacements[:, 0, :length], rows[k]) for k in kept),
        length,
    )


def in_parts(displacements, rows):
    """These rows of displacements, TOGETHER of them at a time."""
    for start in range(0, len(rows), TOGETHER):
        yield displacements[rows[start : start + TOGETHER]]


def averaged(parts, lags):
    """The mean TA-MSD and the EA-MSD at the lags, NaN of no trajectory, and how many diverged."""
    time, ensemble, count, diverged = np.zeros(len(lags)), np.zeros(len(lags)), 0, 0
    for displacements in parts:
        kept = finite_rows(displacements)
        count, diverged = count + len(kept), diverged + len(displacements) - len(kept)
        if len(kept):
            positions = positions_of(kept)
            time += ta_msd(positions, lags).sum(axis=0)
            ensemble += ea_msd(positions)[lags] * len(kept)
    some = count or np.nan
    return time / some, ensemble / some, diverged


def theory(process, curves, lags):
    """What exact trajectories of the curves' parameters have on average, where that is known."""
    known = Expectations(process)

    def over_time(cells, at):
        return known.ta_msd(cells, at, curves.length, curves.begins_at)

    def over_the_ensemble(cells, at):
        return known.ea_msd(cells, at, curves.begins_at)

    found = {}
    for name, closed_form in (("ta_msd_theory", over_time), ("ea_msd_theory", over_the_ensemble)):
        rows = [expected(closed_form, theta, lags) for theta in curves.thetas]
        if rows[0] is not None:
            found[name] = np.array(rows)
    return found


def marks_of(arrays, name, found):
    """A curve a value of the first parameter over its theory, and the receptive field where it matters."""
    if found["source"] == "generated" and name != "ea_msd":
        yield VLine(x=float(found["receptive_field"]), muted=True)
    if name == "ratio":
        yield HLine(y=1.0, muted=True)
    for k, shade, label in family(arrays["values"]):
        if f"{name}_theory" in arrays:
            yield Line(x=arrays["lag"], y=arrays[f"{name}_theory"][k], muted=True, dashed=True)
        yield Line(x=arrays["lag"], y=arrays[name][k], shade=shade, label=label)


def caption(result):
    found, told = result.scalars, []
    if "ta_msd_theory" in result.arrays:
        told.append("Dashed: theory.")
    if found["source"] == "generated":
        told.append(f"Vertical: the receptive field, {found['receptive_field']}.")
    if found["diverged"]:
        told.append(f"Diverged and left out: {found['diverged']}.")
    return " ".join(told)


@hookimpl
def register_analyses(register):
    register(Msd())
