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

    `endpoint`, as HOST:PORT, is where the machines find each other: HOST is the one that leads.
    """

    nproc: int | None = None
    nnodes: int | None = None
    max_restarts: int | None = None
    endpoint: str | None = None

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
        return Processes(self.nproc or info.nproc, self.nnodes or info.nnodes, restarts, self.endpoint)

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
        if recipe is None:
            return
        nproc, nnodes, batch = self.nproc or 1, self.nnodes or 1, recipe.training.batch
        if nnodes > 1 and self.endpoint is None:
            raise SpivaeError(
                f"--nnodes: {nnodes} machines need --rdzv-endpoint HOST:PORT, the same on each, "
                "where HOST is one of them"
            )
        if nnodes == 1 and self.endpoint is not None:
            raise SpivaeError("--rdzv-endpoint: is for several machines; say how many with --nnodes")
        if nproc * nnodes > batch:
            raise SpivaeError(
                f"--nproc: {nproc * nnodes} processes cannot share a batch of {batch} trajectories; "
                "take fewer, or raise training.batch"
            )

    def check_detached(self, flag: str) -> None:
        """Raise SpivaeError where `--detach` or `--slurm` cannot start it."""
        if flag == "--slurm" and self.several:
            raise SpivaeError(
                "--slurm: hands over trainings of one process; for several, write `spivae train --nproc` "
                "into a job script of your own"
            )
        if (self.nnodes or 1) > 1:
            raise SpivaeError(f"{flag}: is for one machine; of several, the batch system keeps what runs")

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
