"""A run: the directory that holds everything about one training, from its first step on."""

from __future__ import annotations

import contextlib
import itertools
import os
import secrets
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

import msgspec

from spivae.errors import SpivaeError, WorkFailed
from spivae.files import replacing
from spivae.liveness import heartbeat_age, is_untaken, process_start, run_state, this_host
from spivae.owner import ended_queue, why_not_begun
from spivae.slurm.job import Job
from spivae.slurm.options import Options
from spivae.training.device import AUTO

if TYPE_CHECKING:
    from spivae.training.recipe import Recipe  # imports numpy, which listing runs does not need

State = Literal["queued", "running", "stopped", "finished", "failed", "lost"]


class CellAxis(msgspec.Struct, frozen=True):
    """One parameter of the training grid: its values in the order of the cells, and how to draw it."""

    name: str
    values: tuple[float, ...]
    label: str = ""
    unit: str = ""
    scale: Literal["linear", "log"] = "linear"


class Change(msgspec.Struct, frozen=True):
    """After which step a training went on in another way, and in which: its bits are others from there on."""

    step: int
    said: str


class RunInfo(msgspec.Struct):
    """run.json: who trains what, where, and how far it is."""

    id: str
    process: str
    epochs: int
    created: float  # seconds since the epoch, as all times here
    state: State = "queued"
    started: float | None = None
    finished: float | None = None
    steps: int = 0
    grid: tuple[CellAxis, ...] = ()  # of the cells in its epochs' records
    host: str = ""
    pid: int = 0
    pid_started: int | None = None
    launcher: str = "local"  # or "slurm"
    job: Job | None = None  # of Slurm's, that trains it or is going to
    slurm: Options | None = None  # what was asked of Slurm the last time
    threads: int = 0  # of each process
    nproc: int = 1  # processes on each machine
    nnodes: int = 1  # machines
    max_restarts: int = 3  # of its processes, where one of several dies
    code_path: str = "plain"  # "fast" or "plain": see spivae.model.paths
    why_plain: str | None = None
    device: str = AUTO  # that was used last; until then, or where it is to be another, what is wished for
    error: str | None = None
    attempt: int = 0  # how many times a trainer has taken it up
    resumed_at: int = 0  # the step after which the newest attempt began
    changes: tuple[Change, ...] = ()  # of the way in which it is computed
    lr_scale: float = 1.0  # times the recipe's learning rates
    repeats: str = ""  # the run whose training it does again, in the same way

    def repeat(self, other: RunInfo) -> None:
        """Be trained in the way of another run that has begun: on the same machine, to its bits."""
        self.repeats, self.threads = other.id, other.threads
        self.nproc, self.nnodes, self.max_restarts = other.nproc, other.nnodes, other.max_restarts
        # on another device it is another way anyhow
        self.code_path = other.code_path if self.device == other.device else "fast"


