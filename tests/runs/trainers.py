"""Trainers to be killed: a process that imports torch once and forks a trainer for every line that it reads.

`python trainers.py`: a line on stdin names a run directory; the answer is the pid of the trainer that goes on
with it, then, once that has ended, `ended` and how (as `waitpid` says).
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType


class Trainers:
    """The process, from outside; one trainer at a time."""

    def __enter__(self) -> Trainers:
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        return self

    def start(self, run: Path) -> int:
        """The pid of a new trainer of this run."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{run}\n")
        self._process.stdin.flush()
        return int(self._line())

    def ended(self) -> int:
        """Wait for the trainer; its exit code, or minus the signal that ended it."""
        word, status = self._line().split()
        assert word == "ended"
        return os.waitstatus_to_exitcode(int(status))

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()


def main() -> None:
    import torch

    from spivae.training.loop import train
    from spivae.training.recipe import Recipe
    from spivae.training.run import Run
    from spivae.training.step import make_optimizer
    from spivae_plugins.sbm import ScaledBrownianMotion

    # torch imports a lot when these are used first: once, here
    recipe = Recipe()
    make_optimizer(recipe.architecture.build(recipe.model_args, torch.Generator()), 1e-3)

    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                train(Run.open(line.strip()), ScaledBrownianMotion(), threads=1, resume=True)
                code = 0
            finally:
                os._exit(code)
        print(pid, flush=True)
        print("ended", os.waitpid(pid, 0)[1], flush=True)


if __name__ == "__main__":
    main()
