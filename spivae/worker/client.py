"""The app's end of the worker: jobs go out, events come back on a thread of their own."""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from spivae.errors import SpivaeError
from spivae.worker.protocol import (
    BrokenFrame,
    Cancel,
    Cancelled,
    Failed,
    Finished,
    Progress,
    Reply,
    Submit,
    read_frame,
    write_frame,
)

if TYPE_CHECKING:
    from spivae.figure.spec import Figure

__all__ = ["Cancelled", "Done", "Event", "Failed", "Progress", "Worker"]

log = logging.getLogger(__name__)
GRACE = 2.0  # seconds between asking the process to end and killing it


class Done(msgspec.Struct, frozen=True):
    """A job is done: its figure (None for "warm" and "export"), its scalars, and how long the worker took."""

    figure: Figure | None
    scalars: dict[str, Any]
    seconds: float


Event = Progress | Done | Failed | Cancelled
OnEvent = Callable[[Event], None]


class Worker:
    """A worker process that starts with the first job and again after it has died.

    Every job ends in exactly one of Done, Failed and Cancelled, whatever becomes of the process. `on_event`
    is called from a thread of the worker's: a user interface must hand the event on to its own. All methods
    may be called from any thread, and none waits for work.
    """

    def __init__(self, plugin_dirs: Sequence[str | os.PathLike[str]] = ()) -> None:
        self._arguments = [part for path in plugin_dirs for part in ("--plugins-dir", os.fspath(path))]
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._process: _Process | None = None
        self._closed = False

    @property
    def pid(self) -> int | None:
        """The living process's id, or None."""
        with self._lock:
            return self._process.pid if self._process is not None and self._process.alive else None

    def submit(self, op: str, payload: Mapping[str, Any], on_event: OnEvent | None = None) -> int:
        """Queue a job and return its number. Raises SpivaeError where no process can be started."""
        job = next(self._numbers)
        with self._lock:
            if self._closed:
                raise SpivaeError("the worker is closed")
            if self._process is None or not self._process.add(job, on_event or _ignore):
                self._process = _Process(self._arguments, {job: on_event or _ignore})
            process = self._process
        process.send(Submit(job, op, dict(payload)))
        return job

    def cancel(self, job: int) -> None:
        """Ask for the end of a job; its Cancelled event follows unless it ended before."""
        with self._lock:
            process = self._process
        if process is not None and process.has(job):
            process.send(Cancel(job))

    def close(self) -> None:
        """End the process, within `GRACE` seconds and a little. No event comes after this has returned."""
        with self._lock:
            self._closed = True
            process, self._process = self._process, None
        if process is not None:
            process.end()


def _ignore(event: Event) -> None:
    """For a job whose outcome nobody waits for."""


