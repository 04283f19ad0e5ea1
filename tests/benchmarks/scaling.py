"""How the time of a training step grows with the size of the model and its data.

    python tests/benchmarks/scaling.py [--architecture NAME ...] [--export F ... [--page scaling.md]]

Every size is timed next to the default one, in turn, so that a busy machine slows down both; what is drawn
is the median of their ratio, and the exponent of the power law through the points.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # read once, when torch is loaded

import numpy as np
import torch
from timing import Work, seconds

from spivae.analysis import Result
from spivae.cores import usable_threads
from spivae.errors import SpivaeError
from spivae.exporting import About, check, export
from spivae.figure.showing import show
from spivae.figure.spec import Axis, Figure, Line, Mark, Panel, Points
from spivae.model.architectures import SCALED_WAVENET_VAE, WAVENET_VAE, Architecture, architecture
from spivae.training.step import make_optimizer, train_step

ROUNDS = 5
BUILT_IN = (WAVENET_VAE.name, SCALED_WAVENET_VAE.name)


@dataclass(frozen=True)
class Dimension:
    """A size that is varied: the arguments (batch and model) that it stands for."""

    name: str
    label: str
    sizes: tuple[int, ...]
    arguments: Callable[[int], dict[str, object]]


DIMENSIONS = (
    Dimension("batch", "batch", (32, 64, 128, 256, 512), lambda n: {"batch": n}),
    Dimension("length", "displacements L", (100, 200, 400, 800), lambda n: {"o_dim": n}),
    Dimension(
        "channels",
        "channels (res, skip, nf)",
        (8, 16, 32, 64),
        lambda n: {"res_channels": n, "skip_channels": n, "nf": 4 * (n,)},
    ),
    Dimension("layers", "layers", (2, 3, 4, 5, 6, 7), lambda n: {"layer_size": n}),
    Dimension("latents", "latents", (2, 6, 16, 64), lambda n: {"z_dim": n}),
)


@dataclass(frozen=True)
class Measured:
    """Sizes and times of a step (k,) of an architecture, in units of its default step of so many seconds."""

    architecture: Architecture
    dimension: Dimension
    sizes: np.ndarray
    times: np.ndarray
    default: float

    @property
    def law(self) -> tuple[float, float]:
        return exponent(self.sizes, self.times)


def step_of(kind: Architecture, batch: int, **arguments: object) -> Work:
    """A training step of a fresh model of these arguments, of which it takes those that it has.

    Raises SpivaeError where there is no such model.
    """
    args = kind.from_table({k: v for k, v in arguments.items() if k in kind.arguments.__struct_fields__})
    generator = torch.Generator().manual_seed(0)
    model = kind.build(args, generator)
    optimizer = make_optimizer(model, 1e-4)
    x = 0.1 * torch.randn(batch, 1, args.o_dim, generator=generator)
    noise = torch.randn(batch, args.z_dim, generator=generator)
    return lambda: train_step(model, optimizer, x, noise, 1e-3, 1.0)


def measure(kind: Architecture, dimension: Dimension, batch: int, rounds: int = ROUNDS) -> Measured:
    """The steps at all sizes that there can be, each next to the default one."""
    default, steps = step_of(kind, batch), {}
    for size in dimension.sizes:
        # few layers see less than some architectures look back
        with contextlib.suppress(SpivaeError):
            steps[size] = step_of(kind, **{"batch": batch, **dimension.arguments(size)})
    ratios: list[list[float]] = [[] for _ in steps]
    taken = []
    for _ in range(rounds + 1):
        for step, found in zip(steps.values(), ratios, strict=True):
            taken.append(seconds(default))
            step()  # the fast path keeps places for a few sizes only, and a training has but one
            found.append(seconds(step) / taken[-1])
    times = np.array([statistics.median(found[1:]) for found in ratios])
    return Measured(kind, dimension, np.array([*steps], dtype=float), times, statistics.median(taken))


def words_of(power: float) -> str:
    return f"{round(power, 2) + 0.0:.2f}"  # no -0.00 where a size costs nothing


def exponent(sizes: np.ndarray, times: np.ndarray) -> tuple[float, float]:
    """Exponent and prefactor of the power law through times (k,) at sizes (k,), by least squares of logs."""
    slope, height = np.polyfit(np.log(sizes), np.log(times), 1)
    return float(slope), float(np.exp(height))


def figure_of(measured: list[Measured], told: str) -> Figure:
    """A panel a dimension; all have the limits of the times in them."""
    every = np.concatenate([found.times for found in measured])
    limits = {"low": float(every.min() / 1.3), "high": float(every.max() * 1.3)}
    panels = []
    for dimension in DIMENSIONS:
        marks: list[Mark] = []
        for color, found in enumerate(each for each in measured if each.dimension is dimension):
            power, height = found.law
            between = np.geomspace(found.sizes[0], found.sizes[-1], 50)
            name = f"{words_of(power)} {found.architecture.title.removesuffix('-VAE')}"  # wide ones are cut
            marks.append(Line(x=between, y=height * between**power, muted=True, color=color))
            marks.append(Points(x=found.sizes, y=found.times, color=color, label=name))
        x = Axis(label=dimension.label, scale="log")
        y = Axis(label="time of a step", unit="default = 1", scale="log", **limits)
        panels.append(Panel(x=x, y=y, marks=tuple(marks), legend="exponent"))
    return Figure(panels=tuple(panels), title="Time of a training step", caption=told)


def page(measured: list[Measured], told: str, figure: str) -> str:
    """docs/scaling.md: the figure, and the exponents in a table."""
    kinds = list(dict.fromkeys(found.architecture for found in measured))
    law = {(found.dimension, found.architecture): found.law[0] for found in measured}
    rows = [
        [dimension.label, *(words_of(law[dimension, kind]) for kind in kinds)]
        for dimension in dict.fromkeys(found.dimension for found in measured)
    ]
    table = [["", *(kind.title for kind in kinds)], ["---", *("---:" for _ in kinds)], *rows]
    lines = "\n".join(f"| {' | '.join(row)} |".replace("|  |", "| |") for row in table)
    return (
        "# What a larger model costs\n\n"
        "On the CPU, the time of a training step grows about as a power of each size: with k times the size\n"
        "it takes k^exponent times as long. `spivae train RECIPE --dry-run` measures the step itself.\n\n"
        f"{lines}\n\n![{figure}]({figure})\n\n{told}\n\nWritten by `make scaling`.\n"
    )


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--architecture", action="append", metavar="NAME", help="[default: all built in]")
    parser.add_argument(
        "--export", type=Path, action="append", default=[], metavar="F", help="write, not draw"
    )
    parser.add_argument("--page", type=Path, metavar="F", help="also write a page about the first of them")
    parser.add_argument("--toy", action="store_true", help="a small batch, to see that it works")
    options = parser.parse_args(arguments)
    for path in options.export:
        check(path)
    if options.page and not options.export:
        parser.error("--page: needs a figure, by --export")
    kinds = [architecture(name) for name in options.architecture or BUILT_IN]
    before, batch = torch.get_num_threads(), 2 if options.toy else 256
    torch.set_num_threads(min(2, usable_threads()))
    try:
        rounds = 1 if options.toy else ROUNDS
        measured = [measure(kind, dimension, batch, rounds) for kind in kinds for dimension in DIMENSIONS]
        threads = torch.get_num_threads()
    finally:
        torch.set_num_threads(before)
    defaults = {
        kind: statistics.median(found.default for found in measured if found.architecture is kind)
        for kind in kinds
    }
    steps = "; ".join(f"{kind.title} {1000 * taken:.0f} ms" for kind, taken in defaults.items())
    told = f"1 is a step of the default model, batch {batch}, {threads} threads: {steps}."
    figure = figure_of(measured, told)
    if not options.export:
        show(figure)
    arrays, scalars = {}, {"batch": batch, "threads": threads}
    for found in measured:
        name = f"{found.architecture.name}_{found.dimension.name}"
        arrays |= {name: found.sizes, f"{name}_time": found.times}
        scalars[f"{name}_exponent"] = found.law[0]
    scalars |= {f"{kind.name}_seconds": taken for kind, taken in defaults.items()}
    for path in options.export:
        print(
            export(path, figure, Result(arrays=arrays, scalars=scalars), About("scaling", figure.title, {}))
        )
    if options.page:
        options.page.write_text(page(measured, told, options.export[0].name), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
