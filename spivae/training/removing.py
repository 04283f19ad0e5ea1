"""Deleting a run, or a sweep with its runs: never what somebody is at, or was at since it was looked at."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path
from typing import NamedTuple

from spivae.errors import SpivaeError, WorkFailed
from spivae.training.lock import Lock
from spivae.training.run import Run, find_run, run_folder
from spivae.training.sweep import Sweep, find_sweep


class _Folder(NamedTuple):
    """What can be locked of a run that cannot be read."""

    id: str
    lock_path: Path


class Removal:
    """What is to be deleted, as it is when it is looked at: a run, readable or not, or a sweep."""

    def __init__(self, path: Path, sweep: Sweep | None = None) -> None:
        """Raises SpivaeError where a trainer, a job or a queue is at it, or is about to be."""
        self.path = path
        self.id = path.name
        self.sweep = sweep
        self.runs = [path] if sweep is None else sorted(file.parent for file in path.glob("*/run.json"))
        self._seen = self._noted()
        self.states = self._check()

    @classmethod
    def find(cls, name: str, base: Path) -> Removal:
        """By id, the unique beginning of one, or path. Raises SpivaeError, also where it is none's."""
        sweep = find_sweep(name, base)
        if sweep is not None:
            return cls(sweep.path, sweep)
        return cls(run_folder(name, base) or find_run(name, base).path)

    def checkpoints(self) -> int:
        """How many go with it."""
        return sum(len(list(path.glob("checkpoints/*.safetensors"))) for path in self.runs)

    def remove(self, *, force: bool = False) -> None:
        """Delete it; `force` overrules a trainer on another host that shows no sign of life any more.

        Raises SpivaeError where somebody is at it, or was since it was looked at; WorkFailed where the system
        refuses.
        """
        with contextlib.ExitStack() as locks:  # nobody takes it up meanwhile
            self._check()
            for folder in dict.fromkeys((self.path, *self.runs)):
                locks.enter_context(Lock.take(_Folder(folder.name, folder / "LOCK"), force=force))
            if self._noted() != self._seen:
                raise SpivaeError(f"{self.id}: has changed meanwhile, and is kept; look at it again")
            try:
                shutil.rmtree(self.path)
            except OSError as error:
                where = error.filename or self.path
                raise WorkFailed(f"{where}: cannot be deleted ({error.strerror or error})") from None

    def _noted(self) -> list[bytes | None]:
        """What its runs note of themselves, which is another thing once somebody has taken them up."""
        files = [path / "run.json" for path in self.runs]
        return [file.read_bytes() if file.is_file() else None for file in files]

    def _check(self) -> list[str]:
        """The states of its runs. Raises SpivaeError where somebody is at it."""
        if self.sweep is not None and self.sweep.has_queue():
            raise SpivaeError(f"{self.id}: its queue is at work; `spivae stop {self.id}` ends that")
        states = []
        for path in self.runs:
            try:
                run = Run.open(path)
            except SpivaeError:
                states.append("broken")
                continue
            states.append(run.state())
            if run.has_trainer():
                raise SpivaeError(f"{run.id}: is {states[-1]}; `spivae stop {run.id}` ends that")
        return states
