"""How the time of a training step grows with the size of the model and its data.

    python tests/benchmarks/scaling.py [--export scaling.pdf ...] [--toy]

Every size is timed next to the default one, in turn, so that a busy machine slows down both; what is drawn
is the median of their ratio, and the exponent of the power law through the points.
"""

from __future__ import annotations

import argparse
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
from spivae.exporting import About, check, export
from spivae.figure.showing import show
from spivae.figure.spec import Axis, Figure, Line, Panel, Points
from spivae.model.arguments import ModelArgs
from spivae.model.vae import build
from spivae.training.step import make_optimizer, train_step

ROUNDS = 5


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


def step_of(batch: int, **arguments: object) -> Work:
    """A training step of a fresh model of these arguments."""
    args = ModelArgs.from_mapping(arguments)
    generator = torch.Generator().manual_seed(0)
    model = build(args, generator)
    optimizer = make_optimizer(model, 1e-4)
    x = 0.1 * torch.randn(batch, 1, args.o_dim, generator=generator)
    noise = torch.randn(batch, args.z_dim, generator=generator)
    return lambda: train_step(model, optimizer, x, noise, 1e-3, 1.0)


def measure(dimension: Dimension, batch: int, rounds: int = ROUNDS) -> tuple[np.ndarray, float]:
    """Time of a step at each size (k,), in units of the default step's, and the median seconds of that."""
    default = step_of(batch)
    steps = [step_of(**{"batch": batch, **dimension.arguments(size)}) for size in dimension.sizes]
    ratios: list[list[float]] = [[] for _ in steps]
    taken = []
    for _ in range(rounds + 1):
        for step, found in zip(steps, ratios, strict=True):
            taken.append(seconds(default))
            found.append(seconds(step) / taken[-1])
    return np.array([statistics.median(found[1:]) for found in ratios]), statistics.median(taken)


def exponent(sizes: np.ndarray, times: np.ndarray) -> tuple[float, float]:
    """Exponent and prefactor of the power law through times (k,) at sizes (k,), by least squares of logs."""
    slope, height = np.polyfit(np.log(sizes), np.log(times), 1)
    return float(slope), float(np.exp(height))


def panel_of(dimension: Dimension, times: np.ndarray) -> Panel:
    sizes = np.array(dimension.sizes, dtype=float)
    power, height = exponent(sizes, times)
    between = np.geomspace(sizes[0], sizes[-1], 50)
    return Panel(
        x=Axis(label=dimension.label, scale="log"),
        y=Axis(label="time of a step", unit="default = 1", scale="log", low=0.1, high=10),
        marks=(
            Line(x=between, y=height * between**power, label=f"exponent {power:.2f}", muted=True),
            Points(x=sizes, y=times, color=0),
        ),
    )


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--export", type=Path, action="append", default=[], metavar="F", help="write, not draw"
    )
    parser.add_argument("--toy", action="store_true", help="a small batch, to see that it works")
    options = parser.parse_args(arguments)
    for path in options.export:
        check(path)
    before, batch = torch.get_num_threads(), 2 if options.toy else 256
    torch.set_num_threads(min(2, usable_threads()))
    try:
        measured = [measure(dimension, batch, 1 if options.toy else ROUNDS) for dimension in DIMENSIONS]
        threads = torch.get_num_threads()
    finally:
        torch.set_num_threads(before)
    default = statistics.median(seconds for _, seconds in measured)
    told = f"default model, batch {batch}, {threads} threads: {1000 * default:.0f} ms"
    figure = Figure(
        panels=tuple(panel_of(d, times) for d, (times, _) in zip(DIMENSIONS, measured, strict=True)),
        title="Time of a training step",
        caption=f"1 is the {told}. Each size in turn with it.",
    )
    if not options.export:
        show(figure)
    result = Result(
        arrays={
            name: values
            for dimension, (times, _) in zip(DIMENSIONS, measured, strict=True)
            for name, values in (
                (dimension.name, np.array(dimension.sizes)),
                (f"{dimension.name}_time", times),
            )
        },
        scalars={"seconds": default, "batch": batch, "threads": threads}
        | {
            f"{dimension.name}_exponent": exponent(np.array(dimension.sizes, dtype=float), times)[0]
            for dimension, (times, _) in zip(DIMENSIONS, measured, strict=True)
        },
    )
    for path in options.export:
        print(export(path, figure, result, About("scaling", figure.title, {})))
    return 0


if __name__ == "__main__":
    sys.exit(main())
