"""The analyses of the seed's notebook on real models, on files with gaps, and on what they must refuse."""

import numpy as np
import pytest

from spivae.dataset import simulate
from spivae.errors import SpivaeError
from spivae.figure.look import Look
from spivae.figure.spec import Heatmap, encode
from spivae.figure.terminal import draw
from spivae.layout import save_npz
from spivae.plugins import load_plugins
from spivae.worker.session import Session
from spivae_plugins.sbm import ScaledBrownianMotion

NOTEBOOK = ("data", "output", "latents", "density", "surface", "loss")
WITH_LATENTS = ("latents", "density", "surface")
SBM = ScaledBrownianMotion()


@pytest.fixture(scope="module")
def session():
    return Session(load_plugins(), threads=1)


@pytest.fixture(scope="module")
def trained(reference):
    return reference / "original_sbm_trained.tar"


@pytest.fixture(scope="module")
def with_gaps(tmp_path_factory):
    """Cells (0.5, 1e-3), (0.5, 1e-2) and (1.5, 1e-3) with four trajectories each; (1.5, 1e-2) is missing."""
    theta = np.repeat([[0.5, 1e-3], [0.5, 1e-2], [1.5, 1e-3]], 4, axis=0)
    path = tmp_path_factory.mktemp("files") / "gaps.npz"
    save_npz(path, simulate(SBM, theta, 399, np.random.default_rng(0)))
    return str(path)


def drawn(figure):
    return "\n".join(
        "".join(span.text for span in row) for row in draw(figure, 80, 24, Look("ascii", "none"))
    )


@pytest.mark.parametrize("name", NOTEBOOK)
def test_a_file_with_a_missing_cell_is_drawn_with_a_gap(session, trained, with_gaps, name):
    answer = session.analyze(trained, name, data={"file": with_gaps})
    assert answer.trajectories == 12
    assert drawn(answer.figure)
    gaps = [
        int(np.isnan(mark.values).sum())
        for panel in answer.figure.panels
        for mark in panel.marks
        if isinstance(mark, Heatmap)
    ]
    assert gaps == {"surface": [1] * 6, "loss": [1]}.get(name, gaps)
    if name in ("data", "output"):
        assert any(np.isnan(array).any() for array in answer.result.arrays.values() if array.dtype == float)


@pytest.mark.parametrize("name", NOTEBOOK)
def test_one_trajectory_is_enough(session, trained, name):
    data = {"per_cell": 1, "subset": "alpha=1, D=1e-3"}
    answer = session.analyze(trained, name, data=data)
    assert answer.trajectories == 1
    assert drawn(answer.figure)


@pytest.mark.parametrize("name", NOTEBOOK)
def test_a_wavenet_alone_is_analyzed_or_the_figure_says_that_there_is_nothing(session, reference, name):
    answer = session.analyze(reference / "original_wavenet_only.tar", name, data={"per_cell": 1})
    assert drawn(answer.figure)
    assert ("This model has no latents" in answer.figure.caption) == (name in WITH_LATENTS)


@pytest.mark.parametrize("name", WITH_LATENTS)
def test_a_latent_that_is_not_there_is_named(session, trained, name):
    with pytest.raises(
        SpivaeError, match=r"option latent: there is no latent 6; this model has latents 0\.\.5"
    ):
        session.analyze(trained, name, {"latent": 6}, {"per_cell": 1})


def test_a_subset_outside_the_file_tells_what_the_file_has(session, trained, with_gaps):
    with pytest.raises(SpivaeError, match=r"subset D=1: leaves no trajectories; D has 0\.001, 0\.01"):
        session.analyze(trained, "data", data={"file": with_gaps, "subset": "D=1"})
    answer = session.analyze(trained, "data", data={"file": with_gaps, "subset": "alpha=1..2"})
    assert answer.trajectories == 4


def test_a_file_of_another_length_than_the_model_is_refused(session, trained, tmp_path):
    theta = np.repeat([[0.5, 1e-3]], 3, axis=0)
    save_npz(tmp_path / "short.npz", simulate(SBM, theta, 100, np.random.default_rng(0)))
    with pytest.raises(SpivaeError, match="trajectories of 100 displacements, but the model takes 399"):
        session.analyze(trained, "data", data={"file": str(tmp_path / "short.npz")})


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("density", {"against": "tau"}, "option against: sbm has no 'tau'; choose from alpha, D, 1 for log"),
        ("density", {"bins": 1}, "option bins: 1 is outside 2..1000"),
        ("density", {"at_least": 0}, "option at_least: 0 is outside 1"),
        ("surface", {"across": "k"}, "option across: no parameter 'k'; there are alpha, D"),
        ("latents", {"axis": "cubic"}, "option axis: 'cubic' is none of own, linear, log"),
        ("data", {"batch": 0}, "option batch: 0 is outside 1"),
        ("output", {"panels": "x"}, "option panels: 'x' is no int"),
        ("loss", {"times": 0}, r"option times: 0 is outside 1\.\.50"),
    ],
)
def test_options_that_make_no_sense_are_refused_in_words(session, trained, name, options, message):
    with pytest.raises(SpivaeError, match=message):
        session.analyze(trained, name, options, {"per_cell": 1})


@pytest.mark.parametrize("name", NOTEBOOK)
def test_what_an_analysis_says_is_the_same_each_time(session, trained, name):
    first, second = (session.analyze(trained, name, data={"per_cell": 1}, fresh=True) for _ in range(2))
    assert encode(first.figure) == encode(second.figure)
