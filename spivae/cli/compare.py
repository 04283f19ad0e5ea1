"""`spivae compare`: runs side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from spivae.cli import common
from spivae.cli.common import common_options, run_dir_option
from spivae.cli.options import export_option
from spivae.cli.output import emit, emit_json, note
from spivae.cli.run_table import best_id, ordered, run_table
from spivae.errors import SpivaeError

if TYPE_CHECKING:
    from spivae.following.comparison import Compared


@click.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN | SWEEP...")
@click.option(
    "--along",
    type=click.Choice(["epoch", "step", "time"]),
    default="epoch",
    show_default=True,
    help="What the curves are drawn along; time is that of training.",
)
@click.option("--sort", metavar="KEY", help="Order by neg_elbo, nll, kl or a field in which they differ.")
@click.option("--plot/--no-plot", default=True, help="Draw the curves below the table.")
@export_option("The curves. ")
@click.option("--width", type=click.IntRange(20, 1000), metavar="N", help="Cells  [default: the terminal's]")
@click.option("--height", type=click.IntRange(8, 1000), metavar="N", help="Rows of the curves")
@run_dir_option
@common_options()
def compare(
    runs: tuple[str, ...],
    along: Any,
    sort: str | None,
    plot: bool,
    exports: tuple[Path, ...],
    width: int | None,
    height: int | None,
    run_dir: Path,
    as_json: bool,
) -> None:
    """Show runs side by side: the fields in which they differ, how they stand, their curves on shared axes.

    RUN is an id, its unique beginning, or a path; a sweep stands for all of its runs. The best run is marked.

    --json: {fields [path], best, runs [{id, path, settings, state, epoch, epochs, step, steps, metrics}],
    exported [path]}, best the id of the run with the lowest -ELBO.
    """
    from spivae.analysis import Result
    from spivae.exporting import About, check, export
    from spivae.following.comparison import Comparison
    from spivae.training.run import Run

    exporters = common.plugins().exporters if exports else {}
    targets = [check(path, exporters) for path in dict.fromkeys(exports)]
    comparison = Comparison(_paths(runs, run_dir), Run.open)
    comparison.poll()
    documents = [_document(run) for run in comparison.runs]
    documents = ordered(documents, sort, list(comparison.fields))
    best = best_id(documents)
    figure = comparison.figure(along) if targets or (plot and not as_json) else None
    exported = []
    if targets and figure is not None:
        about = About("compare", "", {"runs": [document["id"] for document in documents], "along": along})
        numbers = Result(arrays={}, scalars={"best": best})
        exported = [export(path, figure, numbers, about, exporters) for path in targets]
    if as_json:
        fields = list(comparison.fields)
        emit_json({"fields": fields, "best": best, "runs": documents, "exported": exported})
        return
    for line in run_table(documents, comparison.fields, best):
        emit(line)
    for path in exported:
        note(f"wrote {path}")
    if figure is not None and not targets:
        from spivae.figure.showing import show

        emit()
        show(figure, width, height)


def _paths(names: tuple[str, ...], base: Path) -> list[str]:
    """The directories of the runs, each once. Raises SpivaeError for a name that is none's."""
    from spivae.training.run import find_run
    from spivae.training.sweep import find_sweep

    found: dict[str, None] = {}
    for name in names:
        sweep = find_sweep(name, base)
        paths = [run.path for run in sweep.runs().values()] if sweep else [find_run(name, base).path]
        found |= dict.fromkeys(map(str, paths))
    if not found:
        raise SpivaeError(f"{', '.join(names)}: has no runs any more")
    return list(found)


def _document(run: Compared) -> dict[str, Any]:
    view = run.view
    return {
        "id": view.info.id,
        "path": view.path,
        "settings": run.settings,
        "state": view.state,
        "epoch": view.epoch,
        "epochs": view.info.epochs,
        "step": view.step,
        "steps": view.info.steps,
        "metrics": run.metrics,
    }
