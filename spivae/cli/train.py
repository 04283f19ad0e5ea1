"""`spivae train`: from a recipe to a run, here or detached."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from spivae.cli import common
from spivae.cli.common import assignments, common_options, run_dir_option
from spivae.cli.device_option import device_option
from spivae.cli.output import emit, emit_json, note
from spivae.cli.processes import processes_options
from spivae.cli.slurm_options import chosen as chosen_for_slurm
from spivae.cli.slurm_options import slurm_options
from spivae.errors import SpivaeError, told

if TYPE_CHECKING:
    from spivae.plugins import Plugins
    from spivae.training.distributed import Team
    from spivae.training.processes import Processes
    from spivae.training.recipe import Recipe
    from spivae.training.run import Run
    from spivae.training.sweep import Sweep


@click.command()
@click.argument("recipe", metavar="RECIPE", required=False)
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="A.B=V",
    help="Another value for a field of the recipe, as in training.phase.1.beta=1e-3.",
)
@click.option("--detach", is_flag=True, help="Train in the background; survives a closed terminal.")
@run_dir_option
@click.option("--dry-run", is_flag=True, help="Train for two seconds and tell what the whole would cost.")
@click.option(
    "--threads", type=int, metavar="N", help="Threads  [default: a short probe among the free cores]"
)
@device_option("auto: cuda where there is one")
@processes_options
@slurm_options("Hand the training to Slurm, as a job; returns at once. --dry-run shows the job script.")
@click.option("--run", "existing", type=click.Path(path_type=Path), hidden=True)
@click.option("--team", hidden=True, help="Be one of several processes, which meet there.")
@click.option("--parent", type=int, default=0, hidden=True)
@common_options()
def train(
    recipe: str | None,
    overrides: tuple[str, ...],
    detach: bool,
    run_dir: Path,
    dry_run: bool,
    threads: int | None,
    device: str | None,
    processes: Processes,
    slurm: bool | None,
    existing: Path | None,
    team: str | None,
    parent: int,
    as_json: bool,
    **asked: Any,
) -> None:
    """Train a model; the run's id is the first line that is printed.

    RECIPE is a TOML file, or the name of a shipped model, whose recipe is taken; or a run, by id or path,
    whose training is done again in the same way: with its device, threads and processes, on the same machine
    to the same bits. Ctrl-C saves and ends; a second one ends at once. The run's folder holds its
    checkpoints, metrics and log.

    With --nproc, so many processes share every batch, and the training stays the same one. On several
    machines, give the same command on each, with --nnodes, --rdzv-endpoint and a --run-dir that all see; with
    --slurm, give it once, without --rdzv-endpoint. What --slurm asks for has its defaults in the table
    [slurm] of config.toml, under the names of the flags.

    --json: {id, path}, with --slurm also job, printed when the run begins. With --dry-run --slurm: {script};
    with --dry-run alone {parameters, receptive_field, device, code_path ("fast" | "plain"), why_plain,
    threads, epochs, steps_per_epoch, seconds_per_step, seconds_per_epoch, seconds, memory, memory_free,
    disk}, memory and disk in bytes; memory is the machine's, not a GPU's.
    """
    from spivae.training.device import AUTO, check_device, usable_device
    from spivae.training.threads import check_threads

    check_threads(threads)
    options = chosen_for_slurm(slurm, asked)
    if existing is not None:
        if recipe is not None or overrides or device or detach or dry_run or options:
            raise SpivaeError(
                "--run: takes no recipe, --set, --device, --detach, --slurm or --dry-run; it has its own"
            )
        if team is None:
            _train_existing(existing, threads, processes)
        else:
            from spivae.cli.processes import work

            work(existing, threads, team, parent)
        return
    if recipe is None:
        raise click.UsageError("Missing argument 'RECIPE'", click.get_current_context())
    from spivae.cli.repeating import find_repeated

    before = find_repeated(recipe, run_dir)
    chosen = read_recipe(recipe if before is None else str(before.recipe_path), overrides)
    repeats = None
    if before is not None:
        repeats, processes, device = before.info, processes.of(before), device or before.info.device
    processes = processes.within_job(options is not None)
    processes.check(chosen)
    device = device or AUTO
    check_device(device, processes.several)
    if detach or options is not None:
        common.check_process(chosen.process.name)
    if dry_run and repeats is not None:
        threads = threads or repeats.threads
    if dry_run and options is not None:
        from spivae.cli.dry_run import tell_script

        tell_script(chosen, run_dir, options, threads, processes, as_json)
        return
    if dry_run:
        from spivae.cli.dry_run import tell_cost

        if processes.several:
            raise SpivaeError("--dry-run: tells what one process takes; leave out --nproc and --nnodes")
        tell_cost(chosen, common.plugins().process(chosen.process.name), threads, device, as_json)
        return
    if options is not None:
        from spivae.training.slurm import launch as hand_over

        made = hand_over(
            chosen,
            run_dir,
            options,
            threads=threads,
            processes=processes,
            device=device,
            repeats=repeats,
        )
        announce(made, as_json)
        return
    if detach:
        from spivae.training.launch import launch

        processes.check_detached()
        made = launch(chosen, run_dir, threads=threads, processes=processes, device=device, repeats=repeats)
        announce(made, as_json)
        return
    from spivae.training.run import Run

    plugins = common.plugins()
    plugins.process(chosen.process.name)  # an unknown one is an error before there is a run
    if device != AUTO:
        usable_device(device, processes=processes.nproc or 1, several=processes.several)  # or no run is made

    def begin() -> Run:
        return Run.create(run_dir, chosen, device=device, repeats=repeats)

    if processes.several:
        from spivae.cli.processes import train_together

        train_together(begin, processes, threads, as_json)
        return
    run = begin()
    announce(run, as_json)
    train_here(run, plugins, threads)


def find_recipe(name: str) -> Path:
    """The recipe that a path, with or without `.toml`, or a shipped model's name stands for."""
    import difflib

    from spivae.checkpoint.naming import shipped_models

    path = Path(name).expanduser()
    shipped = shipped_models()
    candidates = [path, path.with_name(f"{path.name}.toml")]
    if path.parent in (Path("."), Path("models")):
        candidates.append(shipped / f"{path.name.removesuffix('.toml')}.toml")
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    if path.is_dir():
        raise SpivaeError(f"{name}: is a folder; name a recipe (.toml) in it")
    names = sorted(file.stem for file in shipped.glob("*.toml"))
    known = {name: name for name in names}
    known |= {file.stem: str(file) for file in path.parent.glob("*.toml")} if path.parent.is_dir() else {}
    near = difflib.get_close_matches(path.name.removesuffix(".toml"), known, 1)
    hint = f"did you mean {known[near[0]]}?" if near else f"shipped are {', '.join(names) or 'none'}"
    raise SpivaeError(f"{name}: no such recipe; {hint}")


