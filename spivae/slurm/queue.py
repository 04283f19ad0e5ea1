"""What Slurm says of jobs: one squeue for all of them, and its answer kept for some seconds.

Lists and screens ask for every run, again and again; squeue, and the controller that all users share, must
not notice. No accounting is needed: squeue knows jobs that wait and run, and some minutes long those that
have ended. Only how older ones have ended is known to the accounting, where there is one.
"""

from __future__ import annotations

import functools
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


class Standing(NamedTuple):
    """How a job stands: what that means for us, and Slurm's own word and reason."""

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


class Queue:
    """The queue as it was seen last, for all threads. `problem` says why it cannot be seen."""

    def __init__(self, ask: Callable[[Collection[int]], Answer] = ask_squeue) -> None:
        self._ask = ask
        self._jobs: Answer = {}
        self._uids: set[int] = set()
        self._seen = 0.0  # when, in seconds since the epoch
        self._until = 0.0  # on the monotonic clock: when to look again
        self._lock = threading.Lock()
        self.problem: str | None = None

    def look(self, job: Job, *, fresh: bool = False) -> Standing:
        """How a job stands, seen at most `KEPT_SECONDS` ago, or now where it must be `fresh`."""
        if not _is_user(job.uid):
            return Standing("unknown")
        with self._lock:
            new_user = job.uid not in self._uids
            failing = self.problem is not None and time.monotonic() < self._until
            if not failing and (fresh or new_user or time.monotonic() >= self._until):
                self._uids.add(job.uid)
                self._refresh()
            if self.problem is not None:
                return Standing("unknown")
            found = self._jobs.get(job.id)
            seen = self._seen
        if found is None:  # of an array, Slurm forgets at once what is cancelled before it has begun
            is_new = seen < job.submitted + CLOCKS_SECONDS
            return Standing("unknown" if is_new else "ended")
        state, reason = found
        phase: Phase = "waiting" if state in _WAITING else "active" if state in _ACTIVE else "ended"
        return Standing(phase, state, "" if reason == "None" else reason)

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
        silent = queue.problem is not None or not _is_user(job.uid)
        return f"Slurm job {job.id} ({'Slurm does not say how it is' if silent else 'submitted just now'})"
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