class _Process:
    """One life of the worker process and the jobs in it."""

    def __init__(self, arguments: Sequence[str], jobs: dict[int, OnEvent]) -> None:
        try:
            self._popen = subprocess.Popen(
                [sys.executable, "-m", "spivae.worker", *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=_environment(),
                # so that neither ctrl+c nor a hang-up of the terminal reaches it
                start_new_session=True,
            )
        except OSError as error:
            raise SpivaeError(f"the worker process cannot be started ({error.strerror or error})") from error
        self._lock = threading.Lock()
        self._write_lock = threading.Lock()
        self._jobs = jobs
        self._last_words: deque[bytes] = deque(maxlen=20)
        self.alive = True
        self._silent = False
        self._listener = threading.Thread(target=self._listen, name="spivae-worker-events", daemon=True)
        self._drain = threading.Thread(target=self._read_errors, name="spivae-worker-log", daemon=True)
        self._listener.start()
        self._drain.start()

    @property
    def pid(self) -> int:
        return self._popen.pid

    def add(self, job: int, on_event: OnEvent) -> bool:
        """Take a job on; False where the process is already known to be dead."""
        with self._lock:
            if self.alive:
                self._jobs[job] = on_event
            return self.alive

    def has(self, job: int) -> bool:
        with self._lock:
            return job in self._jobs

    def send(self, message: Submit | Cancel) -> None:
        assert self._popen.stdin is not None
        # a process that has just died is reported by the listener, with the reason
        with self._write_lock, contextlib.suppress(OSError, ValueError):
            write_frame(self._popen.stdin, msgspec.msgpack.encode(message))

    def end(self) -> None:
        """Terminate, then kill; afterwards no event is passed on."""
        self._silent = True
        for stop in (self._popen.terminate, self._popen.kill):
            stop()
            try:
                self._popen.wait(GRACE)
                break
            except subprocess.TimeoutExpired:
                log.warning("worker %d does not end", self.pid)
        for thread, pipe in (
            (self._listener, self._popen.stdout),
            (self._drain, self._popen.stderr),
            (None, self._popen.stdin),
        ):
            if thread is not None and thread is not threading.current_thread():
                thread.join(GRACE)
            # closing a pipe that another thread reads would wait for that thread
            if pipe is not None and (thread is None or not thread.is_alive()):
                with contextlib.suppress(OSError):
                    pipe.close()

    def _listen(self) -> None:
        assert self._popen.stdout is not None
        decoder = msgspec.msgpack.Decoder(Reply)
        why = ""
        try:
            while (frame := read_frame(self._popen.stdout)) is not None:
                self._pass_on(decoder.decode(frame))
        except (BrokenFrame, msgspec.DecodeError, OSError, ValueError) as error:
            why = f"the worker said something unreadable ({error})"
            self._popen.kill()
        code = self._popen.wait()
        self._drain.join(1)
        with self._lock:
            self.alive = False
            jobs, self._jobs = self._jobs, {}
        for on_event in jobs.values():
            self._call(on_event, Failed(why or _obituary(code, self._last_words)))

    def _pass_on(self, reply: Reply) -> None:
        with self._lock:
            on_event = self._jobs.get(reply.job)
            if on_event is not None and not isinstance(reply.event, Progress):
                del self._jobs[reply.job]
        if on_event is None:
            return
        if isinstance(reply.event, Finished):
            self._call(on_event, _decoded(reply.event))
        else:
            self._call(on_event, reply.event)

    def _call(self, on_event: OnEvent, event: Event) -> None:
        if self._silent:
            return
        try:
            on_event(event)
        except Exception:
            log.exception("a listener of the worker failed on %s", type(event).__name__)

    def _read_errors(self) -> None:
        assert self._popen.stderr is not None
        with contextlib.suppress(OSError, ValueError):  # closed by `end`
            for line in iter(lambda: self._popen.stderr.readline(2000), b""):  # type: ignore[union-attr]
                self._last_words.append(line)


def _decoded(event: Finished) -> Done:
    if not event.figure:
        return Done(None, event.scalars, event.seconds)
    # numpy comes with it: not before there is something to draw
    from spivae.figure.spec import decode

    return Done(decode(event.figure), event.scalars, event.seconds)


def _obituary(code: int, last_words: Sequence[bytes]) -> str:
    """Why a process that ended by itself did so, in one line."""
    if code == -signal.SIGKILL:
        return "worker was killed (signal 9), probably for want of memory: choose fewer trajectories a cell"
    if code < 0:
        return f"worker was killed (signal {-code}); run it again"
    lines = [line.decode("utf-8", "replace").strip() for line in last_words]
    said = next((line for line in reversed(lines) if line), "")
    return f"worker ended unexpectedly (exit code {code})" + (f": {said}" if said else "")


def _environment() -> dict[str, str]:
    """The worker's environment: a random.py in the user's folder must not stand in for the standard one."""
    import importlib.metadata  # slow to import, and not needed before a process is started

    environment = dict(os.environ)
    try:
        importlib.metadata.distribution("spivae")
    except importlib.metadata.PackageNotFoundError:
        return environment  # run from its source folder, where the package itself is found that way
    environment["PYTHONSAFEPATH"] = "1"
    return environment
