"""Analyses from Python, in one call: for notebooks and scripts, without the app."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from spivae.worker.answers import Answer

if TYPE_CHECKING:
    from spivae.checkpoint import Checkpoint
    from spivae.model.vae import WaveNetVAE
    from spivae.worker.session import Session


def analyze(
    checkpoint: str | Path | tuple[Checkpoint, WaveNetVAE],
    analysis: str,
    options: Mapping[str, object] | None = None,
    data: Mapping[str, object] | None = None,
) -> Answer:
    """Run one analysis of a checkpoint: its path, a shipped model's name, or what `load_checkpoint` returned.

    `options` are those of the analysis, `data` says which trajectories it looks at (`per_cell`, `grid`,
    `subset`, `seed`, `file`); `spivae analyze sbm NAME --help` tells both. The answer has `figure` and
    `result` (named arrays and scalars); printing it draws it. Trajectories and predictions are made once for
    all analyses. Raises SpivaeError for what does not exist or does not fit, WorkFailed where the analysis
    itself breaks.
    """
    if isinstance(checkpoint, str | Path):
        return _session().analyze(checkpoint, analysis, options, data)
    return _session().analyze_model(*checkpoint, analysis, options, data)


@cache
def _session() -> Session:
    """One for the whole process, so that what it prepared serves all calls."""
    from spivae.plugins import default_plugins
    from spivae.worker.results import of_user
    from spivae.worker.session import Session

    return Session(default_plugins(), results=of_user())
