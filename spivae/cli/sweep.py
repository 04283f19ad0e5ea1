"""`spivae sweep`: a training at every point of a grid, and a table of how they stand."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from spivae.cli import common, wording
from spivae.cli.common import common_options, run_dir_option
from spivae.cli.listing import STATES
from spivae.cli.output import Styled, emit, emit_json, paint
from spivae.cli.table import Column, table
from spivae.errors import SpivaeError

if TYPE_CHECKING:
    from spivae.training.sweep import Sweep

METRICS = {"neg_elbo": "-ELBO", "nll": "NLL", "kl": "KL"}


@click.command()
@click.argument("recipe", metavar="RECIPE | SWEEP", required=False)
@click.option(
    "--grid",
    multiple=True,
    metavar="A.B=V1,V2",
    help="Values of a field of the recipe, or a range as in training.seed=0..4. Can be given again.",
)
@click.option(
    "--set", "overrides", multiple=True, metavar="A.B=V", help="Another value for a field, in all runs."
)
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    metavar="N",
    help="Runs that train at once  [default: as many as there are cores]",
)
@click.option(
    "--threads", type=click.IntRange(min=1), default=1, show_default=True, metavar="N", help="Of each run."
)
@click.option("--sort", metavar="KEY", help="Order the table by neg_elbo, nll, kl or a field of the grid.")
@click.option("--queue", type=click.Path(path_type=Path), hidden=True)
@run_dir_option
@common_options()
def sweep(
    recipe: str | None,
    grid: tuple[str, ...],
    overrides: tuple[str, ...],
    jobs: int | None,
    threads: int,
    sort: str | None,
    queue: Path | None,
    run_dir: Path,
    as_json: bool,
) -> None:
    """Train a recipe at every point of a grid, in the background, or show how a sweep stands.

    With --grid: a folder of runs, and a queue that trains them and survives a closed terminal. With the id
    (or its unique beginning, or the path) of a sweep: a table of its runs, the best one marked. `stop` and
    `resume` take the id of a sweep too.

    --json: {id, path}; of a sweep {id, path, grid, jobs, threads, best, runs [{id, path, settings, state,
    epoch, epochs, step, steps, metrics}]}, best the id of the run with the lowest -ELBO.
    """
    from spivae.training.sweep import Sweep, find_sweep, work

    if queue is not None:
        work(Sweep.open(queue))
        return
    if recipe is None:
        raise click.UsageError("Missing argument 'RECIPE'", click.get_current_context())
    if grid:
        from spivae.cli.train import announce

        made = _start(recipe, grid, overrides, jobs, threads, run_dir)
        announce(made, as_json)
        return
    found = find_sweep(recipe, run_dir)
    if found is None:
        raise SpivaeError(f"no sweep {recipe!r} in {run_dir}; a new one needs --grid A.B=V1,V2")
    document = _document(found)
    _order(document["runs"], sort, found)
    if as_json:
        emit_json(document)
        return
    for line in table(_columns(found), [_row(run, found, document["best"]) for run in document["runs"]]):
        emit(line)
    _tell_queue(found, document["runs"])


def _start(
    recipe: str, grid: tuple[str, ...], overrides: tuple[str, ...], jobs: int | None, threads: int, base: Path
) -> Sweep:
    from spivae.cli.train import read_recipe
    from spivae.training.sweep import Sweep, applied, points, read_grid
    from spivae.training.threads import usable_threads

    chosen, values = read_recipe(recipe, overrides), read_grid(grid)
    plugins = common.plugins()
    for name in {applied(chosen, point).process.name for point in points(values)}:
        plugins.process(name)  # an unknown one is an error now, not in the background
    jobs = jobs or max(1, usable_threads() // threads)
    made = Sweep.create(base, chosen, values, jobs=jobs, threads=threads)
    made.launch()
    return made


def _document(sweep: Sweep) -> dict[str, Any]:
    """The sweep as --json shows it."""
    from spivae.cli.runs import documents

    keys = ("id", "path", "state", "epoch", "epochs", "step", "steps", "metrics")
    known = {document["id"]: document for document in documents(sweep.path)}
    runs = [
        {key: known[point.id][key] for key in keys} | {"settings": point.settings}
        for point in sweep.info.points
        if point.id in known
    ]
    judged = [run for run in runs if run["metrics"].get("neg_elbo") is not None]
    best = min(judged, key=lambda run: run["metrics"]["neg_elbo"], default=None)
    info = sweep.info
    return {
        "id": sweep.id,
        "path": sweep.path,
        "grid": info.grid,
        "jobs": info.jobs,
        "threads": info.threads,
        "best": best and best["id"],
        "runs": runs,
    }


def _order(runs: list[dict[str, Any]], key: str | None, sweep: Sweep) -> None:
    """Sort runs in place; those without a value come last."""
    if key is None:
        return
    if key in METRICS:
        runs.sort(key=lambda run: (run["metrics"].get(key) is None, run["metrics"].get(key)))
    elif key in sweep.info.grid:
        places = {value: place for place, value in enumerate(sweep.info.grid[key])}
        runs.sort(key=lambda run: places[run["settings"][key]])
    else:
        raise SpivaeError(f"--sort: {key!r} is none of {', '.join([*METRICS, *sweep.info.grid])}")


def _columns(sweep: Sweep) -> list[Column]:
    varied = [Column(_short(name, sweep), right=True) for name in sweep.info.grid]
    return [
        Column(""),
        Column("run", shortens=True),
        *varied,
        Column("state"),
        Column("epoch", right=True, drop=2),
        *(
            Column(title, right=True, drop=drop)
            for title, drop in zip(METRICS.values(), (0, 3, 1), strict=True)
        ),
        Column("latents", right=True, drop=4),
    ]


def _short(name: str, sweep: Sweep) -> str:
    """The end of a path that tells it from the others: `training.phase.1.beta` is `beta`."""
    parts = name.split(".")
    for count in range(1, len(parts)):
        end = ".".join(parts[-count:])
        if sum(other.endswith(f".{end}") for other in sweep.info.grid) == 1:
            return end
    return name


def _row(run: dict[str, Any], sweep: Sweep, best: str | None) -> list[str | Styled]:
    metrics, state = run["metrics"], run["state"] or "broken"
    first = run["id"] == best
    values = [wording.fixed(metrics.get("neg_elbo")), wording.fixed(metrics.get("nll"))]
    style = "good" if first else ""
    return [
        Styled("*" if first else "", "good"),
        Styled(run["id"], style),
        *(run["settings"][name] for name in sweep.info.grid),
        Styled(state, STATES.get(state, "bad" if state == "broken" else "")),
        wording.NOTHING if run["epochs"] is None else f"{run['epoch']:.4g}/{run['epochs']}",
        Styled(values[0], style),
        values[1],
        wording.nats(metrics.get("kl")),
        wording.survivors(metrics),
    ]


def _tell_queue(sweep: Sweep, runs: list[dict[str, Any]]) -> None:
    """Say where runs wait and nobody starts them."""
    from spivae.training.lock import read_owner

    waiting = sum(run["state"] == "queued" for run in runs)
    owner = read_owner(sweep.lock_path)
    if waiting and (owner is None or owner.gone):
        emit(paint(f"{wording.plural(waiting, 'run')} waiting, but the queue has ended", "warn"))
        emit(paint(f"`spivae resume {sweep.id}` goes on", "muted"))
