"""The learning-rate finder in the worker: progress, its answer, cancellation, and mistakes in words."""

from __future__ import annotations

import queue

import pytest

from spivae.errors import SpivaeError
from spivae.figure.spec import VLine
from spivae.plugins import load_plugins
from spivae.training import recipe as recipes
from spivae.worker.client import Cancelled, Done, Failed, Progress, Worker
from spivae.worker.session import Session, WorkCancelled


@pytest.fixture(scope="module")
def session():
    return Session(load_plugins(), threads=1)


@pytest.fixture(scope="module")
def table(tiny_recipe):
    return recipes.to_table(recipes.load(tiny_recipe))


def test_a_worker_sweeps_reports_and_is_cancelled(table):
    worker, events = Worker(), queue.Queue()
    try:
        worker.submit("find_rate", {"recipe": table, "phase": 1}, events.put)
        heard = []
        while isinstance(event := events.get(timeout=60), Progress):
            heard.append(event)
        assert isinstance(event, Done), event
        assert event.scalars["phase"] == 1
        assert event.scalars["steps"] == 100
        assert any(isinstance(mark, VLine) for mark in event.figure.panels[0].marks)
        assert heard[0].what == "making the data"
        assert any(progress.what == "sweeping" and progress.total == 100 for progress in heard)

        long = {**table, "dataset": {**table["dataset"], "trajectories": 100_000}}
        long["training"] = {**table["training"], "batch": 10_000}
        job = worker.submit("find_rate", {"recipe": long}, events.put)
        while not (isinstance(event := events.get(timeout=60), Progress) and event.what == "sweeping"):
            pass
        worker.cancel(job)
        while isinstance(event := events.get(timeout=20), Progress):
            pass
        assert isinstance(event, Cancelled)

        for payload in ({"recipe": {"training": {"phase": []}}}, {"recipe": table, "phase": 9}, {"phase": 0}):
            worker.submit("find_rate", payload, events.put)
            while isinstance(event := events.get(timeout=60), Progress):
                pass
            assert isinstance(event, Failed)
            assert "phase" in event.message or "recipe" in event.message
    finally:
        worker.close()


def test_a_session_stops_between_two_steps(session, table):
    heard = []

    def progress(done, total, what):
        heard.append((done, what))

    with pytest.raises(WorkCancelled):
        session.find_rate(table, 0, progress, lambda: (3, "sweeping") in heard)
    assert heard[-1] == (3, "sweeping")


def test_an_unknown_process_is_named(session, table):
    with pytest.raises(SpivaeError, match="nothing"):
        session.find_rate({**table, "process": {"name": "nothing"}})
