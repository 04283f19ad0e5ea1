"""Cutting off code that does not come back, in the main thread and in others."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from spivae.deadline import Blocked, within

SOON = 0.2


@pytest.fixture(params=["main", "other"])
def bounded(request: pytest.FixtureRequest) -> Iterator[Callable[..., object]]:
    """`within`, called in the main thread with an alarm, or in another one."""
    if request.param == "other":
        yield elsewhere
        return
    of_pytest = signal.signal(signal.SIGALRM, signal.SIG_DFL)  # it has a clock of its own
    yield within
    assert signal.signal(signal.SIGALRM, of_pytest) == signal.SIG_DFL


def elsewhere(seconds: float, call: Callable[[], object]) -> object:
    found: list[object] = []

    def run() -> None:
        try:
            found.append(within(seconds, call))
        except BaseException as error:  # noqa: BLE001  # is raised below
            found.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if isinstance(found[0], BaseException):
        raise found[0]
    return found[0]


def test_what_comes_back_is_returned(bounded: Callable[..., object]) -> None:
    assert bounded(60, lambda: 7) == 7


@pytest.mark.parametrize("error", [ValueError, SystemExit, KeyboardInterrupt])
def test_what_is_raised_is_raised(bounded: Callable[..., object], error: type[BaseException]) -> None:
    def fail() -> None:
        raise error("mine")

    with pytest.raises(error, match="mine"):
        bounded(60, fail)


def spin() -> None:
    while True:
        pass


def catches_everything_it_may() -> None:
    while True:
        with contextlib.suppress(Exception):
            time.sleep(0.01)


@pytest.mark.parametrize(
    "blocking",
    [lambda: time.sleep(3600), spin, threading.Event().wait, catches_everything_it_may],
    ids=["sleeps", "spins", "waits", "catches"],
)
def test_what_does_not_come_back_is_cut_off(
    bounded: Callable[..., object], blocking: Callable[[], None]
) -> None:
    with pytest.raises(Blocked, match=r"did not come back within 0\.2 s"):
        bounded(SOON, blocking)


def test_a_thread_that_spins_is_ended() -> None:
    before = set(threading.enumerate())
    with pytest.raises(Blocked):
        elsewhere(SOON, spin)
    end = time.monotonic() + 60
    while (left := set(threading.enumerate()) - before) and time.monotonic() < end:
        time.sleep(0.05)
    assert not left


def test_nothing_rings_later(bounded: Callable[..., object]) -> None:
    assert bounded(SOON, lambda: 1) == 1
    time.sleep(2 * SOON)


def test_one_within_another_leaves_the_outer_alone(bounded: Callable[..., object]) -> None:
    def inner() -> str:
        with pytest.raises(Blocked):
            within(SOON, spin)
        return "went on"

    assert bounded(60, inner) == "went on"
