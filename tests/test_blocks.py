"""Arrays that are filled in blocks: the same numbers for any number of threads, and all of them fresh."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from spivae import blocks
from spivae.blocks import fill_in_blocks, limit_threads


@pytest.fixture(autouse=True)
def no_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "_most", None)


def normal(rows: int, seed: int = 0, at_once: int = 7) -> np.ndarray:
    drawn = np.full((rows, 5), np.nan)

    def fill(rng: np.random.Generator, block: slice) -> None:
        rng.standard_normal(out=drawn[block])

    fill_in_blocks(np.random.default_rng(seed), rows, fill, at_once=at_once)
    return drawn


def test_the_numbers_are_the_same_for_any_number_of_threads() -> None:
    drawn = []
    for threads in (1, 2, 5):
        limit_threads(threads)
        drawn.append(normal(100))
    assert_array_equal(drawn[0], drawn[1])
    assert_array_equal(drawn[0], drawn[2])


@pytest.mark.parametrize("rows", [0, 1, 7, 8, 100])
def test_every_row_is_filled_with_numbers_of_its_own(rows: int) -> None:
    drawn = normal(rows)
    assert len(np.unique(drawn)) == 5 * rows
    assert np.isfinite(drawn).all()


def test_the_first_rows_are_the_same_however_many_follow() -> None:
    assert_array_equal(normal(100)[:33], normal(33))


def test_another_generator_and_its_next_call_give_other_numbers() -> None:
    assert not (normal(20, seed=0) == normal(20, seed=1)).any()
    rng, drawn = np.random.default_rng(0), []
    for _ in range(2):
        fill_in_blocks(rng, 1, lambda own, _: drawn.append(own.standard_normal()), at_once=1)
    assert drawn[0] != drawn[1]


def test_no_more_threads_than_allowed_are_at_work(monkeypatch: pytest.MonkeyPatch) -> None:
    def names() -> set[str]:
        seen: set[str] = set()
        fill_in_blocks(
            np.random.default_rng(0), 40, lambda *_: seen.add(threading.current_thread().name), at_once=1
        )
        return seen

    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert 1 <= len(names()) <= 3
    limit_threads(1)
    assert names() == {threading.current_thread().name}


@pytest.mark.parametrize("threads", [1, 3])
def test_what_a_block_raises_is_raised(threads: int) -> None:
    def fill(rng: np.random.Generator, block: slice) -> None:
        if block.start == 7:
            raise ValueError("seven")

    limit_threads(threads)
    with pytest.raises(ValueError, match="seven"):
        fill_in_blocks(np.random.default_rng(0), 20, fill, at_once=7)
