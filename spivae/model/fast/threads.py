"""A batch's rows shared out among threads that each compute on their own.

Two threads that share every small operation wait for each other thousands of times a step; two that take
half the rows each meet once.
"""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import TypeVar

import torch

Made = TypeVar("Made")


def in_threads(
    work: Callable[[int, slice], Made],
    rows: int,
    least: int = 1,
    give_up: Callable[[], None] = lambda: None,
) -> list[Made]:
    """`work(thread, rows)` for equal shares of the rows, of at least so many; the answers in order.

    Where one fails, or the caller is interrupted, `give_up` may tell the others, whose end is waited for.

    As many threads as torch has here; one that is alone is the caller's own. In each of them torch has one
    thread: two would wait for each other in every product, even the smallest.
    """
    threads = max(1, min(torch.get_num_threads(), rows // least))
    bounds = [rows * k // threads for k in range(threads + 1)]
    shares = [slice(*bounds[k : k + 2]) for k in range(threads)]
    if threads == 1:
        with one_thread():
            return [work(0, shares[0])]
    futures = [_pool(threads).submit(work, k, share) for k, share in enumerate(shares)]
    try:
        ended, working = wait(futures, return_when=FIRST_EXCEPTION)
        if working:  # one has failed: it says how, and the others are told
            for future in ended:
                future.result()
        return [future.result() for future in futures]
    except BaseException:
        give_up()
        wait(futures)  # they write into what belongs to the caller
        raise


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Let torch use one thread here: for small work, which takes less time than to wake the others."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def parts(rows: slice, size: int) -> list[slice]:
    """Rows in nearly equal parts of at most `size`."""
    count = -(-(rows.stop - rows.start) // size)
    bounds = [rows.start + (rows.stop - rows.start) * k // count for k in range(count + 1)]
    return [slice(*bounds[k : k + 2]) for k in range(count)]


@functools.cache
def _pool(threads: int) -> ThreadPoolExecutor:
    """Threads in each of which torch has one thread."""
    pool = ThreadPoolExecutor(threads, thread_name_prefix="spivae")
    together = threading.Barrier(threads)

    def begin() -> None:
        torch.get_num_threads()  # a thread first takes the number that was set last, wherever that was
        torch.set_num_threads(1)
        together.wait()

    outside = torch.get_num_threads()
    for started in [pool.submit(begin) for _ in range(threads)]:
        started.result()
    torch.set_num_threads(outside)  # for other new threads
    return pool
