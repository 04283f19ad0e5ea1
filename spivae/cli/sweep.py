"""`spivae sweep`: a training at every point of a grid, and a table of how they stand."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from spivae.cli import common, sweeps
from spivae.cli.common import common_options, run_dir_option
from spivae.cli.device_option import device_option
from spivae.cli.output import emit_json, note
from spivae.cli.run_table import ordered
from spivae.cli.slurm_options import chosen as chosen_for_slurm
from spivae.cli.slurm_options import slurm_options
from spivae.errors import SpivaeError
from spivae.wording import plural

if TYPE_CHECKING:
    from spivae.slurm.options import Options
    from spivae.training.sweep import Sweep


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
    help="Runs that train at once, no more than there are cores for  [default: so many, of --device cuda 1; "
    "Slurm: as it has room for]",
)
@click.option(
    "--threads", type=click.IntRange(min=1), metavar="N", help="Of each process  [default: 1; Slurm: --cpus]"
)
@click.option(
    "--nproc",
    type=click.IntRange(min=1),
    default=1,
    metavar="N",
    help="Processes of each run, which share every batch  [default: 1]",
)
@device_option("auto: cuda where there is one")
@click.option("--sort", metavar="KEY", help="Order the table by neg_elbo, nll, kl or a field of the grid.")
@slurm_options("Hand the runs to Slurm, as one array of jobs.")
@click.option(
    "--dry-run", is_flag=True, help="Make nothing; show the runs of the grid, or with --slurm the job script."
)
@click.option("--queue", type=click.Path(path_type=Path), hidden=True)
@run_dir_option
@common_options()
def sweep(
    recipe: str | None,
    grid: tuple[str, ...],
    overrides: tuple[str, ...],
    jobs: int | None,
    threads: int | None,
    nproc: int,
    device: str | None,
    sort: str | None,
    slurm: bool | None,
    dry_run: bool,
    queue: Path | None,
    run_dir: Path,
    as_json: bool,
    **asked: Any,
) -> None:
    """Train a recipe at every point of a grid, in the background, or show how a sweep stands.

    With --grid: a folder of runs, and a queue that trains them and survives a closed terminal. With the id
    (or its unique beginning, or the path) of a sweep: a table of its runs, the best one marked; `spivae runs
    --sweeps` lists the ids. `watch`, `stop`, `resume`, `logs`, `tag` and `rm` take the id of a sweep too.

    --json: {id, path}, with --slurm also job; with --dry-run {runs [settings], jobs, threads}, with --slurm
    {script}; of a sweep {id, path, grid, jobs, threads, best, runs [{id, path, settings, state, epoch,
    epochs, step, steps, metrics, job, why}]}, best the id of the run with the lowest -ELBO.
    """
    from spivae.training.device import AUTO
    from spivae.training.sweep import Sweep, find_sweep, work

    if queue is not None:
        work(Sweep.open(queue))
        return
    if recipe is None:
        raise click.UsageError("Missing argument 'RECIPE'", click.get_current_context())
    if grid:
        from spivae.cli.train import announce

        options = chosen_for_slurm(slurm, asked)
        device = device or AUTO
        made = _start(recipe, grid, overrides, jobs, threads, nproc, device, options, run_dir, dry_run)
        if dry_run:
            from spivae.cli.dry_run import tell_sweep

            tell_sweep(made, as_json)
        else:
            announce(made, as_json)
        return
    if dry_run:
        raise SpivaeError("--dry-run: shows what a new sweep would be; it needs --grid A.B=V1,V2")
    found = find_sweep(recipe, run_dir)
    if found is None:
        raise SpivaeError(
            f"no sweep {recipe!r} in {run_dir}; a new one needs --grid A.B=V1,V2, and `spivae runs --sweeps` "
            "lists those that there are"
        )
    document = sweeps.document(found)
    document["runs"] = ordered(document["runs"], sort, list(found.info.grid))
    if as_json:
        emit_json(document)
    else:
        sweeps.show(document)


def _start(
    recipe: str,
    grid: tuple[str, ...],
    overrides: tuple[str, ...],
    jobs: int | None,
    threads: int | None,
    nproc: int,
    device: str,
    slurm: Options | None,
    base: Path,
    dry_run: bool,
) -> Sweep:
    """A sweep that has begun; with `dry_run` one of which nothing is made. Raises SpivaeError."""
    from spivae.cli.train import read_recipe
    from spivae.training.slurm import threads_of_each
    from spivae.training.sweep import Sweep, at_once
    from spivae.training.sweep_grid import applied, points, read_grid

    chosen, values = read_recipe(recipe, overrides), read_grid(grid)
    plugins = common.plugins()
    for name in {applied(chosen, point).process.name for point in points(values)}:
        plugins.process(name)  # an unknown one is an error now, not in the background
    if slurm is None:
        threads = threads or 1
        most = at_once(threads, nproc)
        if jobs is not None and jobs > most:
            note(f"--jobs: {jobs} are more than there are cores for; {plural(most, 'run')} at a time")
        jobs = min(jobs or (1 if device.startswith("cuda") else most), most)
    else:
        threads = threads or threads_of_each(slurm, nproc)
    details: dict[str, Any] = {"jobs": jobs or 0, "threads": threads, "nproc": nproc, "slurm": slurm}
    if dry_run:
        return Sweep.planned(base, chosen, values, f"{chosen.process.name}-ID", **details)
    made = Sweep.create(base, chosen, values, device=device, **details)
    try:
        made.launch()
    except BaseException:
        if slurm is not None:
            shutil.rmtree(made.path, ignore_errors=True)  # nothing of it has begun
        raise
    return made
