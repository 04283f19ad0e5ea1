"""The panels of a training and of its cells, for any number of parameters and whatever is missing."""

from __future__ import annotations

import numpy as np
import pytest

from spivae.figure.look import Look
from spivae.figure.spec import Axis, Figure, Heatmap, HLine, Line, Points
from spivae.figure.steady import inside, trimmed_limits
from spivae.figure.terminal import draw
from spivae.figure.trained_cells import TrainedCells, cell_panels, few_cells
from spivae.figure.training import TrainingCurves, training_panels

EPOCH = Axis(label="epoch", low=0.0, high=10.0)
ALPHA, D, V = Axis(label="α"), Axis(label="D", scale="log"), Axis(label="v")
X = np.arange(1.0, 11.0)


def cells_of(*axes: tuple[Axis, list[float]], epochs: int = 3) -> TrainedCells:
    values = [np.array(grid) for _, grid in axes]
    count = int(np.prod([len(grid) for grid in values]))
    nll = np.arange(epochs * count, dtype=float).reshape(epochs, count)
    return TrainedCells([axis for axis, _ in axes], values, np.arange(1.0, epochs + 1), nll)


def curves(**changes: object) -> TrainingCurves:
    kl = np.stack([np.full(10, 3.0), np.geomspace(1, 1e-6, 10)], axis=1)
    given = {"x": X, "loss": -2 + 1 / X, "kl": kl, "beta": np.full(10, 1e-3), **changes}
    return TrainingCurves(**given)  # type: ignore[arg-type]


def drawn(panels: tuple) -> str:
    rows = draw(Figure(panels=tuple(panels)), 160, 60, Look("ascii", "none"))
    return "\n".join("".join(span.text for span in row) for row in rows)


@pytest.mark.parametrize(
    ("shape", "cells"),
    [
        ((5,), [(0,), (1,), (2,), (3,), (4,)]),
        ((1,), [(0,)]),
        ((21, 10), [(0, 0), (0, 9), (20, 0), (20, 9), (10, 5)]),
        ((1, 3), [(0, 0), (0, 2), (0, 1)]),
        ((3, 2, 7), [(0, 0, 3), (0, 1, 3), (2, 0, 3), (2, 1, 3), (1, 1, 3)]),
    ],
)
def test_a_few_cells_stand_for_a_grid(shape: tuple[int, ...], cells: list[tuple[int, ...]]) -> None:
    assert few_cells(shape) == cells


def test_one_parameter_has_a_curve_in_place_of_a_map() -> None:
    newest, over_time = cell_panels(cells_of((D, [1e-3, 1e-2, 1e-1])), EPOCH, [])
    (line,) = newest.marks
    assert isinstance(line, Line)
    assert line.y.tolist() == [6, 7, 8]
    assert newest.x.scale == "log"
    assert len(over_time.marks) == 3


def test_parameters_past_the_second_are_averaged_over_in_the_map() -> None:
    cells = cells_of((ALPHA, [0.5, 1.5]), (D, [1e-3, 1e-2]), (V, [1.0, 2.0, 3.0]), epochs=1)
    cells.nll[0, 1] = np.nan  # of the first four-number cell, one is empty
    newest, _ = cell_panels(cells, EPOCH, [])
    (heatmap,) = newest.marks
    assert isinstance(heatmap, Heatmap)
    assert heatmap.values.tolist() == [[1, 7], [4, 10]]  # (D, alpha)
    assert drawn((newest,))


def test_the_means_of_idle_latents_are_faint_and_behind() -> None:
    cells = cells_of((ALPHA, [0.5, 1.5]), (D, [1e-3, 1e-2]))
    mu = np.array([[0.0] * 4, [1.0, 2.0, 3.0, 4.0]])
    with_mu = TrainedCells(cells.axes, cells.values, cells.at, cells.nll, mu)
    means, *_ = cell_panels(with_mu, EPOCH, alive=[1])
    idle, alive = means.marks
    assert isinstance(idle, Points)
    assert isinstance(alive, Points)
    assert idle.muted
    assert alive.label == "z1"
    assert alive.x.tolist() == [0.5, 0.5, 1.5, 1.5]


def test_a_log_axis_has_a_floor_and_a_symlog_axis_shows_nothing_and_beta() -> None:
    log, symlog = (
        next(panel for panel in training_panels(curves(), EPOCH, (scale,)) if "KL" in panel.y.label)
        for scale in ("log", "symlog")
    )
    floors = [mark.y.min() for mark in log.marks if isinstance(mark, Line)]
    assert min(floors) == 1e-4
    assert (symlog.y.scale, symlog.y.low) == ("symlog", 0)
    by_label = {mark.label: mark for mark in symlog.marks if isinstance(mark, Line)}
    assert by_label["z1"].y.min() == pytest.approx(1e-6)
    assert by_label["beta"].y.tolist() == [1e-3] * 10
    assert any(isinstance(mark, HLine) for mark in symlog.marks)


def test_panels_without_anything_to_show_are_left_out() -> None:
    assert [panel.y.label for panel in training_panels(curves(), EPOCH)] == [
        "loss", "KL per latent", "beta", "KL per latent, beta",
    ]  # fmt: skip
    assert [panel.y.label for panel in training_panels(curves(kl=np.zeros((10, 0))), EPOCH)] == [
        "loss",
        "beta",
    ]


def test_a_training_of_one_epoch_and_one_without_finite_values_are_drawn() -> None:
    one = np.ones(1)
    single = TrainingCurves(one, one, np.ones((1, 2)), one, ends=one, validation=one, nll=one, neg_elbo=one)
    assert drawn(training_panels(single, Axis(label="epoch", low=0.0, high=1.0)))
    nothing = np.full(10, np.nan)
    lost = curves(loss=nothing, kl=np.full((10, 2), np.nan), ends=X, validation=nothing)
    assert "no finite values" in drawn(training_panels(lost, EPOCH))


def test_a_spike_may_leave_a_panel_and_the_lowest_value_does_not() -> None:
    values = np.append(np.linspace(1, 0, 99), 1e6)
    low, high = trimmed_limits([(values, 0.95)])
    assert low is not None
    assert high is not None
    assert low <= 0
    assert 0.9 < high < 2
    assert trimmed_limits([(np.full(3, np.nan), 0.9)]) == (None, None)


def test_only_values_past_the_lower_end_of_the_axis_count() -> None:
    zoomed = Axis(label="epoch", low=5.0, high=10.0)
    assert inside(zoomed, X, X).tolist() == [5, 6, 7, 8, 9, 10]
    assert inside(EPOCH, X, X) is X
