"""What a person types leads to the checkpoint that they mean, or to a helpful error."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from spivae.checkpoint import naming, resolve, shipped_models
from spivae.errors import SpivaeError


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty working folder, beside a folder of shipped models that holds `sbm` and `fbm`."""
    shipped, work = tmp_path / "shipped", tmp_path / "work"
    shipped.mkdir()
    work.mkdir()
    for name in ("sbm", "fbm"):
        (shipped / f"{name}.safetensors").touch()
    monkeypatch.setattr(naming, "shipped_models", lambda: shipped)
    monkeypatch.chdir(work)
    return work


def test_a_path_stands_for_itself_with_and_without_its_suffix(here):
    for name in ("a.safetensors", "b.tar", "c.bin", "v1.2.safetensors"):
        (here / name).touch()
    assert resolve("a.safetensors") == Path("a.safetensors")
    assert resolve("a") == Path("a.safetensors")
    assert resolve("b") == Path("b.tar")
    assert resolve("c.bin") == Path("c.bin")
    assert resolve("v1.2") == Path("v1.2.safetensors")
    assert resolve(here / "a") == here / "a.safetensors"


def test_the_native_file_goes_before_the_originals(here):
    (here / "a.tar").touch()
    (here / "a.safetensors").touch()
    assert resolve("a") == Path("a.safetensors")


def test_a_shipped_model_is_found_by_name_but_a_local_file_goes_first(here):
    shipped = naming.shipped_models()
    for name in ("sbm", "models/sbm", "sbm.safetensors", "./models/sbm.safetensors"):
        assert resolve(name) == shipped / "sbm.safetensors"
    (here / "sbm.tar").touch()
    assert resolve("sbm") == Path("sbm.tar")


def test_a_home_folder_may_be_a_tilde(here, monkeypatch):
    monkeypatch.setenv("HOME", str(here))
    (here / "a.tar").touch()
    assert resolve("~/a") == here / "a.tar"


def test_a_run_stands_for_its_best_checkpoint_and_names_its_others(here):
    checkpoints = here / "runs" / "sbm-1" / "checkpoints"
    checkpoints.mkdir(parents=True)
    (checkpoints.parent / "run.json").touch()
    (checkpoints / "final.safetensors").touch()
    (checkpoints / "phase-1.safetensors").touch()
    assert resolve("runs/sbm-1") == Path("runs/sbm-1/checkpoints/final.safetensors")
    (checkpoints / "best.safetensors").touch()
    assert resolve("runs/sbm-1") == Path("runs/sbm-1/checkpoints/best.safetensors")
    for name in ("runs/sbm-1/phase-1", "sbm-1/phase-1", "sbm-1/phase-1.safetensors"):
        assert resolve(name) == Path("runs/sbm-1/checkpoints/phase-1.safetensors")


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("sbn", "did you mean sbm"),
        ("models/sbm2", "did you mean sbm"),
        ("fourie", "did you mean fourier?"),
        ("fourie.tar", "did you mean fourier?"),
        ("zzzz", "there are fbm, fourier, sbm"),
        ("folder", "is a folder without a checkpoint"),
        ("folder/one", "did you mean folder/only?"),
        ("", "is no path"),
        ("a\0b", "is no path"),
    ],
)
def test_a_name_that_leads_nowhere_says_what_is_near(here, typed, message):
    (here / "fourier.tar").touch()
    (here / "folder").mkdir()
    (here / "folder" / "only.tar").touch()
    with pytest.raises(SpivaeError, match=re.escape(message)):
        resolve(typed)


def test_a_folder_without_permission_is_said_to_be_one(here, monkeypatch):
    def forbidden(self, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "stat", forbidden)
    with pytest.raises(SpivaeError, match="permission denied"):
        resolve("secret/a")


def test_shipped_models_lie_in_the_folder_that_is_installed():
    assert shipped_models().name == "models"
