"""--slurm and its flags, with the table [slurm] of config.toml behind them; no Slurm is needed to look."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Spivae = Callable[..., Any]


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's configuration file."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / "config" / "spivae").mkdir(parents=True)
    return tmp_path / "config" / "spivae" / "config.toml"


def script(spivae: Spivae, *arguments: object) -> list[str]:
    shown: str = spivae("train", *arguments, "--slurm", "--dry-run", "--json").json["script"]
    return shown.splitlines()


def test_flags_count_more_than_the_configuration(spivae: Spivae, tiny_recipe: Path, config: Path):
    config.write_text('[slurm]\npartition = "cpu"\ntime = 90\ncpus = 4\n')
    lines = script(
        spivae, tiny_recipe, "--partition", "gpu", "--sbatch=--nice=5", "--setup", "module load gcc"
    )
    for option in ("partition=gpu", "time=90", "cpus-per-task=4", "nice=5", "requeue"):
        assert f"#SBATCH --{option}" in lines
    assert lines[-2] == "module load gcc"
    assert lines[-1].endswith("--threads 4")
    lines = script(spivae, tiny_recipe, "--threads", 2, "--no-requeue")
    assert "#SBATCH --no-requeue" in lines
    assert lines[-1].endswith("--threads 2")


@pytest.mark.parametrize(
    ("asked", "cpus", "threads"),
    [
        (("--nproc", 3, "--threads", 2), 6, 2),
        (("--nproc", 2), 2, 1),
        (("--nproc", 2, "--cpus", 8), 8, 4),
        (("--nnodes", 2, "--nproc", 2, "--cpus", 1), 1, 1),
    ],
)
def test_a_job_has_cores_for_all_processes_of_a_machine(
    spivae: Spivae, tiny_recipe: Path, asked: tuple[object, ...], cpus: int, threads: int
):
    lines = script(spivae, tiny_recipe, *asked)
    assert f"#SBATCH --cpus-per-task={cpus}" in lines
    assert f"--threads {threads}" in lines[-1]
    several = "--nnodes" in asked
    assert ("#SBATCH --nodes=2" in lines) == several
    assert lines[-1].endswith(' --rdzv-endpoint "$endpoint"') == several


def test_a_job_finds_where_its_machines_meet_and_shares_batches_as_it_can(
    spivae: Spivae, tiny_recipe: Path, tmp_path: Path
):
    for asked, said in (
        (("--nnodes", 2, "--rdzv-endpoint", "a:1"), "--rdzv-endpoint: the machines of a job find each other"),
        (("--nproc", 65), "--nproc: 65 processes cannot share a batch of 64 trajectories"),
    ):
        for more in ((), ("--dry-run",)):
            refused = spivae("train", tiny_recipe, "--slurm", "--run-dir", tmp_path / "runs", *asked, *more)
            assert refused.code == 2
            assert refused.err.startswith(f"error: {said}")
    assert not (tmp_path / "runs").exists()


def test_a_dry_run_makes_nothing(spivae: Spivae, tiny_recipe: Path, tmp_path: Path):
    answer = spivae("train", tiny_recipe, "--slurm", "--dry-run", "--run-dir", tmp_path / "runs")
    assert answer.out.startswith("#!/bin/bash\n#SBATCH --job-name=sbm-ID\n")
    assert not (tmp_path / "runs").exists()


def test_a_dry_run_of_a_sweep_shows_its_array_and_makes_nothing(
    spivae: Spivae, tiny_recipe: Path, tmp_path: Path
):
    at = ("--run-dir", tmp_path / "runs", "--dry-run")
    grid = ("--grid", "training.seed=0..2", "--grid", "training.batch=32,64")
    asked = ("--slurm", "--jobs", 2, "--nproc", 2, "--cpus", 8)
    lines = spivae("sweep", tiny_recipe, *grid, *at, *asked, "--json").json["script"].splitlines()
    for option in (
        *("array=1-6%2", "cpus-per-task=8", "open-mode=append", "requeue", "signal=B:USR1@60"),
        f"output={tmp_path}/runs/sweep-sbm-ID/sbm-ID-%2a/log.txt",
    ):
        assert f"#SBATCH --{option}" in lines
    assert lines[-1].endswith(f"train --run {tmp_path}/runs/sweep-sbm-ID --threads 4")

    here = spivae("sweep", tiny_recipe, *grid[:2], *at, "--jobs", 1)
    assert here.out.splitlines() == [
        *(f"training.seed={seed}" for seed in range(3)),
        "3 runs, 1 at a time, with 1 thread in each process",
    ]
    document = spivae("sweep", tiny_recipe, *grid[:2], *at, "--jobs", 1, "--json").json
    assert document == {"runs": [{"training.seed": n} for n in range(3)], "jobs": 1, "threads": 1}
    refused = spivae("sweep", tiny_recipe, "--grid", "training.batch=1,64", "--nproc", 2, *at)
    assert (refused.code, refused.out) == (2, "")
    assert spivae("sweep", "sweep-x", *at).err.startswith("error: --dry-run: shows what a new sweep would be")
    assert not (tmp_path / "runs").exists()


def test_wrong_words_for_slurm_are_told(spivae: Spivae, tiny_recipe: Path, config: Path):
    for command, flag in (("train", "--set"), ("sweep", "--grid")):
        refused = spivae(command, tiny_recipe, flag, "training.seed=1", "--cpus", 2)
        assert (refused.code, refused.err) == (2, "error: --cpus: is for Slurm; add --slurm\n")
    refused = spivae("train", tiny_recipe, "--slurm", "--dry-run", "--time", "soon")
    assert (refused.code, refused.err[:24]) == (2, "error: --time: 'soon' is")
    config.write_text("[slurm]\ncpus = 0\n")
    refused = spivae("train", tiny_recipe, "--slurm", "--dry-run")
    assert refused.err.startswith(f"error: {config}: slurm.cpus: 0 is not what it takes")


def test_where_there_is_no_slurm_it_is_told_and_nothing_stays(
    spivae: Spivae, tiny_recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PATH", str(tmp_path))
    refused = spivae("train", tiny_recipe, "--slurm", "--run-dir", tmp_path / "runs")
    assert (refused.code, refused.out) == (1, "")
    assert refused.err.startswith("error: sbatch: not found; ")
    assert list((tmp_path / "runs").iterdir()) == []
