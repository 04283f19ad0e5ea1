"""`data`, `predict`, `generate`, `convert`: files in, files out."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from spivae.checkpoint.load import load_checkpoint
from spivae.dataset import Dataset
from spivae.prediction import predict
from spivae.training.memory import peak


@pytest.fixture
def dataset(spivae, tmp_path: Path) -> Path:
    """Two cells of five trajectories, longer than the tiny model takes."""
    path = tmp_path / "data.npz"
    made = spivae(
        "data",
        "sbm",
        "--out",
        path,
        "--per-cell",
        5,
        "--steps",
        70,
        "--set",
        "alpha=0.5,1.5",
        "--set",
        "D=1e-3",
    )
    assert made.code == 0
    return path


def test_data_are_written_in_the_seed_s_layout(dataset: Path):
    with np.load(dataset) as file:
        assert sorted(file.files) == ["0.5,0.001", "1.5,0.001"]
        rows = file["0.5,0.001"]
    assert rows.shape == (5, 72)
    assert (rows[:, :2] == [0.5, 0.001]).all()


def test_data_json_tells_the_grid(spivae, tmp_path: Path):
    out = tmp_path / "d.npz"
    answer = spivae(
        "data",
        "sbm",
        "--out",
        out,
        "--grid",
        "alpha=0.5:1.5:3",
        "--grid",
        "D=1e-4:1e-2:3:log",
        "--json",
        "--per-cell",
        2,
        "--steps",
        10,
    ).json
    assert answer["grid"]["alpha"] == [0.5, 1.0, 1.5]
    assert answer["grid"]["D"] == pytest.approx([1e-4, 1e-3, 1e-2])
    assert (answer["cells"], answer["trajectories"], answer["steps"], answer["out"]) == (9, 18, 10, str(out))


def test_data_are_seen_with_noise_and_blur(spivae, tmp_path: Path):
    out = tmp_path / "d.npz"
    made = ("data", "ctrw", "--out", out, "--set", "alpha=0.3", "--set", "sigma=0.5", "--steps", 50)
    spivae(*made)
    with np.load(out) as file:
        assert (file["0.3,0.5"][:, 2:] == 0).mean() > 0.5  # it rests
    answer = spivae(*made, "--noise", 0.01, "--blur", 0.5, "--json").json
    assert (answer["noise"], answer["blur"]) == (0.01, 0.5)
    with np.load(out) as file:
        assert (file["0.3,0.5"][:, 2:] != 0).all()
    assert "seen   noise 0.01, blur 0.5" in spivae(*made, "--noise", 0.01, "--blur", 0.5).out
    assert "noise " not in spivae(*made).out


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("--noise", -1), "Invalid value for '--noise': -1.0 is not in the range"),
        (("--blur", 1.5), "Invalid value for '--blur': 1.5 is not in the range"),
        (("--set", "alpha=2.5"), "error: process ctrw: alpha needs to be above 0 and below 1, not 2.5"),
    ],
)
def test_data_that_cannot_be_are_refused(spivae, tmp_path: Path, given: tuple[object, ...], words: str):
    refused = spivae("data", "ctrw", "--out", tmp_path / "d.npz", *given)
    assert refused.code == 2
    assert words in refused.err


def test_data_of_one_seed_are_the_same_and_of_another_are_not(spivae, tmp_path: Path):
    made = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        spivae(
            "data",
            "sbm",
            "--out",
            tmp_path / name,
            "--set",
            "alpha=1",
            "--set",
            "D=1e-3",
            "--per-cell",
            1,
            "--seed",
            seed,
        )
        with np.load(tmp_path / name) as file:
            made.append(file["1,0.001"])
    assert (made[0] == made[1]).all()
    assert (made[0] != made[2]).any()


def test_predict_takes_a_dataset_and_cuts_it_to_the_model(
    spivae, tiny_checkpoint: Path, dataset: Path, tmp_path: Path
):
    out = tmp_path / "p.npz"
    answer = spivae("predict", tiny_checkpoint, dataset, "--out", out, "--json").json
    with np.load(out) as found:
        shapes = {name: list(found[name].shape) for name in found.files}
        nll = found["nll"].mean()
    assert shapes == answer["shapes"]
    assert shapes["mu"] == shapes["logvar"] == [10, 2]
    assert shapes["c"] == [10, 6, 63]
    assert shapes["pred"] == [10, 3, 55]
    assert shapes["nll"] == [10, 55]
    assert shapes["theta"] == [10, 2]
    assert answer["nll"] == pytest.approx(nll, rel=1e-5)


def test_predict_gives_what_the_original_gives(spivae, reference: Path, tmp_path: Path):
    expected = np.load(reference / "original_sbm_trained.reference.npz")
    np.save(tmp_path / "x.npy", expected["x"][:, 0])
    out = tmp_path / "p.npz"
    assert spivae("predict", reference / "original_sbm_trained", tmp_path / "x.npy", "--out", out).code == 0
    with np.load(out) as found:
        for key in ("mu", "logvar", "c", "pred"):
            np.testing.assert_allclose(found[key], expected[key], rtol=1e-5, atol=1e-5)
        # single steps of small displacements to what float32 keeps of them (see tests/test_prediction.py)
        np.testing.assert_allclose(found["nll"], expected["nll"][..., 0], rtol=2e-3, atol=2e-3)
        np.testing.assert_allclose(found["nll"].mean(), expected["nll"].mean(), rtol=1e-6)


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Files are read, and trajectories made and predicted, a few at a time."""
    monkeypatch.setattr("spivae.npz._READ", 1 << 13)
    monkeypatch.setattr("spivae.prediction.BATCH", 16)
    monkeypatch.setattr("spivae.dataset._AT_ONCE", 64 * 70)
    monkeypatch.setattr("spivae.dataset._BLOCK", 16)
    # what earlier tests have left makes Python wait longer until it looks for garbage, which would be counted
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.parametrize("name", ["x.npy", "x.npz", "layout.npz"])
def test_the_memory_of_predictions_does_not_grow_with_their_number(
    spivae, tiny_checkpoint: Path, tmp_path: Path, small_parts: None, name: str
):
    def predict(n: int) -> None:
        values = 0.1 * np.random.default_rng(0).standard_normal((n, 63))
        given, out = tmp_path / f"{n}-{name}", tmp_path / f"p-{n}.npz"
        if name == "layout.npz":
            np.savez(given, **{"1,0.01": np.concatenate([np.full((n, 2), [1, 0.01]), values], axis=1)})
        elif name == "x.npz":
            np.savez(given, displacements=values)
        else:
            np.save(given, values)
        peaks.append(peak(lambda: spivae("predict", tiny_checkpoint, given, "--out", out)))
        with np.load(out) as found:
            assert found["c"].shape == (n, 6, 63)

    peaks: list[int] = []
    for n in (64, 64, 1024):  # the first one imports, too
        predict(n)
    # all of c alone would be 1.5 MB
    assert peaks[2] < 1.2 * peaks[1] < 1e6


