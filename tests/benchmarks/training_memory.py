"""Train the default recipe for a few steps and print the most memory that it took, in bytes."""

from __future__ import annotations

import resource
import sys
import tempfile
from pathlib import Path
from typing import Any

from spivae.training.loop import Events, train
from spivae.training.recipe import Recipe, with_overrides
from spivae.training.run import Run
from spivae_plugins.sbm import ScaledBrownianMotion


def main() -> None:
    recipe = Recipe()
    if "--toy" in sys.argv:
        recipe = with_overrides(recipe, {"dataset.trajectories": "1000", "training.batch": "32"})
    with tempfile.TemporaryDirectory() as folder:
        run = Run.create(Path(folder), recipe)

        def stop(record: dict[str, Any]) -> None:
            if record["step"] == 3:
                run.request_stop()

        train(run, ScaledBrownianMotion(), threads=2, events=Events(step=stop))
    print(most_memory())


def most_memory() -> int:
    """The most that was resident, in bytes, of this process alone."""
    try:
        # what getrusage tells on Linux begins with what the process that started this one had
        told = Path("/proc/self/status").read_text()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # macOS: bytes
    return 1024 * int(told.partition("VmHWM:")[2].split()[0])


if __name__ == "__main__":
    main()
