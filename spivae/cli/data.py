"""`spivae data`: a simulated dataset in the seed's layout."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from spivae import wording
from spivae.cli import common
from spivae.cli.common import ProcessType, assignments, check_out, common_options, number, out_option
from spivae.cli.output import emit, emit_json
from spivae.cli.progress import progress_bar
from spivae.cli.table import pairs
from spivae.errors import SpivaeError

if TYPE_CHECKING:
    from spivae.dataset import Grid
    from spivae.process import Array, Process


@click.command()
@click.argument("process", metavar="PROCESS", type=ProcessType())
@out_option
@click.option(
    "--set",
    "values",
    multiple=True,
    metavar="NAME=V[,V...]",
    help="These values of a parameter, in place of its training grid.",
)
@click.option(
    "--grid",
    "grids",
    multiple=True,
    metavar="NAME=LOW:HIGH:N[:log]",
    help="N values of a parameter from LOW to HIGH, evenly spaced (or their logarithms).",
)
@click.option(
    "--per-cell",
    type=click.IntRange(1),
    default=100,
    show_default=True,
    metavar="N",
    help="Trajectories in each cell of the grid.",
)
@click.option(
    "--steps",
    type=click.IntRange(1),
    default=399,
    show_default=True,
    metavar="L",
    help="Displacements of each trajectory.",
)
@click.option(
    "--noise",
    type=click.FloatRange(0),
    default=0.0,
    show_default=True,
    metavar="S",
    help="Standard deviation of a localisation error of each position, in units of the displacements.",
)
@click.option(
    "--blur",
    type=click.FloatRange(0, 1),
    default=0.0,
    show_default=True,
    metavar="F",
    help="Fraction of the time between frames for which the shutter is open: positions are means over it.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, metavar="N")
@common_options()
def data(
    process: str,
    out: Path,
    values: tuple[str, ...],
    grids: tuple[str, ...],
    per_cell: int,
    steps: int,
    noise: float,
    blur: float,
    seed: int,
    as_json: bool,
) -> None:
    """Simulate trajectories of a process on a grid of its parameters.

    F.npz gets one array a cell, whose key is the parameters in three digits, joined by commas; its rows are
    the parameters, then the displacements.

    --json: {out, process, grid {parameter: [values]}, cells, per_cell, trajectories, steps, noise, blur,
    seed}.
    """
    from spivae.observation import observed

    found = observed(common.plugins().process(process), noise, blur)
    check_out(out)
    grid = chosen_grid(found, values, grids)

    import numpy as np

    from spivae.layout import simulate_npz

    with progress_bar() as progress, np.errstate(all="ignore"):  # what overflows is told in words
        simulate_npz(
            out,
            found,
            grid,
            per_cell,
            steps,
            np.random.default_rng(seed),
            lambda done, total: progress(done, total, "simulating"),
        )
    cells = len(grid.cells)
    n = cells * per_cell
    if as_json:
        emit_json(
            {
                "out": out,
                "process": found.name,
                "grid": grid.values,
                "cells": cells,
                "per_cell": per_cell,
                "trajectories": n,
                "steps": steps,
                "noise": noise,
                "blur": blur,
                "seed": seed,
            }
        )
        return
    emit(f"{out}: {n:,} trajectories of {wording.plural(steps, 'displacement')}")
    lines = [(name, wording.short(axis.tolist())) for name, axis in grid.values.items()]
    lines.append(("cells", f"{cells:,} of {wording.plural(per_cell, 'trajectory', 'trajectories')} each"))
    if noise or blur:
        lines.append(("seen", f"noise {noise:g}, blur {blur:g}"))
    for line in pairs(lines, indent=2):
        emit(line)


def chosen_grid(process: Process, values: tuple[str, ...], grids: tuple[str, ...]) -> Grid:
    """The process's training grid with the axes that `--set` and `--grid` replace."""
    from spivae.dataset import Grid

    axes = {name: _listed(name, text) for name, text in assignments(values, "--set").items()}
    for name, text in assignments(grids, "--grid").items():
        if name in axes:
            raise SpivaeError(f"{name}: has both --set and --grid; give one")
        axes[name] = _spaced(name, text)
    for name in axes:
        if name not in process.names:
            raise SpivaeError(
                f"{name}: process {process.name} has no such parameter; it has {', '.join(process.names)}"
            )
    return Grid({p.name: axes.get(p.name, p.grid()) for p in process.parameters})


def _listed(name: str, text: str) -> Array:
    import numpy as np

    found = [number(part, f"--set {name}") for part in text.split(",")]
    if len(set(found)) < len(found):
        raise SpivaeError(f"--set {name}: {text!r} names a value twice")
    return np.array(found)


def _spaced(name: str, text: str) -> Array:
    import numpy as np

    low_text, _, rest = text.partition(":")
    high_text, _, rest = rest.partition(":")
    count_text, _, scale = rest.partition(":")
    if not count_text or scale not in ("", "log", "linear"):
        raise SpivaeError(f"--grid {name}: {text!r} is not of the form LOW:HIGH:N or LOW:HIGH:N:log")
    low, high = number(low_text, f"--grid {name}"), number(high_text, f"--grid {name}")
    if not count_text.isdecimal() or int(count_text) < 1:
        raise SpivaeError(f"--grid {name}: needs a count of at least 1, not {count_text!r}")
    if low >= high and int(count_text) > 1:
        raise SpivaeError(f"--grid {name}: {low:g} is not below {high:g}")
    if scale == "log" and low <= 0:
        raise SpivaeError(f"--grid {name}: a log scale needs more than 0, not {low:g}")
    space = np.geomspace if scale == "log" else np.linspace
    return np.asarray(space(low, high, int(count_text)))