@pytest.mark.parametrize("what", ["data", "generate"])
def test_the_memory_of_new_trajectories_does_not_grow_with_their_number(
    spivae,
    tiny_checkpoint: Path,
    tmp_path: Path,
    small_parts: None,
    monkeypatch: pytest.MonkeyPatch,
    what: str,
):
    monkeypatch.setattr("spivae.generation._ROWS_AT_ONCE", 16)

    def make(n: int) -> None:
        point = ("--set", "alpha=1", "--set", "D=1e-3", "--out", tmp_path / "x.npz")
        if what == "data":
            made = ("data", "sbm", *point, "--per-cell", n, "--steps", 70)
        else:
            made = ("generate", tiny_checkpoint, *point, "-n", n, "--length", 70)
        peaks.append(peak(lambda: spivae(*made)))
        with np.load(tmp_path / "x.npz") as found:
            rows = found["1,0.001"][:, 2:] if what == "data" else found["displacements"]
        assert rows.shape == (n, 70)
        assert len(np.unique(rows, axis=0)) == n

    peaks: list[int] = []
    for n in (64, 64, 2048):
        make(n)
    # in memory, all of them would be 0.6 MB
    assert peaks[2] - peaks[1] < 0.2e6


def test_data_in_parts_are_those_of_all_at_once(spivae, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    made = ("data", "sbm", "--set", "alpha=0.5,1", "--set", "D=1e-3,1e-2", "--per-cell", 300, "--steps", 10)
    assert spivae(*made, "--out", tmp_path / "whole.npz").code == 0
    monkeypatch.setattr("spivae.dataset._AT_ONCE", 512 * 10)
    assert spivae(*made, "--out", tmp_path / "parts.npz").code == 0
    whole, parts = (dict(np.load(tmp_path / f"{name}.npz")) for name in ("whole", "parts"))
    assert list(whole) == list(parts) == ["0.5,0.001", "0.5,0.01", "1,0.001", "1,0.01"]
    for key in whole:
        np.testing.assert_array_equal(whole[key], parts[key])


def test_predictions_in_parts_are_those_of_all_at_once(
    spivae, tiny_checkpoint: Path, tmp_path: Path, small_parts: None
):
    x = 0.1 * np.random.default_rng(0).standard_normal((50, 63))
    np.save(tmp_path / "x.npy", np.asfortranarray(x))
    answer = spivae(
        "predict", tiny_checkpoint, tmp_path / "x.npy", "--out", tmp_path / "p.npz", "--json"
    ).json
    _, model = load_checkpoint(tiny_checkpoint)
    whole = predict(model, Dataset(x[:, None].astype(np.float32), np.zeros((50, 0)), ()), keep_raw=True)
    with np.load(tmp_path / "p.npz") as found:
        for key in ("mu", "logvar", "c", "pred", "nll"):
            np.testing.assert_allclose(found[key], getattr(whole, key), rtol=1e-5, atol=1e-5)
    assert answer["nll"] == pytest.approx(whole.nll.mean(), rel=1e-5)
    assert answer["kl_latents"] == pytest.approx(whole.kl.mean(axis=0), rel=1e-5)
    assert answer["surviving"] == whole.surviving


def test_what_only_reading_tells_leaves_no_file(
    spivae, tiny_checkpoint: Path, tmp_path: Path, small_parts: None
):
    x = np.zeros((100, 63))
    x[-1, -1] = np.inf
    np.save(tmp_path / "x.npy", x)
    failed = spivae("predict", tiny_checkpoint, tmp_path / "x.npy", "--out", tmp_path / "p.npz")
    assert failed.code == 2
    assert "holds displacements that are not finite" in failed.err
    assert [path.name for path in tmp_path.iterdir()] == ["x.npy"]


def test_sampled_predictions_follow_the_seed(spivae, tiny_checkpoint: Path, dataset: Path, tmp_path: Path):
    def nll(*arguments: object) -> float:
        return spivae(
            "predict", tiny_checkpoint, dataset, "--out", tmp_path / "p", "--json", *arguments
        ).json["nll"]

    assert nll("--sample", "--seed", 1) == nll("--sample", "--seed", 1)
    assert nll("--sample", "--seed", 1) != nll("--sample", "--seed", 2)
    assert nll() == nll()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros((3, 40)), "trajectories of 40 displacements do not fit this model"),
        (np.zeros(63), "displacements have shape (63,)"),
        (np.full((2, 63), np.nan), "holds displacements that are not finite"),
        (np.array([["a"]]), "not numbers"),
    ],
)
def test_displacements_that_do_not_fit_are_wrong_input(
    spivae, tiny_checkpoint: Path, tmp_path: Path, values: np.ndarray, message: str
):
    np.save(tmp_path / "x.npy", values)
    failed = spivae("predict", tiny_checkpoint, tmp_path / "x.npy", "--out", tmp_path / "p.npz")
    assert failed.code == 2
    assert message in failed.err
    assert not (tmp_path / "p.npz").exists()


