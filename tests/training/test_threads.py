"""How many threads a training takes, by what is free and by what makes it faster."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import psutil
import pytest
import torch

from spivae.errors import SpivaeError
from spivae.training import threads


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, which passes where it is said to."""
    now = [0.0]
    monkeypatch.setattr(threads.time, "perf_counter", lambda: now[0])
    return now


def shared_out(clock: list[float], overhead: float) -> Callable[[], None]:
    """A step of 8 ms that threads share, each at the cost of an overhead."""

    def step() -> None:
        count = torch.get_num_threads()
        clock[0] += 0.008 / count + overhead * (count - 1)

    return step


def test_threads_that_make_a_step_faster_are_taken_and_others_are_not(clock: list[float]) -> None:
    assert threads.choose(shared_out(clock, 0.0), 2) == 2
    assert threads.choose(shared_out(clock, 0.02), 2) == 1


def test_where_one_core_is_free_nothing_is_tried() -> None:
    def never() -> None:
        raise AssertionError

    assert threads.choose(never, 1) == 1


def test_steps_are_timed_with_their_threads_and_torch_is_left_as_it_was(clock: list[float]) -> None:
    torch.set_num_threads(3)
    took = threads.step_seconds(shared_out(clock, 0.0), (1, 4), seconds=0.05)
    assert took[1] > 2 * took[4]
    assert torch.get_num_threads() == 3


def test_powers_of_two_are_tried_and_the_fewest_that_are_as_fast_are_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tried: list[int] = []

    def told(step: object, counts: list[int]) -> dict[int, float]:
        tried.extend(counts)
        return {count: 8.0 / min(count, 4) - 0.01 * count for count in counts}

    monkeypatch.setattr(threads, "step_seconds", told)
    assert threads.choose(lambda: None, 12) == 4
    assert tried == [12, 8, 4, 2, 1]
    tried.clear()
    assert threads.choose(lambda: None, 8) == 4
    assert tried == [8, 4, 2, 1]


def test_a_slow_step_is_tried_no_longer_than_it_must(clock: list[float]) -> None:
    taken: list[int] = []

    def step() -> None:
        taken.append(torch.get_num_threads())
        clock[0] += 20.0 / torch.get_num_threads()

    assert threads.choose(step, 8) == 8
    assert taken == [8, 4]  # the probe was over when 8 and 4 had taken 2.5 and 5 s
    taken.clear()
    assert threads.step_seconds(step, [1]) == {1: 20.0}
    assert taken == [1]


def test_a_quick_step_is_measured_again_and_again_without_its_first_time(clock: list[float]) -> None:
    times = itertools.chain([0.5], itertools.repeat(0.1))

    def step() -> None:
        clock[0] += next(times)

    assert threads.step_seconds(step, [1]) == {1: pytest.approx(0.1)}
    assert clock[0] == pytest.approx(0.8)  # four rounds


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """A machine on which so many cores are this process's, and so many of them busy or taken by trainings."""

    def make(cores: int, busy: float = 0.0, taken: int = 0, wish: int | None = None, quota: int = 99) -> None:
        monkeypatch.setattr(threads, "own_cores", lambda: set(range(cores)))
        monkeypatch.setattr(threads, "allowed_cores", lambda: min(cores, quota))
        monkeypatch.setattr(threads, "usable_threads", lambda: wish or min(cores, quota))
        monkeypatch.setattr(threads, "busy_cores", lambda: busy)
        monkeypatch.setattr(threads, "taken", lambda own: 0 if own == 7 else taken)

    return make


@pytest.mark.parametrize(
    ("state", "free"),
    [
        ({}, 8),
        ({"busy": 3.2}, 5),
        ({"busy": 8.0}, 1),
        ({"taken": 3}, 5),
        ({"taken": 3, "busy": 2.8}, 5),
        ({"taken": 3, "busy": 6.0}, 2),
        ({"taken": 20}, 1),
        ({"wish": 4, "busy": 2.0}, 4),
        ({"wish": 4, "busy": 6.0}, 2),
        ({"quota": 2, "busy": 5.0}, 2),
        ({"quota": 2, "taken": 1}, 1),
    ],
    ids=str,
)
def test_threads_are_taken_among_cores_that_neither_programs_nor_trainings_keep_busy(
    machine: Callable[..., None], state: dict[str, float], free: int
) -> None:
    machine(8, **state)
    assert threads.free_threads() == free


def test_what_a_training_takes_itself_is_free_for_it(machine: Callable[..., None]) -> None:
    machine(8, taken=4)
    assert (threads.free_threads(), threads.free_threads(7)) == (4, 8)


def test_cores_are_busy_as_the_system_tells_now(monkeypatch: pytest.MonkeyPatch) -> None:
    # the time before it was asked is not told of, an instant does not count, nor do cores of others
    told = iter([[100.0] * 4, *5 * [[90.0, 100.0, 20.0, 0.0]]])
    monkeypatch.setattr(psutil, "cpu_percent", lambda percpu: next(told))
    monkeypatch.setattr(threads, "own_cores", lambda: {0, 2, 3})
    monkeypatch.setattr(threads, "_GLANCE_SECONDS", 0.0)
    assert threads.busy_cores() == pytest.approx(1.1)
    told = iter([[0.0] * 4, *2 * [[100.0] * 4], *3 * [[0.0] * 4]])
    assert threads.busy_cores() == 0


@pytest.mark.parametrize("count", [0, -1])
def test_a_number_of_threads_that_is_none_is_refused(count: int) -> None:
    with pytest.raises(SpivaeError, match=f"threads: needs at least 1, not {count}"):
        threads.check_threads(count)


@pytest.mark.parametrize("count", [1025, 10**9, 10**20])
def test_a_number_of_threads_that_torch_would_die_of_is_refused(count: int) -> None:
    threads.check_threads(1024)
    with pytest.raises(SpivaeError, match=f"threads: at most 1024, not {count}"):
        threads.check_threads(count)
