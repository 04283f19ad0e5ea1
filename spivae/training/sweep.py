"""Sweeps: a folder with a run for every point of a grid of settings, and the queue that trains them."""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from spivae.cores import usable_threads
from spivae.errors import SpivaeError, WorkFailed
from spivae.files import replacing
from spivae.owner import is_held
from spivae.slurm.options import Options
from spivae.slurm.script import literal
from spivae.training.device import AUTO
from spivae.training.launch import detached, start
from spivae.training.lock import Lock, Locked
from spivae.training.processes import Processes
from spivae.training.resume import prepare
from spivae.training.run import Run, run_folder
from spivae.training.slurm import array_script, begin, submit_array, withdraw
from spivae.training.stopping import end
from spivae.training.sweep_grid import applied, points
from spivae.training.threads import idle_threads

if TYPE_CHECKING:
    from spivae.training.recipe import Recipe

_LOOK_SECONDS = 0.5
_QUEUE_SECONDS = 5.0  # until a queue that is to stop is gone


class Point(msgspec.Struct, frozen=True):
    """A run of a sweep, and what sets it apart from the others."""

    id: str
    settings: dict[str, str]  # as they were typed

    @property
    def values(self) -> dict[str, Any]:
        """The settings' values, numbers as numbers."""
        from spivae.training.recipe import read_value

        return {path: read_value(text) for path, text in self.settings.items()}


class SweepInfo(msgspec.Struct):
    """sweep.json: what is varied, and how many runs train at once with how many threads each."""

    id: str
    created: float
    grid: dict[str, list[str]]
    points: list[Point]
    jobs: int = 1  # with Slurm, 0: as many as there is room for
    threads: int = 1  # of each process
    nproc: int = 1  # processes of each run
    slurm: Options | None = None  # what was asked of Slurm; None: the queue is on this machine
    job: str | None = None  # the newest array

    @property
    def values(self) -> dict[str, list[Any]]:
        """The grid's values, numbers as numbers."""
        from spivae.training.recipe import read_value

        return {path: [read_value(text) for text in texts] for path, texts in self.grid.items()}


