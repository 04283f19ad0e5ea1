"""A session on a real checkpoint: what its analyses say, and what is computed only once."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from spivae.analysis import Analysis, DataOptions, Result
from spivae.errors import SpivaeError, WorkFailed
from spivae.figure.spec import Figure
from spivae.plugins import load_plugins
from spivae.worker.session import Session, WorkCancelled

DATA = Path(__file__).parent.parent / "data"
TRAINED = DATA / "original_sbm_trained.tar"


@pytest.fixture(scope="module")
def session():
    return Session(load_plugins(), threads=1)


@pytest.fixture
def parts():
    """What was reported as being done."""
    return []


def analyzed(session, name, per_cell=2, path=TRAINED, **options):
    answer = session.analyze(path, name, options, {"per_cell": per_cell})
    return answer.figure, answer.result


def test_the_original_trained_on_a_short_schedule_has_one_surviving_latent(session):
    _, result = analyzed(session, "latents", per_cell=2)
    assert result.scalars["surviving"] == [0]
    assert sum(result.scalars["kl"]) == pytest.approx(5.57, abs=0.2)  # its own figure at the end of training
    assert max(result.scalars["kl"][1:]) < 0.15
    assert result.scalars["mean_logvar"][0] < -3


def test_its_predictions_are_those_of_the_reference(session, tmp_path):
    reference = np.load(DATA / "original_sbm_trained.reference.npz")
    cells = {}
    for label, x in zip(reference["labels"], reference["x"][:, 0], strict=True):
        cells.setdefault(f"{label[0]:.3g},{label[1]:.3g}", []).append([*label.astype(float), *x])
    np.savez(tmp_path / "x.npz", **{key: np.array(rows) for key, rows in cells.items()})
    prepared = session.prepare(TRAINED, DataOptions(file=str(tmp_path / "x.npz")))
    for i, x in enumerate(prepared.dataset.displacements[:, 0]):
        (j,) = np.flatnonzero((reference["x"][:, 0] == x).all(axis=1))
        np.testing.assert_allclose(prepared.predictions.mu[i], reference["mu"][j], rtol=1e-5, atol=1e-5)
        nll = reference["nll"][j, :, 0]
        # single steps of small displacements to what float32 keeps of them (see tests/test_prediction.py)
        np.testing.assert_allclose(prepared.predictions.nll[i], nll, rtol=2e-3, atol=2e-3)
        np.testing.assert_allclose(prepared.predictions.nll[i].mean(), nll.mean(), rtol=1e-5)


def test_its_diffusion_coefficient_follows_theory_in_the_middle_of_the_range(session):
    _, result = analyzed(session, "output", per_cell=2, value=1e-3)
    assert result.scalars["diffusion_error"] < 0.5


def test_a_model_without_latents_is_analyzed_all_the_same(session):
    for name in ("latents", "loss", "output"):
        figure, result = analyzed(session, name, path=DATA / "original_wavenet_only.tar", per_cell=1)
        assert figure.title
        assert result.to_json()["scalars"]


def test_predictions_are_made_once_for_all_analyses_of_a_checkpoint_and_dataset(session, parts):
    data = DataOptions(per_cell=1, seed=7)
    first = session.prepare(TRAINED, data, lambda done, total, what: parts.append(what))
    assert parts[0] == "loading the model"
    assert parts[-1] == "predicting"
    parts.clear()
    assert session.prepare(TRAINED, data, lambda done, total, what: parts.append(what)) is first
    assert parts == []
    assert session.prepare(TRAINED, DataOptions(per_cell=1, seed=8)) is not first


def test_a_checkpoint_written_anew_is_read_anew(session, tmp_path):
    copy = tmp_path / "model.tar"
    shutil.copy(TRAINED, copy)
    first = session.prepare(copy, DataOptions(per_cell=1))
    os.utime(copy, (1, 1))
    assert session.prepare(copy, DataOptions(per_cell=1)) is not first


def test_what_is_remembered_is_bounded(monkeypatch):
    monkeypatch.setattr("spivae.worker.session.CACHE_BYTES", 1)
    session = Session(load_plugins(), threads=1)
    first = session.prepare(TRAINED, DataOptions(per_cell=1))
    assert session.prepare(TRAINED, DataOptions(per_cell=1)) is first  # the newest is always kept
    session.prepare(TRAINED, DataOptions(per_cell=1, seed=1))
    assert session.prepare(TRAINED, DataOptions(per_cell=1)) is not first


def test_cancelling_stops_between_two_parts(session, parts):
    def report(done, total, what):
        parts.append((what, done))

    with pytest.raises(WorkCancelled):
        session.prepare(
            TRAINED, DataOptions(per_cell=3, seed=9), report, lambda: ("predicting", 256) in parts
        )
    assert parts[-1] == ("predicting", 256)


def test_a_process_that_no_plugin_provides_is_named(session, tmp_path):
    from spivae.checkpoint import read, write

    checkpoint = read(TRAINED)
    checkpoint.process = "sbn"
    write(tmp_path / "other.safetensors", checkpoint)
    with pytest.raises(SpivaeError, match="sbm"):
        session.prepare(tmp_path / "other.safetensors", DataOptions())


def test_a_missing_checkpoint_and_an_unknown_analysis_are_refused(session):
    with pytest.raises(SpivaeError, match="nowhere"):
        session.prepare("nowhere", DataOptions())
    with pytest.raises(SpivaeError, match="did you mean 'latents'"):
        analyzed(session, "latent")


def test_an_analysis_that_breaks_fails_under_its_name(session, monkeypatch):
    analysis = load_plugins().analysis("loss")

    def compute(self, context):
        raise IndexError("out of range")

    monkeypatch.setattr(type(analysis), "compute", compute)
    with pytest.raises(WorkFailed, match="analysis loss: IndexError: out of range"):
        analyzed(session, "loss")


class Header(Analysis):
    """Needs nothing but the header."""

    name = "header"
    needs = ()

    def compute(self, context):
        return Result(scalars={"process": context.process.name})

    def figure(self, result):
        return Figure(panels=())


class Greedy(Header):
    """Looks at what it has not asked for."""

    name = "greedy"

    def compute(self, context):
        return Result(scalars={"n": len(context.dataset)})


class Dreaming(Header):
    """Makes trajectories of its own."""

    name = "dreaming"
    needs = ("model",)

    def compute(self, context):
        made = [context.generate(np.zeros((2, 6)), 5, context.rng()) for _ in range(2)]
        mu, _ = context.encode(np.zeros((3, 399)))
        return Result(arrays={"first": made[0], "second": made[1], "mu": mu})


def test_an_analysis_is_given_what_it_needs_and_no_more():
    plugins = load_plugins()
    plugins.analyses |= {item.name: item for item in (Header(), Greedy(), Dreaming())}
    session = Session(plugins, threads=1)
    reported = []
    answer = session.analyze(TRAINED, "header", progress=lambda done, total, what: reported.append(what))
    assert answer.result.scalars == {"process": "sbm"}
    assert answer.trajectories is None
    assert set(reported) == {"analyzing"}
    with pytest.raises(SpivaeError, match="does not list 'dataset' in its needs"):
        session.analyze(TRAINED, "greedy")
    made = session.analyze(TRAINED, "dreaming").result.arrays
    assert made["first"].shape == (2, 5)
    assert made["mu"].shape == (3, 6)
    np.testing.assert_array_equal(made["first"], made["second"])  # one stream, from its beginning
