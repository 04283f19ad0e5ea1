"""Recipes: all that a training is made from, as TOML in which every key has a default."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from spivae.errors import SpivaeError
from spivae.model.architectures import WAVENET_VAE, Architecture, architecture
from spivae.model.base import Arguments
from spivae.observation import check_observation

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def _at_least(table: msgspec.Struct, least: float, *fields: str) -> None:
    for field in fields:
        value = getattr(table, field)
        if not least <= value < math.inf:
            raise ValueError(f"{field}: needs at least {least}, not {value}")


def _seed(seed: int) -> None:
    if not 0 <= seed < 1 << 64:
        raise ValueError(f"seed: needs a number from 0 to {(1 << 64) - 1}, not {seed}")


class GridAxis(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Values of one parameter, from low to high."""

    low: float
    high: float
    n: int
    scale: Literal["linear", "log"] = "linear"

    def __post_init__(self) -> None:
        if self.n < 1:
            raise ValueError(f"n: needs at least 1, not {self.n}")
        for end in ("low", "high"):
            if not math.isfinite(getattr(self, end)):
                raise ValueError(f"{end}: needs a finite number, not {getattr(self, end)}")
        if not self.low <= self.high:
            raise ValueError(f"low: {self.low} is above high {self.high}")
        if self.scale == "log" and self.low <= 0:
            raise ValueError(f"low: a log scale needs more than 0, not {self.low}")


class ProcessTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str = "sbm"
    grid: dict[str, GridAxis] = {}


class DatasetTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    steps: int = 399
    trajectories: int = 99_960
    validation: float = 0.2
    fresh: bool = True
    file: str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        _at_least(self, 1, "steps", "trajectories")
        _seed(self.seed)
        if not 0 < self.validation < 1:
            raise ValueError(f"validation: needs a fraction between 0 and 1, not {self.validation}")


class ObservationTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How positions are seen (see `spivae.observation`); in a file of trajectories, how they were."""

    noise: float = 0.0
    blur: float = 0.0

    def __post_init__(self) -> None:
        try:
            check_observation(self.noise, self.blur)
        except SpivaeError as error:
            raise ValueError(str(error)) from None


class Phase(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Epochs of one learning-rate cycle, at one beta or at one that grows from a first to a second value."""

    epochs: int = 1
    beta: float | tuple[float, float] = 0.0
    lr_max: float = 1e-3

    def __post_init__(self) -> None:
        _at_least(self, 1, "epochs")
        for beta in self.betas:
            if not 0 <= beta < math.inf:
                raise ValueError(f"beta: needs at least 0, not {beta}")
        if not 0 < self.lr_max < 1:
            raise ValueError(f"lr_max: needs a number between 0 and 1, not {self.lr_max}")

    @property
    def betas(self) -> tuple[float, float]:
        """Beta at the phase's beginning and end."""
        return self.beta if isinstance(self.beta, tuple) else (self.beta, self.beta)


class TrainingTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    batch: int = 256
    clip: float = 1.0  # largest norm of the gradient; 0: no clipping
    mean_lr: float = 1.0  # learning rate of the head's means, in units of the others'
    seed: int = 0
    checkpoint_every: int = 200
    phase: tuple[Phase, ...] = (Phase(),)

    def __post_init__(self) -> None:
        _at_least(self, 1, "batch", "checkpoint_every")
        _at_least(self, 0, "clip", "mean_lr")
        _seed(self.seed)
        if not self.phase:
            raise ValueError("phase: needs at least one phase")


