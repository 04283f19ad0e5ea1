"""What Slurm says of jobs: one squeue for all of them, and its answer kept for some seconds.

Lists and screens ask for every run, again and again; squeue, and the controller that all users share, must
not notice. No accounting is needed: squeue knows jobs that wait and run, and some minutes long those that
have ended. Only how older ones have ended is known to the accounting, where there is one.
"""

from __future__ import annotations

import functools
import os
import re
import threading
import time
from collections.abc import Callable, Collection
from typing import Literal, NamedTuple

from spivae.slurm import accounting
from spivae.slurm.commands import SlurmError, call
from spivae.slurm.job import Job

KEPT_SECONDS = 10.0
RETRY_SECONDS = 60.0  # after squeue has failed, or has kept us waiting
TIMEOUT_SECONDS = 5.0
CLOCKS_SECONDS = 2.0  # by which the clocks of hosts may differ

Phase = Literal["waiting", "active", "ended", "unknown"]

_WAITING = frozenset(
    (
        *("PENDING", "CONFIGURING", "POWER_UP_NODE", "SPECIAL_EXIT", "RESV_DEL_HOLD"),
        *("REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED"),
    )
)
_ACTIVE = frozenset(("RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING", "STAGE_OUT", "RESIZING"))
_ENDS = {
    "BOOT_FAIL": "has lost its node, which did not start",
    "CANCELLED": "was cancelled",
    "COMPLETED": "has ended",
    "DEADLINE": "has missed its deadline",
    "FAILED": "has failed",
    "NODE_FAIL": "has lost its node, which failed",
    "OUT_OF_MEMORY": "ran out of memory",
    "PREEMPTED": "was preempted",
    "TIMEOUT": "ran out of time",
}


_SILENT, _NEW = "Slurm does not say how it is", "submitted just now"


class Standing(NamedTuple):
    """How a job stands: what that means for us, and Slurm's own word and reason.

    One that has ended without a word is missing where it should be listed. `reason` is also why nothing is
    known.
    """

    phase: Phase
    state: str = ""
    reason: str = ""


Answer = dict[str, tuple[str, str]]  # state and reason, by the job's id


def ask_squeue(uids: Collection[int]) -> Answer:
    """State and reason of all jobs of these users that Slurm knows. Raises SlurmError."""
    users = ",".join(map(str, sorted(uids)))
    said = call(
        "squeue",
        *("--noheader", "--array", "--states=all", f"--user={users}", "--format=%i|%T|%r"),
        seconds=TIMEOUT_SECONDS,
        without=("SQUEUE_",),
    )
    jobs: Answer = {}
    for line in said.splitlines():
        number, _, rest = line.partition("|")
        state, _, reason = rest.partition("|")
        jobs[number] = state, reason
    return jobs


def ask_cluster() -> str:
    """The name of the cluster that Slurm's programs speak of here; "" where it is not to be had."""
    try:
        said = os.environ.get("SLURM_CLUSTER_NAME") or call(
            "scontrol", "show", "config", seconds=TIMEOUT_SECONDS
        )
    except SlurmError:  # squeue tells of the same trouble
        return ""
    found = re.search(r"^(?:ClusterName *= *)?(\S+)$", said, re.MULTILINE)
    return found[1] if found else ""


