"""What every bundled analysis does, whatever the process, the model and the dataset."""

import copy
import json

import numpy as np
import pytest
from analysis_contexts import OneParameter, ThreeParameters, arrays_of, context, theoretical

from spivae.dataset import Grid
from spivae.figure.spec import decode, encode
from spivae_plugins.data import Data
from spivae_plugins.density import Density
from spivae_plugins.encoding import Encoding
from spivae_plugins.latents import Latents
from spivae_plugins.loss_map import LossMap
from spivae_plugins.output import Output
from spivae_plugins.sbm import ScaledBrownianMotion
from spivae_plugins.surface import Surface

ANALYSES = [Data(), Density(), Encoding(), Latents(), LossMap(), Output(), Surface()]
PROCESSES = [ScaledBrownianMotion(), OneParameter(), ThreeParameters()]
SBM = PROCESSES[0]


def grid_of(process, per_cell=3):
    points = {parameter.name: min(parameter.points, 4) for parameter in process.parameters}
    return np.repeat(Grid.of(process, points).cells, per_cell, axis=0)


@pytest.fixture(params=ANALYSES, ids=lambda analysis: analysis.name)
def analysis(request):
    return request.param


@pytest.mark.parametrize("process", PROCESSES, ids=lambda process: process.name)
def test_each_draws_finite_panels_for_any_number_of_parameters(analysis, process):
    figure = analysis.figure(analysis.compute(context(analysis, process, grid_of(process))))
    assert figure.panels
    assert all(np.isfinite(array).all() for array in arrays_of(figure))
    assert decode(encode(figure)).title == analysis.title


def test_each_is_deterministic_and_leaves_its_context_alone(analysis):
    given = theoretical(SBM, grid_of(SBM))
    before = copy.deepcopy(given)
    first = analysis.compute(context(analysis, SBM, None, given))
    second = analysis.compute(context(analysis, SBM, None, given))
    assert encode(analysis.figure(first)) == encode(analysis.figure(second))
    for name in ("mu", "logvar", "kl", "nll", "out_mean", "out_std"):
        np.testing.assert_array_equal(getattr(given[1], name), getattr(before[1], name))
    np.testing.assert_array_equal(given[0].theta, before[0].theta)


def test_each_works_on_a_single_trajectory(analysis):
    figure = analysis.figure(analysis.compute(context(analysis, SBM, [[0.5, 1e-3]])))
    assert all(np.isfinite(array).all() for array in arrays_of(figure))


def test_each_works_where_cells_of_the_grid_are_empty(analysis):
    result = analysis.compute(context(analysis, SBM, [[0.5, 1e-3], [0.7, 1e-4], [0.5, 1e-4]]))
    assert encode(analysis.figure(result))
    assert analysis.figure(result).panels


def test_each_works_where_a_trajectory_has_no_finite_prediction(analysis):
    given = theoretical(SBM, grid_of(SBM))
    for name in ("mu", "logvar", "kl", "nll", "out_mean", "out_std"):
        getattr(given[1], name)[0] = np.nan
    result = analysis.compute(context(analysis, SBM, None, given))
    assert decode(encode(analysis.figure(result))).panels
    json.dumps(result.to_json(), allow_nan=False)


def test_each_works_for_a_model_without_latents(analysis):
    given = theoretical(SBM, grid_of(SBM), latents=0)
    result = analysis.compute(context(analysis, SBM, None, given))
    figure = analysis.figure(result)
    assert all(np.isfinite(array).all() for array in arrays_of(figure))
    if analysis.name == "latents":
        assert "no latents" in figure.caption


def test_each_result_is_plain_json(analysis):
    result = analysis.compute(context(analysis, SBM, grid_of(SBM)))
    assert json.loads(json.dumps(result.to_json(), allow_nan=False))["scalars"]
