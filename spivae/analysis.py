"""Analyses: what can be asked of a model, with options declared once for flags, controls and help."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, TypeVar

import numpy as np
import numpy.typing as npt

from spivae.capacity import check_capacity
from spivae.errors import SpivaeError
from spivae.figure.spec import Figure

if typing.TYPE_CHECKING:
    from spivae.checkpoint import Checkpoint
    from spivae.dataset import Dataset, Grid
    from spivae.model.vae import WaveNetVAE
    from spivae.prediction import Predictions
    from spivae.process import Process

Array = npt.NDArray[Any]
Need = Literal["predictions", "dataset", "model"]
Value = TypeVar("Value")
WHOLE = 8_000_000  # displacements (32 MB) of a cell that still comes as one part
_FEWER = "fewer of them (n), or shorter ones (length)"


def option(
    default: Any,
    help: str,
    *,
    choices: Sequence[str] = (),
    low: float | None = None,
    high: float | None = None,
) -> Any:
    """A field of an options dataclass: its default, what it does, and what it allows."""
    return field(
        default=default, metadata={"help": help, "choices": tuple(choices), "low": low, "high": high}
    )


@dataclass(frozen=True)
class Option:
    """One declared option, as the command line and the app read it. `kind` is bool, int, float or str."""

    name: str
    kind: type
    default: Any
    help: str
    choices: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    optional: bool = False

    def parse(self, value: object) -> Any:
        """The value as this option's type. Raises SpivaeError that names the option and what it allows."""
        if value is None or (self.optional and value == ""):
            if self.optional:
                return None
            raise SpivaeError(f"option {self.name}: needs a value")
        if self.kind is bool and isinstance(value, str):
            if value.lower() not in _BOOLEANS:
                raise SpivaeError(f"option {self.name}: {value!r} is not yes or no")
            return _BOOLEANS[value.lower()]
        try:
            parsed = self.kind(value)
        except (TypeError, ValueError, OverflowError):
            raise SpivaeError(f"option {self.name}: {value!r} is no {self.kind.__name__}") from None
        # int() cuts 3.7 to 3, and every comparison with NaN is false
        if parsed != parsed or (self.kind is int and isinstance(value, float) and parsed != value):
            raise SpivaeError(f"option {self.name}: {value!r} is no {self.kind.__name__}")
        if self.choices and parsed not in self.choices:
            raise SpivaeError(f"option {self.name}: {value!r} is none of {', '.join(self.choices)}")
        if (self.low is not None and parsed < self.low) or (self.high is not None and parsed > self.high):
            raise SpivaeError(f"option {self.name}: {value} is outside {self.low}..{self.high}")
        return parsed


_BOOLEANS = {
    "yes": True,
    "true": True,
    "on": True,
    "1": True,
    "no": False,
    "false": False,
    "off": False,
    "0": False,
}


@dataclass(frozen=True)
class NoOptions:
    """For an analysis without options."""


def declared_options(options: type) -> tuple[Option, ...]:
    """The options that a dataclass declares, in order."""
    hints = typing.get_type_hints(options)
    found = []
    for item in dataclasses.fields(options):
        kind, optional = hints[item.name], False
        if isinstance(kind, types.UnionType):
            kind, optional = next(part for part in kind.__args__ if part is not type(None)), True
        details = {"help": "", **item.metadata}
        found.append(Option(name=item.name, kind=kind, default=item.default, optional=optional, **details))
    return tuple(found)


def parse_options(options: type, given: Mapping[str, object]) -> Any:
    """An instance of the options dataclass from raw values. Raises SpivaeError for unknown or bad ones."""
    declared = {item.name: item for item in declared_options(options)}
    for name in given:
        if name not in declared:
            known = ", ".join(declared) or "no options"
            raise SpivaeError(f"option {name}: unknown; this analysis has {known}")
    return options(**{name: declared[name].parse(value) for name, value in given.items()})


@dataclass(frozen=True)
class DataOptions:
    """Which trajectories an analysis looks at; shared by all analyses."""

    per_cell: int = option(20, "trajectories in each cell of the grid", low=1, high=10_000)
    grid: str = option(
        "training", "the training grid, or the wider test grid of the seed", choices=("training", "test")
    )
    subset: str | None = option(None, "part of the grid, such as alpha=0.2..1, D=1e-3")
    seed: int = option(12345, "seed of the test trajectories", low=0)
    file: str | None = option(None, "a dataset in the .npz layout, instead of fresh trajectories")


def data_options(needs: Sequence[Need]) -> tuple[Option, ...]:
    """Those of DataOptions that matter to an analysis with these needs.

    One of the model alone has no use for those that make trajectories; one without needs, for none.
    """
    found = declared_options(DataOptions)
    if {"dataset", "predictions"}.intersection(needs):
        return found
    return tuple(item for item in found if needs and item.name in ("grid", "subset", "seed"))