def read_recipe(name: str, overrides: tuple[str, ...]) -> Recipe:
    """The recipe that `find_recipe` finds, with `path=value` overrides."""
    from spivae.training import recipe as recipes

    found = recipes.load(find_recipe(name))
    return recipes.with_overrides(found, assignments(overrides, "--set")) if overrides else found


def announce(run: Run | Sweep, as_json: bool) -> None:
    """Print the run's id, or {id, path} and its job, if any."""
    if as_json:
        job = run.job_id
        emit_json({"id": run.id, "path": run.path} | ({"job": job} if job is not None else {}))
    else:
        emit(run.id)
    sys.stdout.flush()  # whoever reads it should not wait for the training to end


def _train_existing(path: Path, threads: int | None, processes: Processes) -> None:
    """Train a run that a launcher has queued; whatever goes wrong is noted in the run."""
    from spivae.cli.processes import train_together
    from spivae.slurm.job import Job
    from spivae.training.lock import Lock
    from spivae.training.run import Run
    from spivae.training.slurm import check_turn, go_on_later
    from spivae.training.sweep import Sweep

    # the terminal that it was started from may go away
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    # an array has one command for all its tasks
    run = Sweep.open(path).run_of_task() if (path / "sweep.json").is_file() else Run.open(path)

    def taken() -> Lock:
        """The run's lock, from the launcher, once it has noted all that it knows."""
        lock = Lock.take(run)
        try:
            run.refresh()
            check_turn(run)
        except BaseException:
            lock.release()
            raise
        return lock

    def begin() -> Run:
        taken()
        return run

    if processes.endpoint is not None:  # of several machines, the one that leads takes the lock, for all
        if not train_together(begin, processes, threads, as_json=False, leads=Job.leads()):
            return
    else:
        with taken():
            if run.info.nproc > 1:
                train_together(lambda: run, processes, threads, as_json=False)
            else:
                announce(run, as_json=False)
                train_here(run, common.plugins(), threads, resume=True)
    go_on_later(run, note)  # at once: Slurm may end this process any time


