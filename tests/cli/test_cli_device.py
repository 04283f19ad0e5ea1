"""--device: found in run.json by whoever trains; a wrong one is refused before anything is made."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from spivae.training import recipe as recipes
from spivae.training.loop import train
from spivae.training.run import Run, list_runs
from spivae.training.sweep import Sweep
from spivae_plugins.sbm import ScaledBrownianMotion

Spivae = Callable[..., Any]


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        ("train", ()),
        ("train", ("--detach",)),
        ("train", ("--slurm",)),
        ("sweep", ("--grid", "training.seed=0..1")),
    ],
)
def test_a_wrong_device_is_refused_before_a_run_is_made(
    spivae: Spivae, tiny_recipe: Path, tmp_path: Path, command: str, arguments: tuple[str, ...]
):
    refused = spivae(command, tiny_recipe, *arguments, "--run-dir", tmp_path / "runs", "--device", "gpu")
    assert (refused.code, refused.out) == (2, "")
    assert refused.err == "error: --device: 'gpu' is not auto, cpu, cuda or cuda:N, as in cuda:1\n"
    assert not (tmp_path / "runs").exists()


def test_it_is_refused_without_torch(tiny_recipe: Path):
    code = "import sys; from spivae.cli import main; main(sys.argv[1:]); print(*sys.modules)"
    command = [sys.executable, "-c", code, "train", str(tiny_recipe), "--device", "gpu"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert "is not auto, cpu" in done.stderr
    assert not {"torch", "numpy"} & set(done.stdout.split())


def test_a_gpu_that_is_not_there_is_told_before_a_run_is_made(
    spivae: Spivae, tiny_recipe: Path, tmp_path: Path
):
    at = ("--run-dir", tmp_path / "runs", "--device", "cuda")
    for more in ((), ("--nproc", 2), ("--dry-run",)):
        refused = spivae("train", tiny_recipe, *at, *more)
        said = "error: device: cuda is asked for, but torch sees no GPU here; take --device cpu\n"
        assert (refused.code, refused.out, refused.err) == (2, "", said)
    assert not (tmp_path / "runs").exists()


def test_one_gpu_is_not_for_several_processes(spivae: Spivae, tiny_recipe: Path, tmp_path: Path):
    at = ("--run-dir", tmp_path / "runs", "--nproc", 2, "--detach", "--device", "cuda:1")
    refused = spivae("train", tiny_recipe, *at)
    assert (refused.code, refused.out) == (2, "")
    assert "cuda:1 is one GPU, which several processes cannot share" in refused.err
    assert not (tmp_path / "runs").exists()


def test_a_resumed_run_is_not_moved_to_another_device_unasked(
    spivae: Spivae, tiny_recipe: Path, tmp_path: Path
):
    run = Run.create(tmp_path, recipes.load(tiny_recipe))
    run.info.device = "cuda"
    run.end("stopped")
    for more in ((), ("--nproc", 2)):
        refused = spivae("resume", run.path, *more)
        assert refused.code == 2
        assert refused.err.splitlines()[-1] == (
            "error: device: cuda is asked for, but torch sees no GPU here; take another --device: "
            f"`spivae resume {run.id} --device cpu`"
        )
        run.refresh()
        assert (run.info.state, run.info.device) == ("failed", "cuda")
        assert "no GPU here" in str(run.info.error)
    assert spivae("resume", run.path, "--nproc", 1, "--device", "cpu").code == 0
    run.refresh()
    assert (run.info.state, run.info.device) == ("finished", "cpu")


def test_a_training_that_goes_on_in_another_way_says_so_in_a_line(
    spivae: Spivae, tiny_recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    run = Run.create(tmp_path, recipes.load(tiny_recipe))
    asked = iter([False, False, True])
    assert train(run, ScaledBrownianMotion(), threads=1, should_stop=lambda: next(asked)) == "stopped"
    with monkeypatch.context() as patch:
        patch.setattr("spivae.training.loop.why_plain", lambda model: "no longer")
        resumed = spivae("resume", run.path, "--threads", 2)
    said = "warning: goes on otherwise (code path plain, not fast; threads 2, not 1): no longer bit for bit"
    assert resumed.err.splitlines()[2] == f"{said} an uninterrupted training"
    assert resumed.err.count("warning") == 1


def test_the_wish_is_noted_where_nothing_computes(
    spivae: Spivae, tiny_recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("spivae.training.launch.start", lambda run, lock, threads: None)
    monkeypatch.setattr("spivae.training.slurm.submit", lambda run, options, threads: "7")
    monkeypatch.setattr("spivae.training.slurm.begin", lambda number: None)
    for how in ("--detach", "--slurm"):
        assert spivae("train", tiny_recipe, how, "--device", "cuda:1", "--run-dir", tmp_path / how).code == 0
        [run] = list_runs(tmp_path / how)
        assert run.info.device == "cuda:1"
    monkeypatch.setattr("spivae.training.sweep.Sweep.launch", lambda sweep: None)
    grid = ("--grid", "training.seed=0..1", "--device", "cuda", "--json")
    sweep = Sweep.open(spivae("sweep", tiny_recipe, *grid, "--run-dir", tmp_path).json["path"])
    assert [run.info.device for run in sweep.runs().values()] == ["cuda", "cuda"]
    assert sweep.info.jobs == 1
    refused = spivae("resume", sweep.path, "--device", "cpu")
    assert (refused.code, "a sweep takes no" in refused.err) == (2, True)


def test_a_dry_run_tells_the_device(spivae: Spivae, tiny_recipe: Path):
    assert spivae("train", tiny_recipe, "--dry-run", "--json").json["device"] == "cpu"
