"""A worker that remembers: known answers come without it, and every job ends exactly once."""

import queue
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from spivae.errors import SpivaeError
from spivae.plugins import load_plugins
from spivae.worker.client import Cancelled, Done, Failed
from spivae.worker.memory import Memory
from spivae.worker.remembering import RememberingWorker
from spivae.worker.results import Results
from spivae.worker.session import Session

HERE = Path(__file__).parent
TRAINED = str(HERE.parent / "data" / "original_sbm_trained.tar")


class FakeWorker:
    """Keeps what it is asked, and answers nothing."""

    def __init__(self):
        self.asked = queue.Queue()
        self.cancelled = []
        self.closed = False
        self.broken = False

    def submit(self, op, payload, on_event=None):
        if self.broken:
            raise SpivaeError("the worker process cannot be started")
        self.asked.put((op, payload, on_event))
        return 40 + self.asked.qsize()

    def cancel(self, job):
        self.cancelled.append(job)

    def close(self):
        self.closed = True


class Gate:
    """A memory that looks when it is let."""

    def __init__(self, memory):
        self.memory = memory
        self.waits, self.open = threading.Event(), threading.Event()

    def lookup(self, *question):
        self.waits.set()
        assert self.open.wait(10)
        return self.memory.lookup(*question)


@pytest.fixture
def plugins(tmp_path):
    return load_plugins([shutil.copy(HERE / "clock_plugin.py", tmp_path / "clock.py")])


@pytest.fixture
def memory(plugins, tmp_path):
    """It knows what the clock says at size 1."""
    results = Results(tmp_path / "results", 10_000_000, pytest.fail)
    Session(plugins, 1, results).analyze(TRAINED, "clock", {"size": 1})
    return Memory(plugins, results)


@pytest.fixture
def fake():
    return FakeWorker()


@pytest.fixture
def events():
    return queue.Queue()


def payload(**more):
    return {"checkpoint": TRAINED, "analysis": "clock", "options": {"size": 1}, "data": {}, **more}


def test_what_is_known_comes_without_the_worker(fake, memory, events):
    worker = RememberingWorker(fake, lambda: memory)
    worker.submit("analyze", payload(), events.put)
    done = events.get(timeout=10)
    assert isinstance(done, Done)
    assert done.figure.title == "clock"
    assert done.scalars["version"] == 1
    assert fake.asked.empty()


@pytest.mark.parametrize(
    ("op", "asked"),
    [
        ("warm", {}),
        ("analyze", payload(options={"size": 2})),
        ("analyze", payload(fresh=True)),
        ("analyze", payload(analysis="clocks")),  # the worker says what is wrong
        ("analyze", payload(checkpoint="nowhere")),
        ("analyze", payload(colour="red")),
    ],
)
def test_all_else_is_handed_on(fake, memory, events, op, asked):
    worker = RememberingWorker(fake, lambda: memory)
    job = worker.submit(op, asked, events.put)
    got_op, got, on_event = fake.asked.get(timeout=10)
    assert (got_op, got) == (op, asked)
    on_event("an event")
    assert events.get(timeout=10) == "an event"
    while job.number is None:
        threading.Event().wait(0.01)
    worker.cancel(job)
    assert fake.cancelled == [job.number]


def test_a_memory_that_fails_only_costs_time(fake, events, caplog):
    def broken():
        raise RuntimeError("a mistake")

    RememberingWorker(fake, broken).submit("analyze", payload(), events.put)
    assert fake.asked.get(timeout=10)[0] == "analyze"
    assert "a mistake" in caplog.text


def test_a_worker_that_cannot_be_started_is_told_as_the_end_of_the_job(fake, memory, events):
    fake.broken = True
    worker = RememberingWorker(fake, lambda: memory)
    worker.submit("analyze", payload(options={"size": 2}), events.put)
    assert events.get(timeout=10) == Failed("the worker process cannot be started")
    with pytest.raises(SpivaeError):
        worker.submit("warm", {})


@pytest.mark.parametrize("size", [1, 2])
def test_a_job_that_is_cancelled_while_it_is_looked_up_ends_there(fake, memory, events, size):
    gate = Gate(memory)
    worker = RememberingWorker(fake, lambda: gate)
    job = worker.submit("analyze", payload(options={"size": size}), events.put)
    assert gate.waits.wait(10)
    worker.cancel(job)
    worker.cancel(job)
    assert events.get(timeout=10) == Cancelled()
    gate.open.set()
    worker.submit("analyze", payload(), events.put)
    assert isinstance(events.get(timeout=10), Done)  # lookups come in turn: the first has ended
    assert events.empty()
    assert fake.asked.empty()


def test_cancelling_what_has_ended_does_nothing(fake, memory, events):
    worker = RememberingWorker(fake, lambda: memory)
    job = worker.submit("analyze", payload(), events.put)
    assert isinstance(events.get(timeout=10), Done)
    worker.cancel(job)
    assert events.empty()
    assert fake.cancelled == []


def test_nothing_comes_after_it_is_closed(fake, memory, events):
    gate = Gate(memory)
    worker = RememberingWorker(fake, lambda: gate)
    worker.submit("analyze", payload(), events.put)
    assert gate.waits.wait(10)
    worker.close()
    assert fake.closed
    gate.open.set()
    for thread in threading.enumerate():
        if thread.name == "spivae-results":
            thread.join(10)
    assert events.empty()
    assert fake.asked.empty()


def test_the_app_never_imports_torch_for_what_it_remembers(memory, tmp_path):
    script = f"""
import queue, sys
from pathlib import Path
from spivae.plugins import load_plugins
from spivae.worker.memory import Memory
from spivae.worker.remembering import RememberingWorker
from spivae.worker.results import Results
results = Results(Path({str(tmp_path / "results")!r}), 10_000_000)
memory = Memory(load_plugins([{str(tmp_path / "clock.py")!r}]), results)
events = queue.Queue()
RememberingWorker(None, lambda: memory).submit("analyze", {payload()!r}, events.put)
print(type(events.get(timeout=10)).__name__, "torch" in sys.modules)
"""
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["Done", "False"]