class Recipe(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A training, from the process to the seed. `model` holds the architecture's name and its arguments."""

    process: ProcessTable = ProcessTable()
    dataset: DatasetTable = DatasetTable()
    observation: ObservationTable = ObservationTable()
    model: dict[str, Any] = {}
    training: TrainingTable = TrainingTable()

    def __post_init__(self) -> None:
        if self.model.get("o_dim", self.dataset.steps) != self.dataset.steps:
            raise SpivaeError(
                f"recipe: model.o_dim: {self.model['o_dim']} differs from dataset.steps "
                f"({self.dataset.steps}); leave it out"
            )
        _ = self.model_args

    @property
    def architecture(self) -> Architecture:
        """The kind of model. Raises SpivaeError where no architecture has this name."""
        try:
            return architecture(str(self.model.get("architecture", WAVENET_VAE.name)))
        except SpivaeError as error:
            raise SpivaeError(f"recipe: model.architecture: {error}") from None

    @property
    def model_args(self) -> Arguments:
        """The network's arguments; `o_dim` follows dataset.steps."""
        arguments = {key: value for key, value in self.model.items() if key != "architecture"}
        try:
            return msgspec.convert({**arguments, "o_dim": self.dataset.steps}, self.architecture.arguments)
        except msgspec.ValidationError as error:
            where = _located(error, "model").replace("model.o_dim:", "dataset.steps:")  # it follows that
            raise SpivaeError(f"recipe: {where}") from None

    def shares(self, cells: int) -> tuple[int, int]:
        """Training and validation trajectories in each of so many cells; at least one of both."""
        per_cell = max(2, round(self.dataset.trajectories / cells))
        validation = min(max(1, round(self.dataset.validation * per_cell)), per_cell - 1)
        return per_cell - validation, validation

    def check_batch(self, size: int) -> None:
        """Raise SpivaeError where the batch is larger than a training set of this size."""
        batch = self.training.batch
        if batch > size:
            raise SpivaeError(
                f"recipe: training.batch: {batch} is more than the {size} training trajectories of an epoch; "
                "lower it, or raise dataset.trajectories"
            )

    @property
    def epochs(self) -> int:
        return sum(phase.epochs for phase in self.training.phase)


def parse(table: Mapping[str, Any]) -> Recipe:
    """A recipe from a table as TOML gives it. Raises SpivaeError with the path of the wrong field."""
    try:
        return msgspec.convert(dict(table), Recipe)
    except msgspec.ValidationError as error:
        raise SpivaeError(f"recipe: {_located(error)}") from None


def load(path: Path | str) -> Recipe:
    """The recipe in a TOML file. Raises SpivaeError for a missing or broken file or a wrong field."""
    return parse_text(read_text(path), str(path))


def read_text(path: Path | str) -> str:
    """The text of a recipe file. Raises SpivaeError where it cannot be read."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise SpivaeError(f"{path}: no such recipe") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SpivaeError(f"{path}: not a readable recipe ({error})") from None


def parse_text(text: str, source: str) -> Recipe:
    """The recipe in TOML text; `source` names it in errors."""
    try:
        return parse(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise SpivaeError(f"{source}: not valid TOML: {error}") from None
    except SpivaeError as error:
        raise SpivaeError(f"{source}: {error}") from None


def to_table(recipe: Recipe) -> dict[str, Any]:
    """The recipe as plain tables, without the keys that are None (TOML has no null)."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain(item) for key, item in value.items() if item is not None}
        return [plain(item) for item in value] if isinstance(value, list | tuple) else value

    return dict(plain(msgspec.to_builtins(recipe)))


def to_toml(recipe: Recipe) -> str:
    """The recipe as TOML text that `parse_text` reads back to an equal recipe."""
    import tomli_w

    return tomli_w.dumps(to_table(recipe))


def with_overrides(recipe: Recipe, overrides: Mapping[str, str]) -> Recipe:
    """The recipe with fields replaced by dotted path, values in TOML or bare words.

    `{"training.phase.1.beta": "1e-3", "process.name": "sbm"}`; a list index one past the end appends.
    """
    table = to_table(recipe)
    for path, text in overrides.items():
        _set(table, path, text)
    return parse(table)


def _set(table: dict[str, Any], path: str, text: str) -> None:
    target: Any = table
    *parents, last = path.split(".")
    for depth, key in enumerate(parents):
        target = _descend(target, key, ".".join(parents[: depth + 1]))
    if isinstance(target, list):
        index = _index(target, last, path)
        target[index : index + 1] = [read_value(text)]
    elif isinstance(target, dict):
        target[last] = read_value(text)
    else:
        raise SpivaeError(f"recipe: {path}: {parents[-1]} is a value, not a table")


def _descend(target: Any, key: str, path: str) -> Any:
    if isinstance(target, list):
        index = _index(target, key, path)
        if index == len(target):
            target.append({})
        return target[index]
    if not isinstance(target, dict):
        raise SpivaeError(f"recipe: {path}: there is no table of that name")
    return target.setdefault(key, {})


def _index(items: list[Any], key: str, path: str) -> int:
    if not key.isdecimal() or int(key) > len(items):
        raise SpivaeError(f"recipe: {path}: needs an index from 0 to {len(items)}, not {key!r}")
    return int(key)


def read_value(text: str) -> Any:
    """A value in TOML, or a bare word."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _located(error: msgspec.ValidationError, within: str = "") -> str:
    """A msgspec message as `training.phase.1.beta: what is wrong`."""
    message, _, where = str(error).partition(" - at `")
    path = re.sub(r"\[(\d+)\]", r".\1", where.rstrip("`").removeprefix("$").lstrip("."))
    path = re.sub(r"\[\.\.\.\]", "", path)
    unknown = re.fullmatch(r"Object contains unknown field `(.*)`", message)
    if unknown:
        path, message = f"{path}.{unknown[1]}", "unknown key"
    path = ".".join(part for part in (within, *path.split(".")) if part)
    # our own checks name the field first: `epochs: needs ...`
    own = re.fullmatch(r"(\w+): (.*)", message)
    if own:
        path, message = ".".join(part for part in (path, own[1]) if part), own[2]
    return f"{path}: {message}" if path else message
