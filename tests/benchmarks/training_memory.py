"""Train a recipe, its epochs cut to a few steps, and print the most memory that this took, in bytes.

    python tests/benchmarks/training_memory.py [A.B=V ...] [--threads N] [--steps N]

It is the default recipe, with these values for its fields. The data are whole: all trajectories of an epoch
are drawn, the whole validation set is judged, checkpoints and the state are written, and the trajectories of
the next epoch are drawn in the place of the first ones. Only most of the steps are left out, each of which
takes the memory of the one before.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
from pathlib import Path

from spivae.cli.common import assignments, plugins
from spivae.training.data import TrainingData
from spivae.training.loop import train
from spivae.training.recipe import Recipe, with_overrides
from spivae.training.run import Run


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("overrides", nargs="*", metavar="A.B=V", help="other values for fields")
    parser.add_argument("--threads", type=int, default=2, metavar="N")
    parser.add_argument("--steps", type=int, default=3, metavar="N", help="of each of the two epochs")
    options = parser.parse_args()
    cut = {"training.phase": "[{ epochs = 2 }]", "training.checkpoint_every": str(options.steps + 1)}
    recipe = with_overrides(Recipe(), cut | assignments(tuple(options.overrides), "A.B=V"))
    TrainingData.steps_per_epoch = property(lambda data: options.steps)  # type: ignore[assignment]
    with tempfile.TemporaryDirectory() as folder:
        run = Run.create(Path(folder), recipe)
        train(run, plugins().process(recipe.process.name), threads=options.threads)
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