class Sweep:
    """A sweep's directory. Each of its runs is a directory in it, like any other run."""

    def __init__(self, path: Path, info: SweepInfo) -> None:
        self.path = path
        self.info = info

    @classmethod
    def create(
        cls,
        base: Path,
        recipe: Recipe,
        grid: Mapping[str, Sequence[str]],
        *,
        jobs: int = 1,
        threads: int = 1,
        nproc: int = 1,
        slurm: Options | None = None,
        device: str = AUTO,
    ) -> Sweep:
        """A new directory with a queued run for every point of the grid.

        Raises SpivaeError for settings that make no recipe, or one whose batch `nproc` processes cannot
        share, before anything is made; WorkFailed where the directory cannot be made.
        """
        now = time.time()
        stamp = time.strftime("%Y%m%d-%H%M%S", time.localtime(now))
        stem = f"{recipe.process.name}-{stamp}-{secrets.token_hex(2)}"
        sweep = cls.planned(base, recipe, grid, stem, jobs=jobs, threads=threads, nproc=nproc, slurm=slurm)
        sweep.info.created = now
        for point in sweep.info.points:
            run = Run.create(sweep.path, applied(recipe, point.settings), point.id, device=device)
            if nproc > 1:
                run.info.nproc = nproc
                run.save()
        sweep.save()
        return sweep

    @classmethod
    def planned(
        cls,
        base: Path,
        recipe: Recipe,
        grid: Mapping[str, Sequence[str]],
        stem: str,
        *,
        jobs: int = 1,
        threads: int = 1,
        nproc: int = 1,
        slurm: Options | None = None,
    ) -> Sweep:
        """A sweep as `create` makes it, with `stem` in its runs' ids; nothing is made. Raises SpivaeError."""
        settings = points(grid)
        for point in settings:
            Processes(nproc).check(applied(recipe, point))
        path, digits = base / f"sweep-{stem}", max(2, len(str(len(settings))))
        named = [
            Point(f"{stem}-{number:0{digits}d}", point) for number, point in enumerate(settings, start=1)
        ]
        varies = {key: list(values) for key, values in grid.items()}
        return cls(path, SweepInfo(path.name, 0.0, varies, named, jobs, threads, nproc, slurm))

    @classmethod
    def open(cls, path: Path | str) -> Sweep:
        """The sweep in a directory. Raises SpivaeError where there is none or its sweep.json is broken."""
        path = Path(path)
        try:
            return cls(path, msgspec.json.decode((path / "sweep.json").read_bytes(), type=SweepInfo))
        except OSError as error:
            raise SpivaeError(f"{path}: is no sweep ({error.strerror})") from None
        except msgspec.DecodeError as error:
            raise SpivaeError(f"{path}: its sweep.json is broken ({error})") from None

    @property
    def id(self) -> str:
        return self.info.id

    @property
    def process(self) -> str:
        """The process whose name its runs' ids begin with."""
        return self.id.removeprefix("sweep-").rsplit("-", 3)[0]

    @property
    def job_id(self) -> str | None:
        """The number of the array that its runs were handed to Slurm as the last time."""
        return self.info.job

    @property
    def lock_path(self) -> Path:
        return self.path / "LOCK"

    @property
    def stop_path(self) -> Path:
        return self.path / "STOP"

    @property
    def log_path(self) -> Path:
        return self.path / "log.txt"

    def save(self) -> None:
        """Write sweep.json."""
        with replacing(self.path / "sweep.json") as handle:
            handle.write(msgspec.json.format(msgspec.json.encode(self.info)))

    def runs(self) -> dict[str, Run]:
        """The runs that are there, by their ids, in the order of the grid."""
        found = {}
        for point in self.info.points:
            try:
                found[point.id] = Run.open(self.path / point.id)
            except SpivaeError:
                continue  # deleted, or broken: `spivae runs` tells
        return found

    def run_of_task(self, environment: Mapping[str, str] = os.environ) -> Run:
        """The run that the task of an array, in which this process is, trains. Raises SpivaeError."""
        task = environment.get("SLURM_ARRAY_TASK_ID", "")
        if not task.isdecimal() or not 1 <= int(task) <= len(self.info.points):
            raise SpivaeError(f"{self.path}: is a sweep; name one of its runs")
        return Run.open(self.path / self.info.points[int(task) - 1].id)

    def _log_pattern(self) -> str:
        """Slurm's pattern for the log of the run that a task trains: `.../ID-%2a/log.txt`."""
        stem, dash, number = self.info.points[0].id.rpartition("-")
        return f"{literal(self.path.resolve() / (stem + dash))}%{len(number)}a/log.txt"

    def launch(self) -> None:
        """Start the queue in a process of its own, or hand what waits to Slurm; returns at once.

        Raises Locked where it runs already, WorkFailed where it cannot be started or Slurm refuses it.
        """
        with Lock.take(self) as lock:
            self._begin(lock)

    def _begin(self, lock: Lock) -> None:
        self.stop_path.unlink(missing_ok=True)
        self.save()
        if self.info.slurm is not None:
            self._submit(self.info.slurm)
            return
        command = [sys.executable, "-m", "spivae", "sweep", "--queue", str(self.path.resolve())]
        try:
            process = detached(command, self.log_path)
        except OSError as error:
            raise WorkFailed(f"{self.path}: its queue cannot be started ({error.strerror})") from None
        lock.give(process.pid)

    def script(self, options: Options) -> str:
        """The job script of all its runs."""
        info, tasks = self.info, range(1, len(self.info.points) + 1)
        log = self._log_pattern()
        return array_script(self.path, tasks, options, log, info.jobs, info.threads, info.nproc)

    def _submit(self, options: Options) -> None:
        """Hand the runs that wait to Slurm, as one array."""
        info, runs = self.info, self.runs()
        numbered = {task: runs.get(point.id) for task, point in enumerate(info.points, start=1)}
        waiting = [(task, run) for task, run in numbered.items() if run is not None and run.is_untaken()]
        if waiting:
            log = self._log_pattern()
            info.job = submit_array(
                self.path,
                waiting,
                options,
                log,
                at_once=info.jobs,
                threads=info.threads,
                nproc=info.nproc,
            )
            self.save()
            begin(info.job)

    def resume(self, slurm: Options | None) -> int:
        """Queue again what was stopped, has failed or is lost, and start the queue; how many runs wait.

        It is this machine's, or Slurm's with these options. A run that somebody trains meanwhile is left to
        them. Raises as `launch`, and SpivaeError where all have finished; where the queue runs already,
        nothing has changed.
        """
        with Lock.take(self) as lock:
            waiting, runs = 0, self.runs().values()
            if all(run.state() == "finished" for run in runs):
                done = "all of its runs have finished" if runs else "has no runs any more"
                raise SpivaeError(f"{self.id}: {done}; `spivae sweep RECIPE --grid A.B=V1,V2` makes new ones")
            for run in runs:
                if run.state() in ("stopped", "failed", "lost"):
                    with contextlib.suppress(Locked):
                        prepare(run).release()
                waiting += run.is_untaken()
            self.info.slurm = slurm
            self._begin(lock)
        return waiting

    def has_queue(self) -> bool:
        """Whether a process starts its runs, here or on another host."""
        return is_held(self.lock_path)

    def stop(self, wait: float = 0.0, *, force: bool = False) -> list[Run]:
        """Let the queue start no more runs, and ask those that train to save and end; those that go on.

        They are waited for, and forced, as `spivae.training.stopping.end` does. Raises SpivaeError where
        nothing of it is at work, or going to be.
        """
        if not self.has_queue() and not any(run.has_trainer() for run in self.runs().values()):
            raise SpivaeError(f"{self.id}: has already ended; `spivae sweep {self.id}` shows how")
        try:
            self.stop_path.touch()
        except OSError as error:
            raise WorkFailed(f"{self.stop_path}: cannot be written ({error.strerror})") from None
        if wait or force:  # what the queue is just starting is to be seen
            over = time.monotonic() + _QUEUE_SECONDS
            while self.has_queue() and time.monotonic() < over:
                time.sleep(_LOOK_SECONDS / 10)
        at_work = [run for run in self.runs().values() if run.has_trainer()]
        for run in at_work:
            run.request_stop()
        waiting = [run for run in at_work if run.info.job is not None and run.state() == "queued"]
        if waiting:
            withdraw(waiting)
        return end(at_work, wait, force=force)


