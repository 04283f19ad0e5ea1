"""All figures of a model on one page."""

from __future__ import annotations

from pathlib import Path

from spivae.checkpoint.load import load_checkpoint
from spivae.dataset import Grid
from spivae.evaluation import evaluate
from spivae_plugins.sbm import ScaledBrownianMotion

DATA = Path(__file__).parents[1] / "data"
GRID = Grid({"alpha": [0.5, 1.5], "D": [1e-4, 1e-3]})


def test_n_is_rounded_up_to_whole_cells() -> None:
    model = load_checkpoint(DATA / "original_sbm_trained.tar")[1]
    assert evaluate(model, ScaledBrownianMotion(), GRID, 5, 0).bound.n == 8