class Context:
    """All that an analysis may look at.

    `dataset`, `predictions` and `model` are there where the analysis lists them in its `needs`; looking at
    another one raises SpivaeError.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        process: Process,
        dataset: Dataset | None = None,
        predictions: Predictions | None = None,
        options: Any = None,
        *,
        model: WaveNetVAE | None = None,
        data: DataOptions | None = None,
        progress: Callable[[int, int, str], None] = lambda done, total, what: None,
    ) -> None:
        self.checkpoint = checkpoint
        self.process = process
        self.options = options
        self.data = data or DataOptions()
        self.progress = progress
        self._dataset = dataset
        self._predictions = predictions
        self._model = model

    @property
    def dataset(self) -> Dataset:
        """The trajectories that `data` asks for."""
        return _asked_for("dataset", self._dataset)

    @property
    def predictions(self) -> Predictions:
        """What the model says of them, at z = mu."""
        return _asked_for("predictions", self._predictions)

    @property
    def model(self) -> WaveNetVAE:
        """The model, ready to compute."""
        return _asked_for("model", self._model)

    def rng(self, stream: int = 0) -> np.random.Generator:
        """Random numbers of the seed in `data`, other ones than the trajectories were made of."""
        return np.random.default_rng([self.data.seed, stream + 1])

    @property
    def grid(self) -> Grid:
        """The grid that `data` asks for, or the subset of it; a file of trajectories has no say in it."""
        from spivae.grids import chosen_grid
        from spivae.subgrid import Subgrid

        subset = Subgrid.parse(self.data.subset or "", self.process.names)
        return chosen_grid(self.process, self.checkpoint.ds_args, self.data.grid, subset)

    @property
    def begins_at(self) -> int:
        """The time of the process at which the first displacement that the model generates begins."""
        from spivae.generation import begins_at

        return begins_at(self.model)

    def encode(self, displacements: Array) -> tuple[Array, Array]:
        """Latents mu and log-variances (n, Z) of displacements (n, L)."""
        from spivae.generation import encode

        return encode(self.model, displacements)

    def generate(self, z: Array, length: int, rng: np.random.Generator) -> Array:
        """Displacements (n, length) that the model makes of latents z (n, Z).

        The first one begins at `begins_at`, a time past what the model needs to see. Raises SpivaeError for
        more of them than memory allows.
        """
        check_capacity(len(z), length, 2, "trajectories", _FEWER)
        import torch

        from spivae.generation import generate

        generator = torch.Generator().manual_seed(int(rng.integers(2**63)))
        return generate(self.model, z, length, generator, self._generating)

    def generate_like(
        self, theta: Array, length: int, rng: np.random.Generator
    ) -> Iterator[tuple[slice, Array]]:
        """Rows of theta (n, p), in parts, with displacements (rows, length) that the model makes like theirs.

        Each comes from the latents of a fresh trajectory of the process with those parameters.
        """
        from spivae.generation import generate_like

        return generate_like(self.model, self.process, theta, length, rng, self._generating)

    def generate_cells(
        self, cells: Array, per_cell: int, length: int, rng: np.random.Generator
    ) -> Iterator[Array]:
        """For each row of cells (k, p) displacements (per_cell, length), as `generate_like` makes them.

        Raises SpivaeError for more of them than memory allows: `generate_in_parts` takes any number.
        """
        check_capacity(per_cell, length, 2, "trajectories", _FEWER)
        from spivae.generation import generate_cells

        return generate_cells(self.model, self.process, cells, per_cell, length, rng, self._generating)

    def generate_in_parts(
        self, cells: Array, per_cell: int, length: int, rng: np.random.Generator
    ) -> Iterator[Iterable[Array]]:
        """For each row of cells (k, p) what `generate_cells` makes of it, in parts (rows, length).

        Any number of trajectories is thus looked at in bounded memory: go through a cell's parts before the
        next cell.
        """
        if per_cell * length <= WHOLE:
            for displacements in self.generate_cells(cells, per_cell, length, rng):
                yield (displacements,)
            return
        from spivae.generation import generate_like

        for number, cell in enumerate(cells):

            def advance(done: int, total: int, number: int = number) -> None:
                self._generating(number * total + done, len(cells) * total)

            theta = np.repeat(cell[None], per_cell, axis=0)
            made = generate_like(self.model, self.process, theta, length, rng, advance)
            yield (displacements for _, displacements in made)

    def _generating(self, done: int, total: int) -> None:
        self.progress(done, total, "generating")


def _asked_for(name: str, value: Value | None) -> Value:
    if value is None:
        raise SpivaeError(f"this analysis does not list {name!r} in its needs")
    return value


@dataclass(frozen=True)
class Result:
    """What an analysis found: named arrays and scalars (numbers, strings, lists of them)."""

    arrays: Mapping[str, Array] = field(default_factory=dict)
    scalars: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Scalars and arrays as plain Python values; NaN and infinity become None."""
        return {"scalars": _plain(dict(self.scalars)), "arrays": _plain(dict(self.arrays))}


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value


class Analysis:
    """A question to a model: `compute` answers in numbers, `figure` draws them.

    A subclass names itself, declares its options as a frozen dataclass of `option` fields, and never changes
    what it is given. `compute` is called in a process that holds the model; `figure` sees the result alone.
    `needs` says what is prepared for it: "predictions" (and with them the dataset), "dataset", "model", any
    of them or none, where the checkpoint's header is enough. `order` is its place in lists, low ones first.
    An answer is kept and shown again while checkpoint, options, data and source code are the same: set
    `remembered` to False where it depends on anything else, such as other files or the time.
    """

    name: ClassVar[str] = ""
    title: ClassVar[str] = ""
    options: ClassVar[type] = NoOptions
    needs: ClassVar[tuple[Need, ...]] = ("predictions",)
    order: ClassVar[int] = 100
    remembered: ClassVar[bool] = True

    def compute(self, context: Context) -> Result:
        """What was found, in numbers. Raises SpivaeError for what the options or the model do not allow."""
        raise NotImplementedError(f"{type(self).__name__} does not implement compute")

    def figure(self, result: Result) -> Figure:
        """What was found, drawn: panels of marks, or none and a caption that says why."""
        raise NotImplementedError(f"{type(self).__name__} does not implement figure")
