"""The command line: `spivae`, one file a command group, each loaded when it is called."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line (default: this process's own) and return its exit code.

    0: done. 1: the work failed. 2: the input was wrong. 130: interrupted.
    """
    # Threads that spin while they wait slow each other down sixfold as soon as two processes share the cores;
    # OpenMP reads this once, when it is loaded with torch.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    from spivae.cli.errors import run

    return run(_command, list(sys.argv[1:] if arguments is None else arguments))


def _command(arguments: list[str]) -> int:
    if arguments[:1] == ["analyze"]:
        from spivae.cli.again import draw_again

        if draw_again(arguments[1:]):
            return 0
    from spivae.cli.output import tell_of_slurm
    from spivae.cli.root import call

    try:
        return call(arguments)
    finally:
        tell_of_slurm()
