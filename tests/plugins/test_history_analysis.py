"""Training: a checkpoint's own history, drawn as the live screen draws a run."""

import json
import math

import numpy as np
import pytest

from spivae.api import Context, Heatmap, Line, Points, VLine
from spivae.checkpoint import Checkpoint, read_header
from spivae.figure.spec import encode
from spivae.plugins import load_plugins
from spivae.training.metrics import MetricsReader
from spivae.training.run import Run
from spivae.worker.session import Session
from spivae_plugins.history import NO_HISTORY, History
from spivae_plugins.sbm import ScaledBrownianMotion

HISTORY, SBM = History(), ScaledBrownianMotion()
GRID = {"alpha": [0.5, 1.0, 1.5], "D": [1e-4, 1e-2], "model": "sbm"}


def epoch(number, *, cells=True, **changes):
    kl = [2.0, 0.1 / number]
    nll = -2.0 + 1 / number
    record = {
        "epoch": number,
        "step": 50 * number,
        "phase": 0 if number <= 2 else 1,
        "train_loss": nll + 0.05,
        "nll": nll,
        "kl": kl,
        "neg_elbo": nll + sum(kl) / 400,
        "surviving": [0],
        "beta": 0.0 if number <= 2 else 1e-2,
    }
    if cells:
        record |= {
            "nll_cells": [nll + 0.1 * k for k in range(6)],
            "mu_cells": [[0.5 * k for k in range(6)]] * 2,
        }
    return {**record, **changes}


def answer(history, ds_args=GRID, **options):
    checkpoint = Checkpoint(ds_args=ds_args, history=history)
    context = Context(checkpoint, SBM, options=HISTORY.options(**options))
    result = HISTORY.compute(context)
    json.dumps(result.to_json(), allow_nan=False)
    return result, HISTORY.figure(result)


def panels(figure):
    return {panel.title or panel.y.label: panel for panel in figure.panels}


def lines(panel):
    return {mark.label: mark for mark in panel.marks if isinstance(mark, Line)}


def test_all_views_of_a_training_are_drawn():
    _, figure = answer([epoch(number) for number in range(1, 6)])
    assert list(panels(figure)) == [
        "loss",
        "KL per latent",
        "validation",
        "beta",
        "Mean latents of each cell at epoch 5",
        "NLL of each cell at epoch 5",
        "NLL of some cells",
    ]
    assert figure.caption == f"Best -ELBO {-2 + 1 / 5 + 2.02 / 400:.4f} at epoch 5 of 5 (2 phases)."
    assert encode(figure)


def test_the_curves_are_those_of_the_records():
    history = [epoch(number) for number in range(1, 6)]
    _, figure = answer(history)
    found = panels(figure)
    validation = lines(found["validation"])
    np.testing.assert_array_equal(validation["NLL"].y, [record["nll"] for record in history])
    np.testing.assert_array_equal(validation["-ELBO"].y, [record["neg_elbo"] for record in history])
    np.testing.assert_array_equal(lines(found["loss"])["train"].y, [r["train_loss"] for r in history])
    weighted = [record["nll"] + record["beta"] * sum(record["kl"]) for record in history]
    np.testing.assert_allclose(lines(found["loss"])["validation"].y, weighted)
    np.testing.assert_array_equal(lines(found["KL per latent"])["z1"].y, [r["kl"][1] for r in history])
    true = next(mark for mark in found["beta"].marks if mark.label == "true weight")
    assert true.y == pytest.approx(1 / 400)
    (heatmap,) = found["NLL of each cell at epoch 5"].marks
    np.testing.assert_allclose(heatmap.values.T.ravel(), history[-1]["nll_cells"])
    idle, alive = found["Mean latents of each cell at epoch 5"].marks
    assert (idle.muted, alive.label) == (True, "z0")


