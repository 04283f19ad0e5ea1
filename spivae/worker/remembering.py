"""A worker that is not asked what is known: kept answers come at once, from a thread of this process.

The worker's own process may still be starting then, or loading torch, which never comes into this one.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from spivae.errors import SpivaeError
from spivae.worker.client import Cancelled, Done, Event, Failed, OnEvent
from spivae.worker.protocol import Analyze

if TYPE_CHECKING:
    from spivae.worker.memory import Memory

log = logging.getLogger(__name__)


class Computing(Protocol):
    """What `spivae.worker.client.Worker` offers."""

    def submit(self, op: str, payload: Mapping[str, Any], on_event: OnEvent | None = None) -> int: ...

    def cancel(self, job: int) -> None: ...

    def close(self) -> None: ...


class Job:
    """One submitted job: its number at the worker once it was handed on, and whether it has ended here."""

    def __init__(self, on_event: OnEvent | None) -> None:
        self.on_event: OnEvent = on_event or (lambda event: None)
        self.number: int | None = None
        self.ended = False


class RememberingWorker:
    """The interface of a Worker, and what it promises; `memory` is made when it is first needed."""

    def __init__(self, worker: Computing, memory: Callable[[], Memory]) -> None:
        self._worker = worker
        self._make_memory = memory
        self._memory: Memory | None = None
        self._looking = threading.Lock()  # one lookup at a time
        self._lock = threading.RLock()  # of all jobs; an event may well lead to the next call
        self._closed = False

    def submit(self, op: str, payload: Mapping[str, Any], on_event: OnEvent | None = None) -> Job:
        """Queue a job. Raises SpivaeError where no process can be started for one that is not looked up."""
        job = Job(on_event)
        if op == "analyze" and not payload.get("fresh"):
            look_up = threading.Thread(
                target=self._look_up, args=(job, dict(payload)), name="spivae-results", daemon=True
            )
            look_up.start()
        else:
            job.number = self._worker.submit(op, payload, job.on_event)
        return job

    def cancel(self, job: Job) -> None:
        """Ask for the end of a job; its Cancelled event follows unless it ended before."""
        with self._lock:
            if job.number is not None:
                self._worker.cancel(job.number)
            else:
                self._end(job, Cancelled())

    def close(self) -> None:
        """End the worker. No event comes after this has returned."""
        with self._lock:
            self._closed = True
        self._worker.close()

    def _look_up(self, job: Job, payload: dict[str, Any]) -> None:
        done = self._recalled(payload)
        with self._lock:
            if job.ended or self._closed:
                return
            if done is not None:
                self._end(job, done)
                return
            try:
                job.number = self._worker.submit("analyze", payload, job.on_event)
            except SpivaeError as error:
                self._end(job, Failed(str(error)))

    def _end(self, job: Job, event: Event) -> None:
        """Tell of the end of a job that the worker does not know, unless it has ended."""
        if not job.ended and not self._closed:
            job.ended = True
            job.on_event(event)

    def _recalled(self, payload: Mapping[str, Any]) -> Done | None:
        """The kept answer; None where there is none, and where the worker has to say what is wrong."""
        started = time.perf_counter()
        try:
            wish = msgspec.convert(payload, Analyze)
            with self._looking:
                if self._memory is None:
                    self._memory = self._make_memory()
                answer = self._memory.lookup(wish.checkpoint, wish.analysis, wish.options, wish.data)
        except (SpivaeError, msgspec.ValidationError):
            return None
        except Exception:
            log.exception("looking an answer up failed; it is computed")
            return None
        if answer is None:
            return None
        return Done(answer.figure, answer.result.to_json()["scalars"], time.perf_counter() - started)
