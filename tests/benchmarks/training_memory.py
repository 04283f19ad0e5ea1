"""Train the default recipe for a few steps and print the most memory that it took, in bytes."""

from __future__ import annotations

import resource
import sys
import tempfile
from pathlib import Path
from typing import Any

from spivae.training.recipe import Recipe, with_overrides
from spivae.training.run import Run
from spivae.training.threads import wait_quietly

wait_quietly()

from spivae.training.loop import Events, train  # noqa: E402  # torch comes with it
from spivae_plugins.sbm import ScaledBrownianMotion  # noqa: E402


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
    unit = 1 if sys.platform == "darwin" else 1024
    print(unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


if __name__ == "__main__":
    main()
