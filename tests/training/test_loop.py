"""The training loop: what it writes, that it repeats itself, how it stops, and that it learns."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal

from spivae.checkpoint import read, read_header
from spivae.checkpoint.load import load_checkpoint
from spivae.dataset import simulate_grid
from spivae.errors import SpivaeError, WorkFailed
from spivae.layout import save_npz
from spivae.model.paths import losses
from spivae.model.scaled import ScaledWaveNetVAE
from spivae.model.vae import WaveNetVAE
from spivae.prediction import predict
from spivae.training import loop, threads
from spivae.training.data import TrainingData, example, recipe_grid
from spivae.training.distributed import Team
from spivae.training.loop import Events, train
from spivae.training.metrics import MetricsReader
from spivae.training.recipe import Recipe, parse, to_table, with_overrides
from spivae.training.run import Run
from spivae.training.step import make_optimizer, train_step
from spivae_plugins.sbm import ScaledBrownianMotion

SBM = ScaledBrownianMotion()
TINY = parse(
    {
        "process": {
            "name": "sbm",
            "grid": {
                "alpha": {"low": 0.4, "high": 1.6, "n": 3},
                "D": {"low": 1e-2, "high": 1.0, "n": 2, "scale": "log"},
            },
        },
        "dataset": {"steps": 63, "trajectories": 360, "validation": 0.2},
        "model": {
            "nf": [4, 4],
            "avg_size": 4,
            "encoder": [16],
            "decoder": [16],
            "z_dim": 2,
            "nc_out": 2,
            "c_channels": 2,
            "res_channels": 6,
            "skip_channels": 6,
            "layer_size": 2,
        },
        "training": {
            "batch": 32,
            "phase": [
                {"epochs": 2, "beta": 0.0, "lr_max": 5e-3},
                {"epochs": 1, "beta": 1e-2, "lr_max": 1e-3},
            ],
        },
    }
)


def trained(folder: Path, recipe: Recipe = TINY, **arguments: object) -> Run:
    run = Run.create(folder, recipe)
    train(run, SBM, threads=1, **arguments)  # type: ignore[arg-type]
    return run


def test_a_training_leaves_metrics_and_checkpoints_that_agree(tmp_path: Path) -> None:
    run = trained(tmp_path)
    records = MetricsReader(run.metrics_path).poll()
    steps = [record for record in records if record["kind"] == "step"]
    epochs = [record for record in records if record["kind"] == "epoch"]
    assert [record["step"] for record in steps] == list(range(1, 28))
    assert [record["beta"] for record in epochs] == [0.0, 0.0, 1e-2]
    assert {"loss", "nll", "kl", "lr", "seconds", "epoch", "phase"} <= set(steps[0])
    assert run.state() == "finished"
    assert run.info.steps == 27

    names = {path.stem for path in run.checkpoints()}
    assert names == {"phase-0", "phase-1", "best", "final"}
    final = read_header(run.checkpoint_folder / "final.safetensors")
    assert final.metrics["nll"] == epochs[-1]["nll"]
    assert final.metrics["neg_elbo"] == pytest.approx(epochs[-1]["nll"] + sum(epochs[-1]["kl"]) / 55)
    assert final.beta == 1e-2
    assert [record["epoch"] for record in final.history] == [1, 2, 3]
    assert final.recipe["training"]["batch"] == 32
    best = read_header(run.checkpoint_folder / "best.safetensors")
    assert best.metrics["neg_elbo"] == min(record["neg_elbo"] for record in epochs)


def test_the_validation_of_the_last_epoch_is_that_of_the_saved_model(tmp_path: Path) -> None:
    run = trained(tmp_path)
    _, model = load_checkpoint(run.checkpoint_folder / "final.safetensors")
    data = TrainingData.prepare(run.recipe, SBM)
    found = predict(model, data.validation)
    kept = read_header(run.checkpoint_folder / "final.safetensors").metrics["kl_latents"]
    assert found.kl.mean(0) == pytest.approx(kept, rel=1e-4)


def test_every_epoch_is_validated_on_the_same_trajectories_with_the_same_latent_noise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[torch.Tensor]] = []
    real = loop.validate

    def noted(
        model: WaveNetVAE, batches: Iterator[tuple[torch.Tensor, torch.Tensor]], path: Any
    ) -> loop.Validation:
        kept = [(x.clone(), noise.clone()) for x, noise in batches]
        seen.append([torch.cat(parts) for parts in zip(*kept, strict=True)])
        return real(model, iter(kept), path)

    monkeypatch.setattr(loop, "validate", noted)
    trained(tmp_path / "a")
    trained(tmp_path / "b", with_overrides(TINY, {"training.seed": "1"}))
    assert len(seen) == 2 * 3
    for x, noise in seen:
        assert x.shape == (72, 1, 63)
        assert noise.shape == (72, 2)
        assert torch.equal(x, seen[0][0])
        assert torch.equal(noise, seen[0][1])
    assert len(seen[0][1].unique()) == 144  # and of its own for each trajectory


def test_the_same_recipe_gives_the_same_weights_bit_for_bit(tmp_path: Path) -> None:
    first, second = (trained(tmp_path / name).checkpoint_folder / "final.safetensors" for name in "ab")
    other = trained(tmp_path / "c", with_overrides(TINY, {"training.seed": "1"}))
    weights = [read(path).weights for path in (first, second, other.checkpoint_folder / "final.safetensors")]
    for name in weights[0]:
        assert_array_equal(weights[0][name], weights[1][name])
    assert any(not np.array_equal(weights[0][name], weights[2][name]) for name in weights[0])


def test_a_scaled_model_trains_at_a_beta_that_grows(tmp_path: Path) -> None:
    model = {"architecture": "scaled-wavenet-vae", "z_dim": 2, "knots": 4, "linear": 4, "layer_size": 2}
    model |= {"encoder": [16], "decoder": [16], "res_channels": 6, "skip_channels": 6, "c_channels": 2}
    phases = [{"epochs": 3, "beta": [1e-3, 1e-2], "lr_max": 5e-3}]
    recipe = parse({**to_table(TINY), "model": model, "training": {"batch": 32, "phase": phases}})
    run = trained(tmp_path, recipe)
    steps = [record for record in MetricsReader(run.metrics_path).poll() if record["kind"] == "step"]
    assert (steps[0]["beta"], steps[-1]["beta"]) == pytest.approx((1e-3, 1e-2))
    checkpoint, loaded = load_checkpoint(run.checkpoint_folder / "final.safetensors")
    assert checkpoint.architecture == "scaled-wavenet-vae"
    assert checkpoint.beta == pytest.approx(1e-2)
    assert isinstance(loaded, ScaledWaveNetVAE)
    assert checkpoint.receptive_field == loaded.receptive_field == 8


def test_the_probe_for_threads_is_noted_and_leaves_the_weights_as_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []

    def choose(step: Callable[[], object], free: int) -> int:
        tried.append((threads.choose(step, free), free))
        return 1  # whatever was found: equal threads give equal bits

    monkeypatch.setattr("spivae.training.loop.free_threads", lambda own: 2)
    monkeypatch.setattr("spivae.training.loop.choose", choose)
    probed = Run.create(tmp_path / "probed", TINY)
    train(probed, SBM)
    assert [free for _, free in tried] == [2]
    info = Run.open(probed.path).info
    assert (info.threads, info.code_path, info.why_plain) == (1, "fast", None)
    way = {"device": "cpu", "code_path": "fast", "threads": 1, "processes": 1}
    assert read_header(probed.checkpoint_folder / "final.safetensors").computed == way
    told = trained(tmp_path / "told")
    first, second = (read(run.checkpoint_folder / "final.safetensors").weights for run in (probed, told))
    assert first is not None
    assert second is not None
    for name in first:
        assert_array_equal(first[name], second[name])


def test_processes_of_a_machine_share_what_is_free_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Two(Team):
        local, agreed = 2, 7

        def least(self, own: float) -> float:
            return min(own, self.agreed)

    offered: list[int] = []
    monkeypatch.setattr("spivae.training.loop.free_threads", lambda own: 7)
    monkeypatch.setattr("spivae.training.loop.choose", lambda step, free: offered.append(free) or free)
    noted: list[int] = []
    monkeypatch.setattr("spivae.training.loop.take", lambda pid, threads: noted.append(threads))
    for agreed, threads_of_each in ((3, 3), (1, 1)):
        run, team = Run.create(tmp_path, TINY), Two()
        team.agreed = agreed
        train(run, SBM, team=team, should_stop=lambda: True)
        assert run.info.threads == threads_of_each
        assert noted[-1] == 2 * threads_of_each
    assert offered == [3, 3]


@pytest.mark.parametrize(("rate", "moved"), [(1.0, True), (0.01, True), (0.0, False)])
def test_the_means_learn_at_a_rate_of_their_own(rate: float, moved: bool) -> None:
    models = [TINY.architecture.build(TINY.model_args, torch.Generator().manual_seed(0)) for _ in range(2)]
    generator = torch.Generator().manual_seed(1)
    x, noise = torch.randn(8, 1, 63, generator=generator), torch.randn(8, 2, generator=generator)
    changes = []
    for model, mean_lr in zip(models, (1.0, rate), strict=True):
        weight = model.out_conv[-1].weight.detach()
        before = weight.clone()
        train_step(model, make_optimizer(model, 1e-2), x, noise, 0.0, 1.0, mean_lr)
        changes.append((weight - before).chunk(3))
    (logits, means, log_std), others = changes
    assert torch.equal(logits, others[0])
    assert torch.equal(log_std, others[2])
    assert torch.allclose(others[1], rate * means, atol=1e-9)
    assert bool(others[1].any()) == moved


@pytest.mark.parametrize("overrides", [{}, {"model.c_channels": "0", "model.architecture": "wavenet-vae"}])
def test_a_step_tells_the_means_of_its_batch(overrides: dict[str, str]) -> None:
    recipe = with_overrides(TINY, overrides)
    model = recipe.architecture.build(recipe.model_args, torch.Generator().manual_seed(0))
    x, noise = map(torch.from_numpy, example(recipe, SBM))
    before = losses(model, x, noise, 0.1)
    found = train_step(model, make_optimizer(model, 1e-3), x, noise, 0.1, 1.0)
    assert found.loss == pytest.approx(float(before.loss.mean()), rel=1e-5)
    assert found.nll == pytest.approx(float(before.nll.mean()), rel=1e-5)
    assert found.kl == pytest.approx(before.kl.mean(0).tolist(), rel=1e-5)


def test_a_training_asked_to_stop_saves_and_leaves(tmp_path: Path) -> None:
    run = Run.create(tmp_path, TINY)
    outcome = train(run, SBM, threads=1, events=Events(step=lambda record: run.request_stop()))
    assert outcome == "stopped"
    assert run.state() == "stopped"
    assert (run.checkpoint_folder / "stopped.safetensors").is_file()
    assert len(MetricsReader(run.metrics_path).poll()) == 1


class Overflowing(ScaledBrownianMotion):
    """Gives infinite displacements in the third epoch; before, its memory is seen, and validation is made."""

    calls = 0

    def displacements(self, rng: np.random.Generator, theta: np.ndarray, steps: int) -> np.ndarray:
        self.calls += 1
        return super().displacements(rng, theta, steps) * (np.inf if self.calls == 5 else 1)


def test_a_killed_trainer_leaves_its_last_checkpoint(tmp_path: Path) -> None:
    class Killed(BaseException):
        pass

    def kill(record: dict) -> None:
        if record["step"] == 7:
            raise Killed

    run = Run.create(tmp_path, with_overrides(TINY, {"training.checkpoint_every": "3"}))
    with pytest.raises(Killed):
        train(run, SBM, threads=1, events=Events(step=kill))
    last = read_header(run.checkpoint_folder / "last.safetensors")
    assert last.metrics["beta"] == 0.0
    assert [path.stem for path in run.checkpoints()] == ["last"]


def test_a_diverged_training_ends_with_its_step_and_keeps_what_it_had(tmp_path: Path) -> None:
    run = Run.create(tmp_path, TINY)
    with pytest.raises(WorkFailed, match=r"the loss diverged at step 19; lower training\.phase\.1\.lr_max"):
        train(run, Overflowing(), threads=1)
    assert run.state() == "failed"
    assert "diverged at step 19" in (Run.open(run.path).info.error or "")
    assert MetricsReader(run.metrics_path).poll()[-1]["diverged"]
    kept = read(run.checkpoint_folder / "phase-0.safetensors").weights
    assert kept is not None
    assert all(np.isfinite(weight).all() for weight in kept.values())


def test_training_learns_the_scale_of_the_displacements(tmp_path: Path) -> None:
    recipe = with_overrides(
        TINY,
        {
            "dataset.trajectories": "1800",
            "training.phase": "[{epochs = 6, beta = 0.0, lr_max = 1e-2}]",
        },
    )
    run = trained(tmp_path, recipe)
    epochs = [record for record in MetricsReader(run.metrics_path).poll() if record["kind"] == "epoch"]
    assert epochs[-1]["nll"] < epochs[0]["nll"] - 0.1
    # one Gaussian for all: the model must have told wide trajectories from narrow ones
    wide = simulate_grid(SBM, recipe_grid(recipe, SBM), 50, 63, np.random.default_rng(3))
    alone = 0.5 * np.log(2 * np.pi * np.e * wide.displacements.var())
    assert epochs[-1]["nll"] < alone


def test_fresh_data_differ_between_epochs_and_a_fixed_set_does_not(tmp_path: Path) -> None:
    fresh = TrainingData.prepare(TINY, SBM)
    fixed = TrainingData.prepare(with_overrides(TINY, {"dataset.fresh": "false"}), SBM)
    for data, wanted in ((fresh, False), (fixed, True)):
        first, second = (np.concatenate([x for x, _ in data.batches(epoch)]) for epoch in (0, 1))
        same = np.isin(first[:, 0, 0], second[:, 0, 0]).mean() > 0.5
        assert bool(same) == wanted
    again = TrainingData.prepare(TINY, SBM)
    assert_array_equal(next(iter(fresh.batches(3)))[0], next(iter(again.batches(3)))[0])


def test_every_epoch_covers_the_cells_evenly() -> None:
    data = TrainingData.prepare(with_overrides(TINY, {"training.batch": "288"}), SBM)
    assert data.size == 288
    assert data.steps_per_epoch == 1
    assert (data.validation.cells.counts == 12).all()


@pytest.mark.parametrize("file", [False, True])
def test_a_batch_that_is_larger_than_the_data_is_refused(file: bool, tmp_path: Path) -> None:
    recipe = with_overrides(TINY, {"training.batch": "289"})
    if file:
        path = tmp_path / "sbm.npz"
        save_npz(path, simulate_grid(SBM, recipe_grid(recipe, SBM), 60, 63, np.random.default_rng(0)))
        recipe = with_overrides(recipe, {"dataset.file": str(path)})
    with pytest.raises(SpivaeError, match=r"training\.batch: 289 is more than the 288 training trajectories"):
        TrainingData.prepare(recipe, SBM)


def test_a_grid_of_an_unknown_parameter_is_refused() -> None:
    recipe = with_overrides(TINY, {"process.grid.beta": "{low = 0, high = 1, n = 2}"})
    with pytest.raises(SpivaeError, match=r"process\.grid\.beta: process sbm has alpha, D"):
        recipe_grid(recipe, SBM)


def test_a_full_disk_while_saving_keeps_the_old_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = trained(tmp_path)
    path = run.checkpoint_folder / "final.safetensors"
    before = path.read_bytes()
    real = os.fsync

    def full(descriptor: int) -> None:
        if "checkpoints" in os.readlink(f"/proc/self/fd/{descriptor}"):
            raise OSError(28, "No space left on device")
        real(descriptor)

    monkeypatch.setattr("spivae.files.os.fsync", full)
    with pytest.raises(WorkFailed, match="No space left on device"):
        train(run, SBM, threads=1)
    assert path.read_bytes() == before
    assert not list(run.checkpoint_folder.glob(".*"))
