"""From any readable format to the native one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from spivae.checkpoint.native import write
from spivae.checkpoint.reading import read
from spivae.checkpoint.structs import Checkpoint

if TYPE_CHECKING:
    from spivae.checkpoint.reading import Foreign


def convert(old: Path | str, new: Path | str, foreign: Foreign | None = None) -> Checkpoint:
    """Write the checkpoint `old` as the native file `new`; weights and arguments stay what they were.

    Returns what was written. Raises SpivaeError for an unreadable `old`, WorkFailed where `new` cannot be
    written; an existing `new` is replaced.
    """
    checkpoint = read(old, foreign)
    write(new, checkpoint)
    checkpoint.path, checkpoint.format = str(new), "spivae"
    return checkpoint
