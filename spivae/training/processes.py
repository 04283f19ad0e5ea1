"""How many processes a training takes: on this machine, and on how many machines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from spivae.errors import SpivaeError, WorkFailed

if TYPE_CHECKING:
    from spivae.training.recipe import Recipe
    from spivae.training.run import Run


class WorkerLost(WorkFailed):
    """Another process of a training is gone without a word: they are started again."""


class Processes(msgspec.Struct, frozen=True):
    """What was asked for; None is as the run has it noted, which for a new one is a single process.

    `endpoint`, as HOST:PORT, is where the machines find each other: HOST is the one that leads. Those of a
    job of Slurm's (`in_job`) find each other by themselves.
    """

    nproc: int | None = None
    nnodes: int | None = None
    max_restarts: int | None = None
    endpoint: str | None = None
    in_job: bool = False

    @property
    def given(self) -> bool:
        """Whether anything was asked for."""
        return self != Processes()

    @property
    def several(self) -> bool:
        """Whether that is more than one process."""
        return (self.nproc or 1) * (self.nnodes or 1) > 1

    def of(self, run: Run) -> Processes:
        """The same for a run, which has noted what is not asked for."""
        info = run.info
        restarts = info.max_restarts if self.max_restarts is None else self.max_restarts
        return msgspec.structs.replace(
            self, nproc=self.nproc or info.nproc, nnodes=self.nnodes or info.nnodes, max_restarts=restarts
        )

    def within_job(self, in_job: bool = True) -> Processes:
        """The same in a job of Slurm's, or not in one."""
        return msgspec.structs.replace(self, in_job=in_job)

    def check(self, recipe: Recipe | None = None) -> None:
        """Raise SpivaeError where this cannot be had: by a new run of a recipe, or by any."""
        for flag, value, least in (
            ("--nproc", self.nproc, 1),
            ("--nnodes", self.nnodes, 1),
            ("--max-restarts", self.max_restarts, 0),
        ):
            if value is not None and value < least:
                raise SpivaeError(f"{flag}: needs at least {least}, not {value}")
        if self.endpoint is not None:
            split_endpoint(self.endpoint)
            if self.in_job:
                raise SpivaeError("--rdzv-endpoint: the machines of a job find each other; leave it out")
        if recipe is None:
            return
        nproc, nnodes, batch = self.nproc or 1, self.nnodes or 1, recipe.training.batch
        if nnodes > 1 and self.endpoint is None and not self.in_job:
            raise SpivaeError(
                f"--nnodes: {nnodes} machines need --rdzv-endpoint HOST:PORT, the same on each, "
                "where HOST is one of them; or --slurm"
            )
        if nnodes == 1 and self.endpoint is not None:
            raise SpivaeError("--rdzv-endpoint: is for several machines; say how many with --nnodes")
        if nproc * nnodes > batch:
            raise SpivaeError(
                f"--nproc: {nproc * nnodes} processes cannot share a batch of {batch} trajectories; "
                "take fewer, or raise training.batch"
            )

    def check_detached(self) -> None:
        """Raise SpivaeError where `--detach` cannot start it."""
        if (self.nnodes or 1) > 1:
            raise SpivaeError(
                "--detach: is for one machine; on several, Slurm keeps what runs (--slurm), or another batch "
                "system does"
            )

    def note(self, run: Run) -> None:
        """Note what was asked for in a run's info, which is not saved. Raises SpivaeError as `check` does."""
        self.check()
        found, info = self.of(run), run.info
        if found.several or found.endpoint is not None:
            found.check(run.recipe)
        if (found.nproc, found.nnodes) != (info.nproc, info.nnodes):
            info.threads = 0  # they were shared out among others
        info.nproc, info.nnodes = found.nproc or 1, found.nnodes or 1
        info.max_restarts = info.max_restarts if found.max_restarts is None else found.max_restarts


def split_endpoint(endpoint: str) -> tuple[str, int]:
    """Host and port of HOST:PORT. Raises SpivaeError for anything else."""
    host, _, port = endpoint.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise SpivaeError(f"--rdzv-endpoint: {endpoint!r} is not of the form HOST:PORT, as in node1:29500")
    return host.strip("[]"), int(port)