def test_a_pickle_among_the_displacements_is_refused(spivae, tiny_checkpoint: Path, tmp_path: Path):
    np.save(tmp_path / "x.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    failed = spivae("predict", tiny_checkpoint, tmp_path / "x.npy", "--out", tmp_path / "p.npz")
    assert failed.code == 2
    assert "not a readable .npy or .npz file" in failed.err


def test_a_model_without_latents_predicts_too(spivae, reference: Path, tmp_path: Path):
    np.save(tmp_path / "x.npy", np.zeros((2, 399)))
    out = tmp_path / "p.npz"
    assert spivae("predict", reference / "original_wavenet_only", tmp_path / "x.npy", "--out", out).code == 0
    with np.load(out) as found:
        assert found["mu"].shape == (2, 0)


def test_generate_from_parameters_keeps_theta_and_follows_the_seed(
    spivae, tiny_checkpoint: Path, tmp_path: Path
):
    made = []
    for seed in (3, 3, 4):
        out = tmp_path / "g.npz"
        arguments = [
            "--set",
            "D=1e-3",
            "--set",
            "alpha=0.5",
            "-n",
            4,
            "--length",
            100,
            "--seed",
            seed,
            "--out",
            out,
        ]
        assert spivae("generate", tiny_checkpoint, *arguments).code == 0
        with np.load(out) as found:
            assert found["displacements"].shape == (4, 100)
            assert list(found["names"]) == ["alpha", "D"]
            assert (found["theta"] == [0.5, 1e-3]).all()
            made.append(found["displacements"])
    assert (made[0] == made[1]).all()
    assert (made[0] != made[2]).any()


def test_generate_from_latents_follows_the_seed(spivae, tiny_checkpoint: Path, tmp_path: Path):
    made = []
    for seed in (3, 3, 4):
        spivae(
            "generate", tiny_checkpoint, "--latent", "0=1", "-n", 2, "--seed", seed, "--out", tmp_path / "g"
        )
        with np.load(tmp_path / "g") as found:
            made.append(found["displacements"])
    assert (made[0] == made[1]).all()
    assert (made[0] != made[2]).any()


def test_generate_from_latents_keeps_z(spivae, tiny_checkpoint: Path, tmp_path: Path):
    out = tmp_path / "g.npz"
    answer = spivae("generate", tiny_checkpoint, "--latent", "1=1.5", "-n", 3, "--out", out, "--json").json
    assert answer["latents"] == {"z0": 0.0, "z1": 1.5}
    with np.load(out) as found:
        assert found["displacements"].shape == (3, 63)
        assert found["z"].tolist() == [[0, 1.5]] * 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "generate from what?"),
        (["--set", "alpha=1"], "process sbm also needs D"),
        (["--set", "beta=1"], "no parameter of process sbm"),
        (["--latent", "7=1"], "this model has latents 0..1"),
        (["--latent", "0=1", "--set", "alpha=1"], "give one of them"),
        (["--set", "alpha=-2", "--set", "D=1e-3"], "makes no trajectories that a model can encode there"),
    ],
)
def test_generate_says_what_it_needs(
    spivae, tiny_checkpoint: Path, tmp_path: Path, arguments: list[str], message: str
):
    failed = spivae("generate", tiny_checkpoint, "--out", tmp_path / "g.npz", *arguments)
    assert failed.code == 2
    assert message in failed.err.splitlines()[-1]
    assert not (tmp_path / "g.npz").exists()