class Run:
    """A run directory. Viewers read it at any time; only the trainer writes `run.json` and below."""

    def __init__(self, path: Path, info: RunInfo) -> None:
        self.path = path
        self.info = info

    @classmethod
    def create(
        cls,
        base: Path,
        recipe: Recipe,
        name: str | None = None,
        *,
        device: str = AUTO,
        repeats: RunInfo | None = None,
    ) -> Run:
        """A new directory under `base`, with this id or a unique one, that is to be trained on a device.

        Where it `repeats` another one, it is trained in the same way. Raises WorkFailed where it cannot be
        made.
        """
        from spivae.training import recipe as recipes

        now = time.time()
        stamp = time.strftime("%Y%m%d-%H%M%S", time.localtime(now))
        info = RunInfo(
            id=name or f"{recipe.process.name}-{stamp}-{secrets.token_hex(2)}",
            process=recipe.process.name,
            epochs=recipe.epochs,
            created=now,
            device=device,
        )
        if repeats is not None:
            info.repeat(repeats)
        run = cls(base / info.id, info)
        try:
            run.checkpoint_folder.mkdir(parents=True)
        except OSError as error:
            raise WorkFailed(
                f"{run.path}: cannot be made ({error.strerror}); choose another --run-dir"
            ) from None
        try:
            with replacing(run.recipe_path) as handle:
                handle.write(recipes.to_toml(recipe).encode())
            run.save()
        except BaseException:  # a folder without run.json is no run, and nobody would remove it
            import shutil  # slow to import, and seldom needed

            shutil.rmtree(run.path, ignore_errors=True)
            raise
        return run

    @classmethod
    def open(cls, path: Path | str) -> Run:
        """The run in a directory. Raises SpivaeError where there is none or its run.json is broken."""
        path = Path(path)
        try:
            return cls(path, msgspec.json.decode((path / "run.json").read_bytes(), type=RunInfo))
        except FileNotFoundError:
            raise SpivaeError(f"{path}: not a run (it has no run.json)") from None
        except OSError as error:
            raise SpivaeError(f"{path}: cannot be read ({error.strerror})") from None
        except msgspec.DecodeError as error:
            raise SpivaeError(f"{path}: its run.json is broken ({error})") from None

    @property
    def id(self) -> str:
        return self.info.id

    @property
    def recipe_path(self) -> Path:
        return self.path / "recipe.toml"

    @property
    def metrics_path(self) -> Path:
        return self.path / "metrics.jsonl"

    @property
    def log_path(self) -> Path:
        return self.path / "log.txt"

    @property
    def checkpoint_folder(self) -> Path:
        return self.path / "checkpoints"

    @property
    def stop_path(self) -> Path:
        return self.path / "STOP"

    @property
    def lock_path(self) -> Path:
        return self.path / "LOCK"

    @property
    def state_path(self) -> Path:
        """What a training is resumed from: see `spivae.training.state`."""
        return self.path / "state" / "resume.safetensors"

    @property
    def recipe(self) -> Recipe:
        from spivae.training import recipe as recipes

        return recipes.load(self.recipe_path)

    def save(self) -> None:
        """Write run.json."""
        with replacing(self.path / "run.json") as handle:
            handle.write(msgspec.json.format(msgspec.json.encode(self.info)))

    def refresh(self) -> None:
        """Read run.json again."""
        self.info = Run.open(self.path).info

    def note_process(self, pid: int) -> None:
        """Note the process that trains, or is about to, so that its end is noticed."""
        self.info.host, self.info.pid, self.info.pid_started = this_host(), pid, process_start(pid)
        self.save()

    def claim(self, threads: int, device: str, pid: int | None = None) -> None:
        """Mark this process as the trainer, or the one with this pid."""
        info = self.info
        info.state, info.started, info.finished, info.error = "running", time.time(), None, None
        info.threads, info.device = threads, device
        info.attempt += 1
        self.note_process(os.getpid() if pid is None else pid)

    def sweep_up(self) -> None:
        """Remove files that killed trainers left half written; for whoever holds the lock."""
        for folder in (self.path, self.checkpoint_folder, self.state_path.parent):
            for part in folder.glob(".*.part"):
                part.unlink(missing_ok=True)

    def end(self, state: State, error: str | None = None) -> None:
        """Mark the training as over."""
        self.info.state, self.info.finished, self.info.error = state, time.time(), error
        self.save()

    def end_badly(self, error: str) -> None:
        """Mark the training as failed, where that can still be written."""
        with contextlib.suppress(
            WorkFailed
        ):  # a full disk or a deleted folder; viewers find the trainer gone
            self.end("failed", error)

    def state(self) -> State:
        """What run.json says, but "lost" where the trainer that it names is gone, or "stopped" its queue."""
        info = self.info
        age = partial(heartbeat_age, self.lock_path)
        noted = (info.state, info.host, info.pid, info.pid_started)
        return cast(State, run_state(*noted, age, info.job, self._ended_queue))

    def is_untaken(self) -> bool:
        """Whether it waits for somebody to take it up, be there anybody or not."""
        return is_untaken(self.info.state, self.info.pid, self.info.job)

    def why_not_begun(self) -> str:
        """Why it waits for nothing, in words; "" where it does not."""
        return why_not_begun(self._ended_queue()) if self.is_untaken() else ""

    def _ended_queue(self) -> str:
        return ended_queue(str(self.path.resolve().parent))

    def has_trainer(self) -> bool:
        """Whether a process or job trains it, or is about to; a queued run may still wait for one."""
        state, info = self.state(), self.info
        return state == "running" or (state == "queued" and (info.pid != 0 or info.job is not None))

    @property
    def job_id(self) -> str | None:
        """The number of the job of Slurm's that trains it, or is to."""
        return None if self.info.job is None else self.info.job.id

    @property
    def slurm(self) -> Options | None:
        """What was asked of Slurm, where it was trained there the last time."""
        return self.info.slurm if self.info.launcher == "slurm" else None

    def why_ended(self) -> str:
        """Why it has failed or is lost, in words."""
        info = self.info
        if info.error:
            return info.error
        if info.job is not None:
            from spivae.slurm.queue import describe

            return describe(info.job)
        return f"its trainer, process {info.pid} on {info.host}, is gone"

    def request_stop(self) -> None:
        """Ask the trainer to save and end; it looks for the file at every step."""
        try:
            self.stop_path.touch()
        except OSError as error:
            raise WorkFailed(f"{self.stop_path}: cannot be written ({error.strerror})") from None

    def checkpoints(self) -> list[Path]:
        """The checkpoint files, newest last."""
        found = []
        for path in self.checkpoint_folder.glob("*.safetensors"):
            with contextlib.suppress(FileNotFoundError):  # a trainer that ends removes `last`
                found.append((path.stat().st_mtime, path))
        return [path for _, path in sorted(found)]


def list_runs(base: Path) -> Iterator[Run]:
    """The readable runs under a folder and in its sweeps, newest first."""
    found = []
    for path in (*base.glob("*/run.json"), *base.glob("*/*/run.json")):
        try:
            found.append(Run.open(path.parent))
        except SpivaeError:
            continue  # the catalog lists broken runs with their error
    yield from sorted(found, key=lambda run: run.info.created, reverse=True)


def run_folder(name: str, base: Path) -> Path | None:
    """The folder at this path, or of the run with exactly this id, readable or not; None where it is none."""
    folders = iter([Path(name)] if name else [])
    if name.strip(".") and Path(name).name == name:  # no path, which would lead elsewhere from there
        inside = (folder / name for folder in base.glob("*"))  # of a sweep
        folders = itertools.chain(folders, [base / name], inside)
    return next((folder for folder in folders if (folder / "run.json").is_file()), None)


def find_run(name: str, base: Path) -> Run:
    """The run with this id, unique beginning of an id, or path. Raises SpivaeError for none or several."""
    folder = run_folder(name, base)
    if folder is not None:
        return Run.open(folder)
    matches = [run for run in list_runs(base) if name and run.id.startswith(name)]
    exact = [run for run in matches if run.id == name]
    if len(exact or matches) == 1:
        return (exact or matches)[0]
    if not matches:
        raise SpivaeError(f"no run {name!r} in {base}; `spivae runs` lists them, with --sweeps sweeps")
    raise SpivaeError(f"run {name!r} fits {len(matches)} ids: {', '.join(run.id for run in matches[:4])}")
