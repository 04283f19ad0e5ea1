"""Random arrays filled a block of rows at a time, by as many threads as there are cores.

Every block has a generator of its own, seeded by the one that was passed in, so that the numbers are the
same for any number of threads.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from spivae.cores import usable_threads

Fill = Callable[[np.random.Generator, slice], None]

_SEED_WORDS = 4  # 128 bits: no two blocks ever share a stream
_most: int | None = None


def limit_threads(count: int) -> None:
    """Let this process fill its arrays with at most so many threads, as its other work does."""
    global _most
    _most = count


def fill_in_blocks(rng: np.random.Generator, rows: int, fill: Fill, *, at_once: int) -> None:
    """Call `fill(generator, block)` for every block of `at_once` of so many rows; a block is a slice.

    `fill` runs in several threads at once: it must write to its own rows alone. NumPy's whole-array
    operations on them run side by side. The first rows are the same however many follow, where `fill` draws
    a row's numbers one row after the other.
    """
    blocks = [slice(start, min(start + at_once, rows)) for start in range(0, rows, at_once)]
    seeds = rng.integers(0, 2**32, (len(blocks), _SEED_WORDS), dtype=np.uint32)

    def work(number: int) -> None:
        # SFC64 passes the same tests as the default generator and is the fastest that NumPy has
        fill(np.random.Generator(np.random.SFC64(seeds[number])), blocks[number])

    threads = min(_most or usable_threads(), len(blocks))
    if threads < 2:
        for number in range(len(blocks)):
            work(number)
        return
    with ThreadPoolExecutor(threads, thread_name_prefix="blocks") as pool:
        for done in [pool.submit(work, number) for number in range(len(blocks))]:
            done.result()
