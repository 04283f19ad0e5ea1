"""What trainings of one user know of each other on a machine."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_loop import SBM, TINY

from spivae.training import places
from spivae.training.loop import Events, train
from spivae.training.run import Run


@pytest.fixture(autouse=True)
def _nobody_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def other() -> Iterator[int]:
    """The pid of another process, which waits until it is told to end."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process.pid


def test_a_training_knows_what_others_take_until_they_leave(other: int) -> None:
    assert places.taken() == 0
    places.take(other, 3)
    places.take(os.getpid(), 2)
    assert (places.taken(), places.taken(os.getpid())) == (5, 3)
    places.take(other, 1)
    assert places.taken(os.getpid()) == 1
    places.leave(other)
    assert places.taken(os.getpid()) == 0


def test_what_has_ended_without_a_word_takes_nothing() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        places.take(process.pid, 4)
    assert places.taken() == 0
    assert not list(places._folder().glob("*.json"))


def test_trainings_on_other_cores_take_nothing_of_ours(other: int, monkeypatch: pytest.MonkeyPatch) -> None:
    places.take(other, 4)
    monkeypatch.setattr(places, "own_cores", lambda pid=0: {0, 1} if pid == 0 else {2, 3})
    assert places.taken() == 0
    monkeypatch.setattr(places, "own_cores", lambda pid=0: {0, 1} if pid == 0 else {1, 2})
    assert places.taken() == 4


def test_one_chooses_at_a_time() -> None:
    # each waits for the other to have begun; with the lock, the second begins when the first has ended
    seen: list[str] = []
    begun = threading.Event()

    def second() -> None:
        begun.set()
        with places.choosing():
            seen.append("second")

    thread = threading.Thread(target=second)
    with places.choosing():
        thread.start()
        begun.wait(10)
        thread.join(0.3)
        seen.append("first")
    thread.join(10)
    assert seen == ["first", "second"]


def test_a_training_that_is_suspended_while_it_chooses_is_not_waited_for_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(places, "_CHOOSING_SECONDS", 0.1)
    with places.choosing(), places.choosing():
        pass


def test_where_nothing_can_be_noted_a_training_goes_on_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    places.take(os.getpid(), 2)
    with places.choosing():
        assert places.taken() == 0
    places.leave(os.getpid())


def test_a_training_has_its_place_while_it_runs_however_it_ends(tmp_path: Path) -> None:
    taken: list[int] = []

    def look(record: dict[str, object]) -> None:
        taken.append(places.taken())
        if len(taken) == 3:
            raise ValueError("a plugin breaks")

    with pytest.raises(ValueError, match="breaks"):
        train(Run.create(tmp_path, TINY), SBM, threads=2, events=Events(step=look))
    assert taken == [2, 2, 2]
    assert places.taken() == 0
