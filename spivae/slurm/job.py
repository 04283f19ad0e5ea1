"""Which job of Slurm's a process belongs to, or a run was handed to."""

from __future__ import annotations

import os
from collections.abc import Mapping

import msgspec


class Job(msgspec.Struct, frozen=True):
    """A job, or one task of an array. `restart` counts how often Slurm has begun it again."""

    id: str  # as squeue writes it: 123, or 123_4
    uid: int  # of the user whose job it is
    restart: int = 0
    submitted: float = 0.0  # seconds since the epoch
    cluster: str = ""  # where that is known: numbers of jobs are a cluster's own

    @classmethod
    def of_process(cls, environment: Mapping[str, str] = os.environ) -> Job | None:
        """The job that this process runs in on a node; None elsewhere, as in a login node's `salloc`."""
        number = environment.get("SLURM_JOB_ID")
        if not number or "SLURMD_NODENAME" not in environment:
            return None
        array, task = environment.get("SLURM_ARRAY_JOB_ID"), environment.get("SLURM_ARRAY_TASK_ID")
        restart = environment.get("SLURM_RESTART_COUNT", "")
        return cls(
            f"{array}_{task}" if array and task else number,
            os.getuid(),
            int(restart) if restart.isdecimal() else 0,
            cluster=environment.get("SLURM_CLUSTER_NAME", ""),
        )

    @staticmethod
    def leads(environment: Mapping[str, str] = os.environ) -> bool:
        """Whether this process is the first of those that `srun` has started, one on each node."""
        return environment.get("SLURM_PROCID") == "0"

    def is_before(self, other: Job | None) -> bool:
        """Whether this is an earlier beginning of the same job; Slurm has ended it before the later one."""
        return other is not None and self.is_same(other) and self.restart < other.restart

    def is_same(self, other: Job) -> bool:
        """Whether it is one job, in whichever beginning."""
        return self.id == other.id and (
            not self.cluster or not other.cluster or self.cluster == other.cluster
        )
