"""What Slurm's accounting says of jobs that squeue has forgotten: how they ended.

Not every cluster has one, and it may be slow: each job is asked for once, all tasks of an array with one
question, and who is kept waiting asks no more for a while. Without an answer there are no words and no error.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable

from spivae.slurm.commands import SlurmError, call
from spivae.slurm.job import Job

TIMEOUT_SECONDS = 5.0
PATIENCE_SECONDS = 5.0  # for all questions together, before a pause
PAUSE_SECONDS = 60.0  # also after sacct has failed

Records = dict[str, tuple[str, str]]  # state and exit code, by the job's id


def ask_sacct(number: str) -> Records:
    """State and exit code of a job, or of all tasks of an array. Raises SlurmError."""
    said = call(
        "sacct",
        *("--noheader", "--parsable2", "--allocations", f"--jobs={number}", "--format=JobID,State,ExitCode"),
        seconds=TIMEOUT_SECONDS,
        without=("SACCT_", "SLURM_TIME_FORMAT"),
    )
    found: Records = {}
    for line in said.splitlines():
        fields = line.split("|")
        if len(fields) == 3:
            found |= dict.fromkeys(_ids(fields[0]), (fields[1], fields[2]))
    return found


def _ids(text: str) -> list[str]:
    """The jobs of a record: of tasks that never began, `12_[3-5,8%2]`."""
    number, bracket, tasks = text.partition("_[")
    if not bracket:
        return [text]
    found = []
    for first, last in re.findall(r"(\d+)(?:-(\d+))?", tasks.partition("%")[0]):
        found += [f"{number}_{task}" for task in range(int(first), int(last or first) + 1)]
    return found


class Accounting:
    """What is known of ended jobs, for all threads."""

    def __init__(self, ask: Callable[[str], Records] = ask_sacct) -> None:
        self._ask = ask
        self._known: dict[str, Records] = {}  # by the number of the job or array
        self._waited = 0.0  # seconds since the last pause
        self._until = 0.0  # on the monotonic clock: the end of a pause
        self._lock = threading.Lock()

    def look(self, job: Job) -> tuple[str, str] | None:
        """State, with by whom where it was cancelled, and exit code as CODE:SIGNAL; None where unknown."""
        number = job.id.partition("_")[0]
        with self._lock:
            if number not in self._known:
                begun = time.monotonic()
                if begun < self._until:
                    return None
                try:
                    self._known[number] = self._ask(number)
                except SlurmError:  # there is none, or it does not answer
                    self._waited = PATIENCE_SECONDS
                self._waited += time.monotonic() - begun
                if self._waited >= PATIENCE_SECONDS:
                    self._waited, self._until = 0.0, time.monotonic() + PAUSE_SECONDS
            return self._known.get(number, {}).get(job.id)


accounting = Accounting()
