"""What a training goes on from: one safetensors file with all that the next step depends on.

It holds the weights, the optimizer's moments and the losses of the epoch at work; its header, as JSON, the
position. Random numbers need no state: (seed, stream, epoch) seeds them (see `spivae.training.data`).
"""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from typing import Any

import msgspec
import torch
from torch import Tensor, nn

from spivae.errors import SpivaeError
from spivae.files import replacing
from spivae.training.run import Run, RunInfo

_WEIGHT, _MOMENT, _LOSSES = "weight.", "optimizer.", "losses"


class Way(msgspec.Struct, frozen=True):
    """How a training computes. The same way gives the same bits; another one rounds otherwise."""

    device: str
    code_path: str
    threads: int  # of each process
    processes: int

    def changes(self, before: Way) -> str:
        """In words, what another way than `before` this is; empty where it is the same."""
        names = ["device", "code_path", "processes"]
        if self.device == before.device == "cpu":  # beside a GPU, threads do nothing but make data
            names.append("threads")
        both = ((name, getattr(self, name), getattr(before, name)) for name in names)
        return "; ".join(
            f"{name.replace('_', ' ')} {now}, not {old}" for name, now, old in both if now != old
        )


class Position(msgspec.Struct, kw_only=True):
    """Where a training is. Steps, phases and epochs count from 0: what is done so far."""

    step: int = 0
    phase: int = 0
    epoch: int = 0  # epochs that are done with their validation
    step_of_epoch: int = 0
    beta: float = 0.0
    best: float | None = None  # the lowest -ELBO of a validation
    seconds: float = 0.0  # of training
    recipe: str = ""  # its fingerprint
    way: Way | None = None  # in which all this was computed last

    @property
    def lowest(self) -> float:
        return math.inf if self.best is None else self.best


def fingerprint(run: Run) -> str:
    """A number that is another one for every other recipe.toml.

    The file's own bytes are taken, because a recipe that is read has the defaults of later versions too.
    """
    return hashlib.sha256(run.recipe_path.read_bytes()).hexdigest()[:16]


def write_state(
    path: Path,
    position: Position,
    model: nn.Module,
    optimizer: torch.optim.Optimizer | None,
    losses: list[float],
) -> None:
    """Write all that `read_state` gives back, whole or not at all.

    Raises WorkFailed for a full disk: the last good state stays.
    """
    from safetensors.torch import save

    tensors = {_WEIGHT + name: value for name, value in model.state_dict().items()}
    if optimizer is not None:
        for name, weight in model.named_parameters():
            for key, value in optimizer.state.get(weight, {}).items():
                tensors[f"{_MOMENT}{key}.{name}"] = value
    tensors[_LOSSES] = torch.tensor(losses, dtype=torch.float64)
    whole = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    content = save(whole, {"spivae_state": msgspec.json.encode(position).decode()})
    path.parent.mkdir(exist_ok=True)
    with replacing(path) as handle:
        handle.write(content)


class State:
    """A state that was read: its position, and how to put the rest back."""

    def __init__(self, path: Path, position: Position, tensors: dict[str, Tensor]) -> None:
        self.path = path
        self.position = position
        self._tensors = tensors

    @property
    def losses(self) -> list[float]:
        """The losses of the epoch at work."""
        return [float(loss) for loss in self._tensors[_LOSSES]]

    def why_still_plain(self, info: RunInfo) -> str | None:
        """Why its run goes on in the plain form even where a new one takes the fast one; None if it does not.

        On another device it goes on otherwise anyway.
        """
        way = self.position.way  # a state of earlier versions has none
        path, device = (info.code_path, info.device) if way is None else (way.code_path, way.device)
        return "as it was begun" if path == "plain" and device == info.device else None

    def restore_weights(self, model: nn.Module) -> None:
        """Raises SpivaeError where they do not fit the model."""
        weights = {
            name.removeprefix(_WEIGHT): value
            for name, value in self._tensors.items()
            if name.startswith(_WEIGHT)
        }
        try:
            model.load_state_dict(weights)
        except RuntimeError as error:
            raise SpivaeError(f"{self.path}: does not fit the model ({_first_line(error)})") from None

    def restore_moments(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        """Give an optimizer of the model's parameters what it remembered; nothing at a phase's beginning."""
        moments: dict[str, dict[str, Tensor]] = {}
        for name, value in self._tensors.items():
            if name.startswith(_MOMENT):
                key, _, weight = name.removeprefix(_MOMENT).partition(".")
                moments.setdefault(weight, {})[key] = value
        names = [name for name, _ in model.named_parameters()]
        described = optimizer.state_dict()
        described["state"] = {names.index(name): kept for name, kept in moments.items()}
        optimizer.load_state_dict(described)


def read_state(run: Run) -> State | None:
    """The last state of a run; None where it has none yet.

    Raises SpivaeError where the file is damaged, or where the recipe is no longer the one that it is of.
    """
    from safetensors import SafetensorError, safe_open

    path = run.state_path
    if not path.exists():
        return None
    try:
        with safe_open(str(path), framework="pt") as file:
            described: dict[str, Any] = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  it is no mapping
        position = msgspec.json.decode(described["spivae_state"], type=Position)
    except (OSError, SafetensorError, KeyError, msgspec.DecodeError) as error:
        raise SpivaeError(
            f"{path}: damaged ({_first_line(error)}); delete it to train from the first step"
        ) from None
    if position.recipe != fingerprint(run):
        raise SpivaeError(
            f"{run.recipe_path}: has changed since {path.name} was written; put it back, or `spivae train` it"
        )
    return State(path, position, tensors)


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
