"""Starting a training as a process of its own, which outlives whoever started it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from spivae.errors import WorkFailed
from spivae.training.recipe import Recipe
from spivae.training.run import Run

DEFAULT_FOLDER = Path("runs")

# kept, so that a trainer that ends before its starter is reaped and never looks alive as a zombie
_children: list[subprocess.Popen[bytes]] = []


def launch(recipe: Recipe, base: Path = DEFAULT_FOLDER, *, threads: int | None = None) -> Run:
    """Make a run directory and start its trainer, detached; returns at once.

    The trainer has a session of its own, no input, and its output goes to log.txt, so a closed terminal or a
    lost connection does not reach it. Raises WorkFailed where it cannot be started.
    """
    _children[:] = [child for child in _children if child.poll() is None]
    run = Run.create(base, recipe)
    command = [sys.executable, "-m", "spivae", "train", "--run", str(run.path.resolve())]
    if threads is not None:
        command += ["--threads", str(threads)]
    try:
        with open(run.log_path, "ab") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**os.environ, "NO_COLOR": "1", "PYTHONSAFEPATH": "1"},
            )
    except OSError as error:
        run.end("failed", str(error))
        raise WorkFailed(f"{run.path}: the trainer cannot be started ({error.strerror})") from None
    _children.append(process)
    run.note_process(process.pid)
    return run