def train_here(
    run: Run, plugins: Plugins, threads: int | None, *, resume: bool = False, team: Team | None = None
) -> None:
    """Train in this process, with signals, progress and the plugins' events.

    Of a `team`, this is the first process.
    """
    from spivae.training.lock import Locked, LockLost
    from spivae.training.processes import WorkerLost

    with stopping_on_signals(aloud=team is None) as asked:
        try:
            process = plugins.process(run.recipe.process.name)
            from spivae.cli.training_progress import reporter
            from spivae.training.loop import Events
            from spivae.training.loop import train as trained

            with reporter(run) as report:

                def started(run: Run) -> None:
                    report.started(run)
                    plugins.notify("training_started", report.warn, run=run)

                def step(record: dict[str, Any]) -> None:
                    report.step(record)
                    plugins.notify("step_finished", report.warn, run=run, metrics=record)

                def epoch(run: Run, record: dict[str, Any]) -> None:
                    report.epoch(record)
                    plugins.notify("epoch_finished", report.warn, run=run, metrics=record)

                def finished(run: Run, outcome: str) -> None:
                    plugins.notify("training_finished", report.warn, run=run, outcome=outcome)

                outcome = trained(
                    run,
                    process,
                    threads=threads,
                    events=Events(started=started, step=step, epoch=epoch, finished=finished),
                    should_stop=lambda: bool(asked),
                    resume=resume,
                    team=team,
                )
        except (Locked, LockLost, WorkerLost):
            raise  # what the run says of itself is another trainer's, or that of those who are started anew
        except BaseException as error:
            # the loop notes its own failures; what comes before it, or an abort, would leave the run open
            if run.info.state in ("queued", "running"):
                aborted = isinstance(error, KeyboardInterrupt)
                run.end_badly("aborted by a second interrupt" if aborted else told(error))
            raise
    name = "final" if outcome == "finished" else outcome
    report.write(f"{outcome}: {run.checkpoint_folder / name}.safetensors")


@contextlib.contextmanager
def stopping_on_signals(*, aloud: bool = True) -> Iterator[list[int]]:
    """The first SIGINT, SIGTERM, SIGHUP or SIGUSR1 is put into the list that this gives.

    A second SIGINT interrupts. With `aloud`, whoever sent it is told what that does.
    A signal that this process ignores, as one that was started by nohup does, stays ignored; but with `aloud`
    the last one is heeded: a job script has had it ignored until this process is ready for it.
    """
    asked: list[int] = []

    def ask(number: int, frame: FrameType | None) -> None:
        if asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        asked.append(number)
        if not aloud:
            return
        with contextlib.suppress(OSError):  # the terminal may be gone
            # no print: a handler must not wait for a stream that it may have interrupted
            os.write(2, b"\nstopping: saves at the next step; Ctrl-C again ends at once\n")

    names = ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1")  # the last is what batch systems warn with
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    warning = numbers[-1] if aloud else None
    heeded = [n for n in numbers if n == warning or signal.getsignal(n) is not signal.SIG_IGN]
    before = {number: signal.signal(number, ask) for number in heeded}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
