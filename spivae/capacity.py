"""How many trajectories are held in memory at once, and the words for too many."""

from __future__ import annotations

from spivae.errors import SpivaeError

MAX_BYTES = 1024**3
_GIB = 1024**3


def check_capacity(rows: int, steps: int, arrays: int, what: str, advice: str) -> None:
    """Raise SpivaeError where `arrays` of (rows, steps) float32 numbers take more than MAX_BYTES.

    `what` the rows are and `advice` on what to choose instead are part of its message.
    """
    each = 4 * arrays * max(steps, 1)
    if rows * each > MAX_BYTES:
        raise SpivaeError(
            f"{rows:,} {what} of {steps:,} displacements need {rows * each / _GIB:.1f} GiB; "
            f"at most {MAX_BYTES // each:,} fit into {MAX_BYTES / _GIB:.0f} GiB: choose {advice}"
        )