def at_once(threads: int, nproc: int) -> int:
    """How many runs of so many processes with so many threads the cores are enough for; at least one."""
    return max(1, usable_threads() // (threads * nproc))


def work(sweep: Sweep) -> None:
    """Be the queue of a sweep: start its runs, a number at a time, until none waits or STOP is there.

    One is started only where its cores are free, or none of the sweep is at work. Runs are processes of their
    own and go on where the queue is killed; another queue counts them.
    """
    info = sweep.info
    jobs = info.jobs or at_once(info.threads, info.nproc)
    with Lock.take(sweep) as lock:
        lock.keep_beating()
        waiting, active = _standing(sweep)
        while lock.lost is None and not sweep.stop_path.exists() and (waiting or active):
            while waiting and len(active) < jobs and (not active or _has_room(info)):
                run = waiting.pop(0)
                _start(run, info.threads)
                active.append(run)
                if sweep.stop_path.exists():
                    # `stop` may have looked for trainers just before this one was there to be seen
                    run.request_stop()
                    break
            time.sleep(_LOOK_SECONDS)
            # only those at work are read again and again; all, once others may have been taken up or stopped
            ended = [run for run in active if not _is_active(run)]
            if ended:
                for run in ended:
                    print(f"{run.id}: {_end_of(run)}", flush=True)
                waiting, active = _standing(sweep)
        if sweep.stop_path.exists():
            print("stopped: starts no more runs", flush=True)


def _standing(sweep: Sweep) -> tuple[list[Run], list[Run]]:
    """The runs that wait, and those at work, whoever has started them."""
    runs = list(sweep.runs().values())
    active = [run for run in runs if run.has_trainer()]
    return [run for run in runs if run.is_untaken()], active


def _is_active(run: Run) -> bool:
    try:
        run.refresh()
    except SpivaeError:
        return False  # deleted
    return run.has_trainer()


def _end_of(run: Run) -> str:
    """How a run has ended, in words."""
    if not run.path.is_dir():
        return "deleted"
    state = run.state()
    return f"{state}: {run.why_ended()}" if state in ("failed", "lost") else state


def _has_room(info: SweepInfo) -> bool:
    """Whether cores are free for one more run, beside other programs, sweeps among them."""
    return idle_threads() >= info.threads * info.nproc


def _start(run: Run, threads: int) -> None:
    """Start a run that waits; another may have taken it meanwhile."""
    try:
        with Lock.take(run) as lock:
            run.refresh()
            if run.info.state == "queued":
                start(run, lock, threads=run.info.threads or threads)
                print(f"{run.id}: started", flush=True)
    except Locked:
        pass
    except SpivaeError as error:  # the others shall be trained all the same
        print(f"error: {error}", flush=True)
        run.end_badly(str(error))


def find_sweep(name: str, base: Path) -> Sweep | None:
    """The sweep with this id, unique beginning of an id, or path; None where it is none.

    Raises SpivaeError where several sweeps, or runs as well, begin so.
    """
    for folder in (Path(name), base / name) if name else ():
        if (folder / "sweep.json").is_file():
            return Sweep.open(folder)
    if not name or run_folder(name, base) is not None:
        return None
    matches = [path.parent for path in base.glob("*/sweep.json") if path.parent.name.startswith(name)]
    if not matches:
        return None
    matches += [path.parent for path in base.glob("*/run.json") if path.parent.name.startswith(name)]
    if len(matches) > 1:
        names = ", ".join(path.name for path in matches[:4])
        raise SpivaeError(f"{name!r} fits {len(matches)} ids: {names}")
    return Sweep.open(matches[0])


def sweep_of(run: Run) -> Sweep | None:
    """The sweep that a run is one of, if any. Raises SpivaeError where its sweep.json is broken."""
    folder = run.path.resolve().parent
    return Sweep.open(folder) if (folder / "sweep.json").is_file() else None
