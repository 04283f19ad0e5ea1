"""What all analyses of generated trajectories do: for any process, with diverging models, without latents."""

import json

import numpy as np
import pytest
from perfect_generator import OneParameter, Perfect, ThreeParameters

from spivae.api import Context, Line, Points
from spivae.checkpoint.load import load_checkpoint
from spivae.errors import SpivaeError
from spivae.figure.spec import decode, encode
from spivae_plugins.displacements import Correlations
from spivae_plugins.exponents import Exponents
from spivae_plugins.fbm import FractionalBrownianMotion
from spivae_plugins.generation import Generated
from spivae_plugins.msd import Msd
from spivae_plugins.sbm import ScaledBrownianMotion
from spivae_plugins.traversal import Traversal

SBM, FBM = ScaledBrownianMotion(), FractionalBrownianMotion()
ANALYSES = [Correlations(), Exponents(), Generated(), Msd(), Traversal()]
OF_CELLS = ANALYSES[:-1]  # a traversal looks at latents, which in the perfect model mean alpha
FEW = {"n": 5}


@pytest.fixture(params=ANALYSES, ids=lambda analysis: analysis.name)
def analysis(request):
    return request.param


def asked(analysis, process=SBM, options=FEW, **more):
    return analysis.compute(Perfect(process, analysis.options(**options), **more))


def drawn(figure):
    for panel in figure.panels:
        for mark in panel.marks:
            if isinstance(mark, Line | Points):
                yield mark.x
                yield mark.y


@pytest.mark.parametrize("process", [SBM, FBM], ids=lambda process: process.name)
def test_each_draws_finite_panels(analysis, process):
    result = asked(analysis, process)
    figure = analysis.figure(result)
    assert figure.panels
    assert len(figure.caption) <= 80
    assert sum(np.isfinite(array).mean() > 0.9 for array in drawn(figure)) > 4
    assert decode(encode(figure)).title == analysis.title
    json.dumps(result.to_json(), allow_nan=False)


@pytest.mark.parametrize("analysis", OF_CELLS, ids=lambda analysis: analysis.name)
@pytest.mark.parametrize("process", [OneParameter(), ThreeParameters()], ids=lambda process: process.name)
def test_each_says_or_draws_something_for_any_number_of_parameters(analysis, process):
    figure = analysis.figure(asked(analysis, process))
    assert figure.panels or figure.caption
    if analysis.name == "exponents":
        assert not figure.panels
        assert "its first parameter is no exponent alpha" in figure.caption


def test_each_is_deterministic(analysis):
    assert encode(analysis.figure(asked(analysis))) == encode(analysis.figure(asked(analysis)))


def test_each_says_that_a_model_has_no_latents(analysis):
    figure = analysis.figure(asked(analysis, latents=0))
    assert not figure.panels
    assert "no latents" in figure.caption


def test_each_tells_of_trajectories_that_diverged_and_goes_on(analysis):
    def diverging(dx):
        dx = dx.copy()
        dx[:2, 100:] = np.inf
        dx[2, 70] = np.nan
        return dx

    result = asked(analysis, spoil=diverging)
    figure = analysis.figure(result)
    assert "iverged" in figure.caption
    json.dumps(result.to_json(), allow_nan=False)


def test_each_goes_on_where_all_diverged(analysis):
    result = asked(analysis, spoil=lambda dx: dx * np.nan)
    assert decode(encode(analysis.figure(result))).panels
    json.dumps(result.to_json(), allow_nan=False)


@pytest.mark.parametrize("analysis", OF_CELLS, ids=lambda analysis: analysis.name)
def test_a_value_that_is_not_on_the_grid_is_refused_with_those_that_are(analysis):
    from spivae.analysis import DataOptions

    with pytest.raises(SpivaeError, match=r"subset alpha=0.5: leaves no trajectories; alpha has 0.4, 0.7, 1"):
        asked(analysis, data=DataOptions(subset="alpha=0.5"))


def test_each_works_on_a_model(analysis, tiny_checkpoint):
    checkpoint, model = load_checkpoint(tiny_checkpoint)
    told = []
    context = Context(
        checkpoint,
        SBM,
        options=analysis.options(n=3, length=60),
        model=model,
        progress=lambda *state: told.append(state),
    )
    result = analysis.compute(context)
    assert analysis.figure(result).panels
    assert told
    assert all(done <= total and what == "generating" for done, total, what in told)
