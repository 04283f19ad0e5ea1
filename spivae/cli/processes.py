"""A training by several processes, from the command line: who starts them, and what each of them does."""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from spivae.cli.output import note
from spivae.errors import WorkFailed, told
from spivae.training.processes import Processes, WorkerLost

if TYPE_CHECKING:
    from spivae.training.run import Run
    from spivae.training.torchrun import Meeting

_OPTIONS = (
    click.option(
        "--nproc", type=int, metavar="N", help="Processes that share every batch  [default: 1, or as before]"
    ),
    click.option(
        "--nnodes",
        type=int,
        metavar="N",
        help="Machines, with --nproc processes each  [default: 1, or as before]",
    ),
    click.option(
        "--rdzv-endpoint",
        "endpoint",
        metavar="HOST:PORT",
        help="Where the machines meet: HOST is one of them, and leads.",
    ),
    click.option(
        "--max-restarts",
        type=int,
        metavar="N",
        help="How often processes that die are started again, from the last state  [default: 3]",
    ),
)


def processes_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options of several processes, as one argument `processes`, checked."""

    @functools.wraps(function)
    def wrapped(
        *arguments: Any,
        nproc: int | None,
        nnodes: int | None,
        max_restarts: int | None,
        endpoint: str | None,
        **others: Any,
    ) -> Any:
        processes = Processes(nproc, nnodes, max_restarts, endpoint)
        processes.check()
        return function(*arguments, processes=processes, **others)

    for option in reversed(_OPTIONS):
        wrapped = option(wrapped)
    return wrapped


def train_together(
    begin: Callable[[], Run],
    processes: Processes,
    threads: int | None,
    as_json: bool,
    leads: bool | None = None,
) -> bool:
    """Start the processes of this machine, and wait for their end; whether this machine has led.

    `begin` makes the run, or takes it up again; of several machines, the one that leads does so for all.
    Which one that is may be told, or is found out.
    """
    from spivae.cli.train import announce, stopping_on_signals
    from spivae.training.torchrun import Meeting

    with stopping_on_signals() as asked, Meeting.at(processes.endpoint, leads) as meeting:
        if not meeting.leads:
            run = meeting.run()
            announce(run, as_json)
            _supervise(meeting, run, threads, asked)
            run.refresh()
            if run.info.state == "failed":
                raise WorkFailed(run.info.error or f"{run.path}: has failed")
            return False
        from spivae.training.lock import Lock

        run = begin()
        with Lock.take(run) as lock:
            processes.note(run)
            run.note_process(os.getpid())
            announce(run, as_json)
            lock.keep_beating()
            try:
                _settle_device(run)
                meeting.announce(run)
                _supervise(meeting, run, threads, asked)
                run.refresh()
                if run.info.state in ("queued", "running"):
                    raise WorkFailed(f"{run.path}: its processes have ended, and have not said why")
            except BaseException as error:
                # the first process notes how it ends; this is for where none could
                lock.beat()
                run.refresh()
                if lock.lost is None and run.info.state in ("queued", "running"):
                    aborted = isinstance(error, KeyboardInterrupt)
                    run.end_badly("aborted by a second interrupt" if aborted else told(error))
                raise
        return True


def _settle_device(run: Run) -> None:
    """Note what the wish for a device comes to, so that all processes take the same. Raises SpivaeError."""
    from spivae.training.device import usable_device

    info = run.info
    info.device = usable_device(info.device, processes=info.nproc, several=True, run=run.id)
    run.save()


def _supervise(meeting: Meeting, run: Run, threads: int | None, asked: list[int]) -> None:
    from spivae.training.torchrun import supervise
    from spivae.training.watch import ask_to_stop

    def look() -> None:
        if asked:
            with contextlib.suppress(RuntimeError):  # the machine that led is gone, which ends the workers
                ask_to_stop(meeting.store)

    supervise(meeting, run, threads, look)


def work(path: Path, threads: int | None, address: str, parent: int) -> None:
    """Be one of the processes.

    What goes wrong here would go wrong again: all are told, and end. Where one dies, all are started again.
    """
    from spivae.training.watch import Watch

    watch = Watch(parent)
    # the terminal that they were started from may go away; a batch system's warning, which may be sent to
    # every process, is for who has started them
    for name in ("SIGHUP", "SIGUSR1"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    from spivae.training.torchrun import connect
    from spivae.training.watch import tell

    store = connect(address)
    watch.listen(connect(address))
    code = 0
    try:
        _train(Path(path), threads, store, lambda: watch.stopping)
    except WorkerLost as error:
        note(f"warning: {error}")
        code = 1  # for torchrun to see
    except BaseException as error:  # noqa: BLE001  it is told and shown where the processes were started
        from spivae.cli.errors import describe

        tell(store, *describe(error))
    # all is written and told. The interpreter's own end may wait for ever, or abort, where a thread is just
    # then inside gloo or the store
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _train(path: Path, threads: int | None, store: Any, should_stop: Callable[[], bool]) -> None:
    from spivae.cli import common
    from spivae.cli.train import stopping_on_signals, train_here
    from spivae.training.distributed import Group, Witness
    from spivae.training.run import Run

    run = Run.open(path)
    group = Group(run, store, run.info.device, should_stop)
    restarts = int(os.environ["TORCHELASTIC_RESTART_COUNT"])
    if group.first:
        if restarts:
            note(
                f"a process died; all are started again, {restarts} of at most {run.info.max_restarts} times"
            )
        train_here(run, common.plugins(), threads, resume=True, team=group)
    else:
        from spivae.plugins import load_plugins
        from spivae.training.loop import train

        witness = Witness(run.path, run.info)
        process = load_plugins().process(run.recipe.process.name)
        with stopping_on_signals(aloud=False) as asked:
            train(
                witness,
                process,
                threads=threads,
                should_stop=lambda: bool(asked),
                resume=True,
                team=group,
            )
    group.leave()