@pytest.mark.parametrize(("x", "scale"), [("epoch", 1), ("step", 50)])
def test_phases_begin_where_they_did_on_either_axis(x, scale):
    _, figure = answer([epoch(number) for number in range(1, 6)], x=x)
    for name in ("loss", "validation", "beta", "KL per latent"):
        panel = panels(figure)[name]
        assert [mark.x for mark in panel.marks if isinstance(mark, VLine)] == [2 * scale]
        assert (panel.x.label, panel.x.low, panel.x.high) == (x, 0, 5 * scale)
    steps = panels(figure)["beta"].marks[-1]
    np.testing.assert_allclose(np.interp(np.array([1.9, 2.1]) * scale, steps.x, steps.y)[1], 1e-2)
    assert f"NLL of each cell at {x} {5 * scale}" in panels(figure)


def test_the_symlog_axis_has_beta_beside_the_latents():
    _, figure = answer([epoch(number) for number in range(1, 6)], kl_scale="symlog")
    panel = panels(figure)["KL per latent, beta"]
    assert panel.y.scale == "symlog"
    assert lines(panel)["beta"].y.tolist() == [0, 0, 0, 0, 1e-2, 1e-2, 1e-2, 1e-2, 1e-2, 1e-2]


def test_an_older_history_without_cells_says_so():
    _, figure = answer([epoch(number, cells=False) for number in range(1, 4)])
    assert len(figure.panels) == 4
    assert figure.caption.endswith("No NLL of cells was recorded.")


def test_cells_of_another_grid_than_the_files_are_not_drawn():
    _, figure = answer([epoch(1)], ds_args={"alpha": [0.5], "D": [1e-4, 1e-2]})
    assert "No NLL of cells" in figure.caption
    _, figure = answer([epoch(1)], ds_args={})
    assert "No NLL of cells" in figure.caption


def test_epochs_between_those_with_cells_are_left_out_of_their_lines():
    history = [epoch(number, cells=number in (1, 4)) for number in range(1, 5)]
    _, figure = answer(history)
    for mark in panels(figure)["NLL of some cells"].marks:
        assert mark.x.tolist() == [1, 4]


def test_a_file_without_a_history_says_so():
    result, figure = answer([])
    assert (figure.panels, figure.caption) == ((), NO_HISTORY)
    assert result.scalars == {"epochs": 0}


def test_the_history_of_a_diverged_training_is_drawn():
    history = [epoch(1), epoch(2, nll=None, neg_elbo=None, kl=[None, None], nll_cells=[None] * 6)]
    _, figure = answer(history)
    assert math.isnan(lines(panels(figure)["validation"])["NLL"].y[1])
    assert "at epoch 1 of 2" in figure.caption
    _, figure = answer(history[1:])
    assert figure.panels


def test_a_model_without_latents_and_a_record_of_little_are_drawn():
    _, figure = answer([epoch(1, kl=[], mu_cells=[], surviving=[])])
    assert "KL per latent" not in panels(figure)
    _, figure = answer([{"epoch": 1, "step": 10}])
    assert figure.caption == "No -ELBO is known at any epoch up to 1 (1 phase). No NLL of cells was recorded."


def test_a_trained_checkpoint_tells_what_its_run_recorded(tiny_run, tiny_checkpoint):
    figure = Session(load_plugins()).analyze(tiny_checkpoint, "history").figure
    records = [r for r in MetricsReader(Run.open(tiny_run).metrics_path).poll() if r["kind"] == "epoch"]
    found = panels(figure)
    assert lines(found["validation"])["NLL"].y.tolist() == [record["nll"] for record in records]
    (heatmap,) = [m for m in found["NLL of each cell at epoch 3"].marks if isinstance(m, Heatmap)]
    assert heatmap.values.T.ravel().tolist() == records[-1]["nll_cells"]
    points = [m for m in found["Mean latents of each cell at epoch 3"].marks if isinstance(m, Points)]
    assert sorted(m.y.tolist() for m in points) == sorted(records[-1]["mu_cells"])
    assert len(read_header(tiny_checkpoint).history) == 3


def test_the_originals_file_is_answered_without_a_model(reference):
    session = Session(load_plugins())
    answered = session.analyze(reference / "original_sbm_trained.tar", "history")
    assert answered.figure.caption == NO_HISTORY
    assert answered.trajectories is None
