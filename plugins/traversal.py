"""Traversal: what a latent does, seen in what the model generates when it alone is varied.

All other latents are 0. For each value of the latent, D(t) = <dx^2> / 2 in windows of ten steps, and the
exponent and D that fit the ensemble: see `EnsembleFit` for the estimators.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spivae.api import (
    DIFFUSION_WINDOW,
    NO_LATENTS,
    Analysis,
    Axis,
    EnsembleFit,
    Figure,
    HLine,
    Line,
    Panel,
    Points,
    Result,
    SpivaeError,
    check_latent,
    family,
    finite_rows,
    hookimpl,
    option,
    windows,
)

TOGETHER = 1000  # trajectories generated side by side, and
AT_ONCE = 8_000_000  # displacements (32 MB) of them at most
SHORTEST = 20  # displacements that a fit is worth


@dataclass(frozen=True)
class Options:
    latent: int | None = option(None, "latent to vary (default: the one with the largest KL)", low=0)
    low: float = option(-2.0, "its lowest value")
    high: float = option(2.0, "its highest value")
    values: int = option(9, "values between these, evenly spread", low=2, high=100)
    n: int = option(100, "trajectories generated for each value", low=2, high=2000)
    length: int | None = option(
        None, "displacements of each (default: as many as in training)", low=SHORTEST, high=100_000
    )


class Traversal(Analysis):
    name = "traversal"
    title = "Traversal"
    order = 11
    options = Options
    needs = ("model",)

    def compute(self, context):
        """Arrays `D_t` (values, windows) at times `t`, and `alpha` and `D` (values,) where a fit is known."""
        options, count = context.options, context.model.args.latents
        if not count and options.latent is None:
            return Result(scalars={"empty": NO_LATENTS})
        if not count:
            raise SpivaeError("option latent: this model has no latents, it is a WaveNet alone")
        if not options.low < options.high:
            raise SpivaeError(f"options low and high: {options.low:g} is not below {options.high:g}")
        check_latent(options.latent, count)
        latent = strongest(context.checkpoint, count) if options.latent is None else options.latent
        length = options.length or max(context.model.args.o_dim, SHORTEST)
        values = np.linspace(options.low, options.high, options.values)
        diffusion, fits, diverged = [], [], 0
        for parts in generated(context, latent, values, options.n, length):
            squares, count = np.zeros(length // DIFFUSION_WINDOW), 0
            fit = EnsembleFit(context.process, context.begins_at)
            for displacements in parts:
                kept = finite_rows(displacements)
                count, diverged = count + len(kept), diverged + len(displacements) - len(kept)
                if len(kept):
                    squares += (windows(kept.astype(float), DIFFUSION_WINDOW) ** 2).sum(axis=(0, 2))
                    fit.add(kept)
            diffusion.append(squares / (count * DIFFUSION_WINDOW or np.nan) / 2)
            fits.append(fit.found())
        arrays = {
            "value": values,
            "t": context.begins_at + DIFFUSION_WINDOW * (np.arange(len(diffusion[0])) + 0.5),
            "D_t": np.array(diffusion),
        }
        if fits[0] is not None:
            arrays["alpha"], arrays["D"] = np.transpose(fits)
        trained = {
            parameter.name: [parameter.low, parameter.high] for parameter in context.process.parameters
        }
        scalars = {"latent": latent, "n": options.n, "length": length, "diverged": diverged}
        return Result(arrays=arrays, scalars=scalars | {"trained": trained})

    def figure(self, result):
        if "empty" in result.scalars:
            return Figure(panels=(), title=self.title, caption=result.scalars["empty"])
        arrays, latent = result.arrays, f"z{result.scalars['latent']}"
        curves = Panel(
            title=f"D(t) for values of {latent}",
            x=Axis(label="t"),
            y=Axis(label="⟨Δx²⟩/2", scale="log"),
            marks=tuple(
                Line(x=arrays["t"], y=arrays["D_t"][k], shade=shade, label=label)
                for k, shade, label in family(arrays["value"])
            ),
            legend=latent,
        )
        panels = [curves]
        for name, label, scale in (("alpha", "α", "linear"), ("D", "D", "log")):
            if name in arrays:
                ends = result.scalars["trained"][name]
                panels.append(
                    Panel(
                        title=f"{label} against {latent}",
                        x=Axis(label=latent),
                        y=Axis(label=label, scale=scale),
                        marks=(
                            *(HLine(y=end, muted=True) for end in ends),
                            Points(x=arrays["value"], y=arrays[name], color=0),
                        ),
                    )
                )
        told = "All other latents are 0."
        if len(panels) > 1:
            told += " Dashed: the ends of the training range."
        if result.scalars["diverged"]:
            told += f" Diverged and left out: {result.scalars['diverged']}."
        return Figure(panels=tuple(panels), title=self.title, caption=told, columns=2)


def strongest(checkpoint, count):
    """The latent with the largest KL where the checkpoint tells it, else the first."""
    kl = checkpoint.metrics.get("kl_latents") or []
    return int(np.argmax(kl)) if len(kl) == count else 0


def generated(context, latent, values, n, length):
    """For each value n trajectories with that latent, the others at 0: their displacements in parts."""
    rng, rows = context.rng(), AT_ONCE // length

    def made(some):
        z = np.zeros((len(some), context.model.args.latents))
        z[:, latent] = some
        return context.generate(z, length, rng)

    if n > rows:
        for value in values:
            yield (made(np.repeat(value, min(rows, n - start))) for start in range(0, n, rows))
        return
    at_once = max(1, min(TOGETHER, rows) // n)
    for start in range(0, len(values), at_once):
        some = values[start : start + at_once]
        for displacements in made(np.repeat(some, n)).reshape(len(some), n, length):
            yield (displacements,)


@hookimpl
def register_analyses(register):
    register(Traversal())