class Queue:
    """The queue as it was seen last, for all threads. `problem` says why it cannot be seen."""

    def __init__(
        self,
        ask: Callable[[Collection[int]], Answer] = ask_squeue,
        ask_cluster: Callable[[], str] = ask_cluster,
    ) -> None:
        self._ask, self._ask_cluster = ask, ask_cluster
        self._cluster: str | None = None
        self._jobs: Answer = {}
        self._uids: set[int] = set()
        self._seen = 0.0  # when, in seconds since the epoch
        self._until = 0.0  # on the monotonic clock: when to look again
        self._lock = threading.Lock()
        self.problem: str | None = None

    def look(self, job: Job, *, fresh: bool = False) -> Standing:
        """How a job stands, seen at most `KEPT_SECONDS` ago, or now where it must be `fresh`."""
        if not (_is_user(job.uid) and self.is_here(job)):
            return Standing("unknown", reason=_SILENT)
        with self._lock:
            new_user = job.uid not in self._uids
            failing = self.problem is not None and time.monotonic() < self._until
            if not failing and (fresh or new_user or time.monotonic() >= self._until):
                self._uids.add(job.uid)
                self._refresh()
            if self.problem is not None:
                return Standing("unknown", reason=_SILENT)
            found = self._jobs.get(job.id)
            seen = self._seen
        if found is None:  # of an array, Slurm forgets at once what is cancelled before it has begun
            if seen < job.submitted + CLOCKS_SECONDS:
                return Standing("unknown", reason=_NEW)
            # many a cluster shows nobody the jobs of others
            return Standing("ended") if job.uid == os.getuid() else Standing("unknown", reason=_SILENT)
        state, reason = found
        phase: Phase = "waiting" if state in _WAITING else "active" if state in _ACTIVE else "ended"
        return Standing(phase, state, "" if reason == "None" else reason)

    def cluster(self) -> str:
        """The cluster that is asked; "" where it does not tell its name."""
        with self._lock:
            if self._cluster is None:
                self._cluster = self._ask_cluster()
            return self._cluster

    def is_here(self, job: Job) -> bool:
        """Whether a job is this cluster's, as far as is known; several may share their files."""
        return not job.cluster or self.cluster() in ("", job.cluster)

    def check_here(self, job: Job) -> None:
        """Raise SlurmError for a job of another cluster: here, its number may be another job's."""
        if not self.is_here(job):
            raise SlurmError(
                f"Slurm job {job.id} is one of cluster {job.cluster}, and this is {self.cluster()}; go there"
            )

    def _refresh(self) -> None:
        self._seen = time.time()
        try:
            self._jobs, self.problem = self._ask(self._uids), None
        except SlurmError as error:
            self.problem = str(error)
        self._until = time.monotonic() + (KEPT_SECONDS if self.problem is None else RETRY_SECONDS)

    def forget(self) -> None:
        """Look anew the next time: something was done to the queue."""
        with self._lock:
            self._until = 0.0


def _is_user(uid: int) -> bool:
    """Whether this system knows the user; squeue knows no others."""
    return _user(uid) is not None


@functools.lru_cache(maxsize=64)  # the answer may come from a directory in the network
def _user(uid: int) -> str | None:
    """A user's name; None where this system does not know them."""
    import pwd  # which is not everywhere, and neither is Slurm

    try:
        return pwd.getpwuid(uid).pw_name
    except (KeyError, OverflowError):
        return None


queue = Queue()


def describe(job: Job) -> str:
    """How a job stands, in words for people: `Slurm job 12 ran out of time`."""
    standing = queue.look(job)
    if standing.phase == "unknown":
        return f"Slurm job {job.id} ({standing.reason})"
    if standing.phase != "ended":
        why = f" ({standing.reason})" if standing.reason and standing.phase == "waiting" else ""
        word = "waits" if standing.phase == "waiting" else "has begun"
        return f"Slurm job {job.id} {word}{why}"
    if standing.state:
        return _ended(job, standing.state, standing.reason)
    found = accounting.accounting.look(job)
    if found is None or (state := found[0].partition(" ")[0]) in _WAITING | _ACTIVE:
        return f"Slurm no longer knows job {job.id}"
    return _ended(job, state, _why(*found))


def _ended(job: Job, state: str, reason: str) -> str:
    why = f" ({reason})" if reason else ""
    return f"Slurm job {job.id} {_ENDS.get(state, f'has ended: {state.lower()}')}{why}"


def _why(state: str, exit_code: str) -> str:
    """By whom a job was cancelled, or how its command has ended, as the accounting has it."""
    uid = re.fullmatch(r"CANCELLED by (\d+)", state)
    if uid:
        return f"by {_user(int(uid[1])) or f'user {uid[1]}'}"
    if state != "FAILED":  # in all others, Slurm itself has ended the command
        return ""
    code, _, number = exit_code.partition(":")
    return f"exit code {code}" if number in ("", "0") else f"signal {number}"
