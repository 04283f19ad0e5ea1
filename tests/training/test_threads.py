"""How many threads a training takes, by what is free and by what makes it faster."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from spivae.errors import SpivaeError
from spivae.training import threads
from spivae.training.recipe import Recipe
from spivae.training.run import Run


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def shared_out(overhead: float) -> Callable[[], None]:
    """A step of 8 ms that threads share, each at the cost of an overhead."""

    def step() -> None:
        count = torch.get_num_threads()
        time.sleep(0.008 / count + overhead * (count - 1))

    return step


def test_threads_that_make_a_step_faster_are_taken_and_others_are_not() -> None:
    assert threads.choose(shared_out(0.0), 2) == 2
    assert threads.choose(shared_out(0.02), 2) == 1


def test_where_one_core_is_free_nothing_is_tried() -> None:
    def never() -> None:
        raise AssertionError

    assert threads.choose(never, 1) == 1


def test_steps_are_timed_with_their_threads_and_torch_is_left_as_it_was() -> None:
    torch.set_num_threads(3)
    took = threads.step_seconds(shared_out(0.0), (1, 4), seconds=0.05)
    assert took[1] > 2 * took[4]
    assert torch.get_num_threads() == 3


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, float, float], None]:
    """A machine with so many cores, a load average, and so many tasks that run at this moment."""

    def make(cores: int, average: float, now: float) -> None:
        monkeypatch.setenv("OMP_NUM_THREADS", str(cores))
        monkeypatch.setattr(threads.os, "getloadavg", lambda: (average, 0.0, 0.0))
        monkeypatch.setattr(threads, "_running_now", lambda: now)

    return make


@pytest.mark.parametrize(
    ("average", "now", "free"),
    [(0.0, 0.0, 8), (3.2, 3.0, 5), (7.9, 1.0, 7), (0.4, 8.0, 8), (30.0, 30.0, 1)],
    ids=["idle", "busy", "something has ended", "an instant", "crowded"],
)
def test_cores_that_are_busy_are_left_alone(
    machine: Callable[[int, float, float], None], average: float, now: float, free: int
) -> None:
    machine(8, average, now)
    assert threads.free_threads() == free


def test_other_trainings_beside_a_run_keep_their_threads(
    machine: Callable[[int, float, float], None], tmp_path: Path
) -> None:
    machine(8, 0.0, 0.0)
    run, other, fresh, ended, far = (Run.create(tmp_path, Recipe()) for _ in range(5))
    run.claim(2, "cpu")
    other.claim(3, "cpu")
    fresh.claim(0, "cpu")  # it still chooses
    ended.claim(4, "cpu")
    ended.end("finished")
    far.claim(4, "cpu")
    far.info.host = "elsewhere"
    far.save()
    assert other.info.host == socket.gethostname()
    assert threads.free_threads(run) == 8 - 3 - 1


def test_a_machine_that_tells_no_load_is_taken_for_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown() -> None:
        raise OSError

    monkeypatch.setattr(threads.os, "getloadavg", unknown)
    assert threads.busy_cores() == 0


def test_what_runs_at_this_moment_is_seen() -> None:
    # other programs come and go: it can be said that no number below zero, and none above all tasks, is told
    assert 0 <= threads._running_now() < 10_000


@pytest.mark.parametrize("count", [0, -1])
def test_a_number_of_threads_that_is_none_is_refused(count: int) -> None:
    with pytest.raises(SpivaeError, match=f"threads: needs at least 1, not {count}"):
        threads.check_threads(count)