def test_parameters_outside_the_training_range_are_noted(spivae, tiny_checkpoint: Path, tmp_path: Path):
    out = tmp_path / "g.npz"
    made = spivae("generate", tiny_checkpoint, "--set", "alpha=2.5", "--set", "D=1e-3", "-n", 1, "--out", out)
    assert made.code == 0
    assert made.err == "note: alpha = 2.5 is outside 0.2..1.8, where models are trained\n"


def test_what_was_generated_can_be_predicted(spivae, tiny_checkpoint: Path, tmp_path: Path):
    out = tmp_path / "g.npz"
    spivae("generate", tiny_checkpoint, "--latent", "0=1", "-n", 2, "--out", out)
    assert spivae("predict", tiny_checkpoint, out, "--out", tmp_path / "p.npz").code == 0


def test_a_converted_checkpoint_is_the_same_model(spivae, reference: Path, tmp_path: Path):
    old, new = reference / "original_sbm_trained.tar", tmp_path / "new.safetensors"
    assert spivae("convert", old, new, "--json").json == {
        "path": str(new),
        "format": "spivae",
        "process": "sbm",
        "parameters": 262885,
    }
    before, after = spivae("inspect", old, "--json").json, spivae("inspect", new, "--json").json
    assert before.pop("format") != after.pop("format")
    assert before.pop("path") != after.pop("path")
    assert sorted(after.pop("tensors"), key=str) == sorted(before.pop("tensors"), key=str)
    assert {key: after[key] for key in ("model_args", "ds_args", "parameters")} == {
        key: before[key] for key in ("model_args", "ds_args", "parameters")
    }


def test_a_native_checkpoint_is_named_so(spivae, reference: Path, tmp_path: Path):
    failed = spivae("convert", reference / "original_init.tar", tmp_path / "new.tar")
    assert failed.code == 2
    assert "ends in .safetensors" in failed.err
