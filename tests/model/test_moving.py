"""How numbers get to where a model computes. There is no GPU here: tensors are made up that note moves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from spivae.checkpoint.load import load_checkpoint
from spivae.dataset import Dataset
from spivae.generation import encode, generate
from spivae.model.moving import to_device, to_numpy
from spivae.prediction import predict
from spivae.training import loop
from spivae.training.loop import train
from spivae.training.run import Run
from spivae_plugins.sbm import ScaledBrownianMotion


class Noting:
    """A tensor that notes how it is moved."""

    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []

    def pin_memory(self) -> Noting:
        self.calls.append(("pin",))
        return self

    def to(self, device: object, *, non_blocking: bool = False) -> Noting:
        self.calls.append((str(device), non_blocking))
        return self


@pytest.mark.parametrize("device", ["cuda", "cuda:1", torch.device("cuda", 1)])
def test_a_gpu_gets_them_from_pinned_memory_and_nobody_waits(device: Any):
    values: Any = Noting()
    to_device(values, device)
    assert values.calls == [("pin",), (str(device), True)]


def test_on_the_cpu_nothing_is_copied():
    values = torch.arange(3.0)
    assert to_device(values, "cpu") is values
    assert to_device(values, torch.device("cpu")) is values


def test_from_anywhere_they_come_back_by_way_of_the_cpu():
    class Away:
        def cpu(self) -> torch.Tensor:
            return torch.arange(3.0)

    values: Any = Away()
    assert to_numpy(values).tolist() == [0, 1, 2]


@pytest.fixture
def moved(monkeypatch: pytest.MonkeyPatch) -> list[tuple[tuple[int, ...], str]]:
    """Shapes of what is moved, and where to."""
    found: list[tuple[tuple[int, ...], str]] = []

    def noting(values: torch.Tensor, device: object) -> torch.Tensor:
        found.append((tuple(values.shape), str(device)))
        return values

    monkeypatch.setattr(loop, "to_device", noting)
    monkeypatch.setattr("spivae.model.moving.to_device", noting)
    return found


def test_a_training_moves_every_batch_that_way(moved: list[Any], tiny_recipe: Path, tmp_path: Path):
    from spivae.training import recipe as recipes

    run = Run.create(tmp_path, recipes.with_overrides(recipes.load(tiny_recipe), {"training.phase": "[{}]"}))
    train(run, ScaledBrownianMotion(), threads=1)
    batches = [shape for shape, device in moved if device == "cpu"]
    assert batches[:6] == 3 * [(64, 1, 63), (64, 2)]  # the steps
    assert sum(shape[0] for shape in batches[6::2]) == 60  # the validation
    assert len(batches) == len(moved) == 8


@pytest.mark.parametrize("sampled", [False, True])
def test_predictions_move_every_batch_that_way(moved: list[Any], tiny_checkpoint: Path, sampled: bool):
    _, model = load_checkpoint(tiny_checkpoint)
    rng = np.random.default_rng(0)
    data = Dataset(rng.standard_normal((10, 1, 63)).astype(np.float32), np.zeros((10, 2)), ("alpha", "D"))
    predict(model, data, batch=8, sample=torch.Generator() if sampled else None)
    of_x = [((8, 1, 63), "cpu"), ((2, 1, 63), "cpu")]
    assert [move for move in moved if len(move[0]) == 3] == of_x
    assert len(moved) == (4 if sampled else 2)


def test_latents_and_generated_trajectories_move_there_and_back(
    moved: list[Any], tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
):
    back: list[tuple[int, ...]] = []

    def noting(values: torch.Tensor) -> np.ndarray[Any, Any]:
        back.append(tuple(values.shape))
        return to_numpy(values)

    monkeypatch.setattr("spivae.model.moving.to_numpy", noting)
    _, model = load_checkpoint(tiny_checkpoint)
    mu, _ = encode(model, np.random.default_rng(0).standard_normal((5, 63)))
    assert (moved, back) == ([((5, 1, 63), "cpu")], [(5, 2), (5, 2)])
    generate(model, mu, 20, torch.Generator().manual_seed(0))
    assert (moved[1:], back[2:]) == ([((5, 2), "cpu")], [(5, 20)])
