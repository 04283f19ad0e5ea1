"""`spivae lr-find`: at which learning rate a recipe's phase had best begin."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from spivae.cli import common
from spivae.cli.common import common_options
from spivae.cli.options import export_option
from spivae.cli.output import emit, emit_json
from spivae.cli.progress import progress_bar
from spivae.training.lr_finder import HIGH, LOW, STEPS

if TYPE_CHECKING:
    from spivae.analysis import Result
    from spivae.training.lr_finder import Sweep


@click.command("lr-find")
@click.argument("recipe", metavar="RECIPE")
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="A.B=V",
    help="Another value for a field of the recipe, as in training.batch=128.",
)
@click.option(
    "--phase", type=int, default=0, show_default=True, metavar="N", help="Of which phase beta is, from 0."
)
@click.option("--low", type=float, default=LOW, show_default=True, metavar="X", help="The first rate.")
@click.option("--high", type=float, default=HIGH, show_default=True, metavar="X", help="The last rate.")
@click.option("--steps", type=int, default=STEPS, show_default=True, metavar="N", help="Rates between them.")
@click.option("--threads", type=int, metavar="N", help="Threads  [default: as many as cores are free]")
@click.option(
    "--width", type=click.IntRange(20, 1000), metavar="N", help="Cells across  [default: the terminal's]"
)
@click.option(
    "--height", type=click.IntRange(8, 1000), default=20, show_default=True, metavar="N", help="Rows."
)
@export_option()
@common_options()
def lr_find(
    recipe: str,
    overrides: tuple[str, ...],
    phase: int,
    low: float,
    high: float,
    steps: int,
    threads: int | None,
    width: int | None,
    height: int,
    exports: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Find a learning rate: train a fresh model a little, at rates that grow until it diverges.

    RECIPE is a TOML file, or the name of a shipped model, whose recipe is taken; it is left as it is. The
    valley is the rate to try first as the phase's lr_max; the steepest place is bolder, and often too noisy.

    --json: {lrs, losses, smooth, valley, steepest, steps, stopped ("finished" | "diverged"), phase, beta,
    exported [path]}.
    """
    from spivae.cli.train import read_recipe
    from spivae.exporting import About, check, export
    from spivae.figure.lr_sweep import sweep_figure
    from spivae.training.lr_finder import check_sweep, find_lr
    from spivae.training.threads import check_threads, free_threads, use_threads

    plugins = common.plugins()
    targets = [check(path, plugins.exporters) for path in dict.fromkeys(exports)]
    check_threads(threads)
    chosen = read_recipe(recipe, overrides)
    check_sweep(chosen, phase, low, high, steps)
    process = plugins.process(chosen.process.name)
    use_threads(threads or free_threads())
    with progress_bar() as progress:
        sweep = find_lr(
            chosen,
            process,
            phase=phase,
            low=low,
            high=high,
            steps=steps,
            progress=lambda done, total: progress(done, total, "growing the learning rate"),
        )
    figure = sweep_figure(sweep)
    asked = {
        "recipe": recipe,
        "set": list(overrides),
        "phase": phase,
        "low": low,
        "high": high,
        "steps": steps,
    }
    about = About("lr-find", figure.title, asked)
    exported = [export(path, figure, _result(sweep), about, plugins.exporters) for path in targets]
    if as_json:
        emit_json({**sweep.to_json(), "exported": [str(path) for path in exported]})
    elif exported:
        for path in exported:
            emit(str(path))
    else:
        from spivae.figure.showing import show

        show(figure, width, height)


def _result(sweep: Sweep) -> Result:
    """The sweep's numbers, as analyses have them."""
    from spivae.analysis import Result

    values = sweep.to_json()
    names = ("lrs", "losses", "smooth")
    return Result(
        arrays={name: getattr(sweep, name) for name in names},
        scalars={name: value for name, value in values.items() if name not in names},
    )
