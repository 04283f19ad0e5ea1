"""The worker's end: one thread reads requests, the main one does the work, job after job."""

from __future__ import annotations

import logging
import os
import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import IO, TYPE_CHECKING, Any, TypeVar

import msgspec

from spivae.errors import SpivaeError, told, want_of_memory
from spivae.worker.protocol import (
    Analyze,
    Cancel,
    Cancelled,
    Export,
    Failed,
    FindRate,
    Finished,
    Progress,
    Reply,
    Submit,
    read_frame,
    write_frame,
)

if TYPE_CHECKING:
    from spivae.worker.answers import Answer
    from spivae.worker.session import Session

Payload = TypeVar("Payload", Analyze, Export, FindRate)

log = logging.getLogger(__name__)
PROGRESS_EVERY = 0.1  # seconds between two progress events


class Server:
    """Answers requests from `frames_in` on `frames_out` until the former ends."""

    def __init__(self, frames_in: IO[bytes], frames_out: IO[bytes], plugin_dirs: Sequence[str] = ()) -> None:
        self._in = frames_in
        self._out = frames_out
        self._plugin_dirs = plugin_dirs
        self._waiting: queue.SimpleQueue[Submit] = queue.SimpleQueue()
        self._lock = threading.Lock()  # of `_unanswered` and of `_out`
        self._unanswered: set[int] = set()
        self._session: Session | None = None

    def run(self) -> None:
        """Work until the process ends, which it does when its input does."""
        threading.Thread(target=self._read, name="requests", daemon=True).start()
        while True:
            request = self._waiting.get()
            if self._wanted(request.job):
                self._work(request)

    def _read(self) -> None:
        """Take requests, so that a cancellation is seen while the main thread computes."""
        decoder: msgspec.msgpack.Decoder[Submit | Cancel] = msgspec.msgpack.Decoder(Submit | Cancel)
        code = 1
        try:
            while (frame := read_frame(self._in)) is not None:
                request = decoder.decode(frame)
                if isinstance(request, Submit):
                    with self._lock:
                        self._unanswered.add(request.job)
                    self._waiting.put(request)
                else:
                    # answered here and now; the work itself stops at its next look
                    self._answer(request.job, Cancelled())
            code = 0
        finally:
            # the app is gone: nothing is worth finishing, and the main thread may be deep in torch
            os._exit(code)

    def _wanted(self, job: int) -> bool:
        with self._lock:
            return job in self._unanswered

    def _answer(self, job: int, event: Progress | Finished | Failed | Cancelled) -> None:
        """Send an event, unless the job has had its last one."""
        frame = msgspec.msgpack.encode(Reply(job, event))
        with self._lock:
            if job not in self._unanswered:
                return
            if not isinstance(event, Progress):
                self._unanswered.discard(job)
            write_frame(self._out, frame)

    def _work(self, request: Submit) -> None:
        from spivae.worker.session import WorkCancelled

        try:
            self._answer(request.job, self._perform(request))
        except WorkCancelled:
            log.info("job %d was cancelled", request.job)  # and answered by the reader
        except SpivaeError as error:
            self._answer(request.job, Failed(told(error)))
        except Exception as error:
            log.exception("job %d (%s) failed", request.job, request.op)
            self._answer(request.job, Failed(want_of_memory(error) or f"{type(error).__name__}: {error}"))

    def _perform(self, request: Submit) -> Finished:
        started = time.perf_counter()
        session = self._open_session()
        figure: bytes = b""
        scalars: dict[str, Any] = {}
        if request.op == "warm":
            session.warm()
        elif request.op == "analyze":
            figure, scalars = self._analyze(session, request)
        elif request.op == "export":
            scalars = self._export(session, request)
        elif request.op == "find_rate":
            figure, scalars = self._find_rate(session, request)
        else:
            raise SpivaeError(
                f"the worker knows no operation {request.op!r}: it does warm, analyze, export and find_rate"
            )
        return Finished(figure, scalars, time.perf_counter() - started)

    def _analyze(self, session: Session, request: Submit) -> tuple[bytes, dict[str, Any]]:
        from spivae.figure.spec import encode

        answer = self._ask(session, request, _converted(request, Analyze))
        return encode(answer.figure), answer.result.to_json()["scalars"]

    def _export(self, session: Session, request: Submit) -> dict[str, Any]:
        from spivae.exporting import About, check, export
        from spivae.worker.memory import ask

        wish = _converted(request, Export)
        exporters = session.plugins.exporters
        check(wish.path, exporters)  # before anything is computed for it
        question = ask(session.plugins, wish.checkpoint, wish.analysis, wish.options, wish.data)
        answer = self._ask(session, request, wish)
        self._answer(request.job, Progress(0, 1, "writing"))
        about = About.of(question.analysis, question.options, question.data, wish.checkpoint)
        return {"path": str(export(wish.path, answer.figure, answer.result, about, exporters))}

    def _ask(self, session: Session, request: Submit, wish: Analyze) -> Answer:
        return session.analyze(
            wish.checkpoint,
            wish.analysis,
            wish.options,
            wish.data,
            progress=_Throttled(lambda event: self._answer(request.job, event)),
            cancelled=lambda: not self._wanted(request.job),
            fresh=wish.fresh,
        )

    def _find_rate(self, session: Session, request: Submit) -> tuple[bytes, dict[str, Any]]:
        from spivae.figure.lr_sweep import sweep_figure
        from spivae.figure.spec import encode

        wish = _converted(request, FindRate)
        sweep = session.find_rate(
            wish.recipe,
            wish.phase,
            progress=_Throttled(lambda event: self._answer(request.job, event)),
            cancelled=lambda: not self._wanted(request.job),
        )
        return encode(sweep_figure(sweep)), sweep.to_json()

    def _open_session(self) -> Session:
        if self._session is None:
            from spivae.plugins import load_plugins
            from spivae.worker import results
            from spivae.worker.session import Session, worker_threads

            self._session = Session(
                load_plugins(self._plugin_dirs), threads=worker_threads(), results=results.of_user()
            )
        return self._session


def _converted(request: Submit, kind: type[Payload]) -> Payload:
    """The payload of a request. Raises SpivaeError for one that does not fit."""
    try:
        return msgspec.convert(request.payload, kind)
    except msgspec.ValidationError as error:
        raise SpivaeError(f"{request.op}: {error}") from None


class _Throttled:
    """Progress to events, no more often than a person can see; the first and last of each part always."""

    def __init__(self, send: Callable[[Progress], None]) -> None:
        self._send = send
        self._what = ""
        self._next = 0.0

    def __call__(self, done: int, total: int, what: str) -> None:
        now = time.monotonic()
        if what == self._what and done < total and now < self._next:
            return
        self._what, self._next = what, now + PROGRESS_EVERY
        self._send(Progress(done, total, what))
