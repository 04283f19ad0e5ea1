"""The recipe as a form: every field as it is typed, and back to a recipe. Nothing here draws."""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from spivae.errors import SpivaeError
from spivae.model.architectures import WAVENET_VAE, Architecture, architecture
from spivae.model.base import Arguments
from spivae.training import recipe as recipes
from spivae.training.recipe import Recipe

if TYPE_CHECKING:
    from spivae.process import Process

Kind = Literal["int", "float", "ints", "floats", "text", "bool", "choice"]


@dataclass(frozen=True)
class FormField:
    """One field: where it stands in the recipe, what it is called, and what may be typed."""

    path: str
    label: str
    kind: Kind
    help: str
    choices: tuple[str, ...] = ()
    optional: bool = False


DATA = (
    FormField("dataset.steps", "steps", "int", "displacements of a trajectory, L"),
    FormField("dataset.trajectories", "trajectories", "int", "of all cells together, rounded to whole cells"),
    FormField(
        "dataset.validation", "validation", "float", "share of the trajectories that is kept for validation"
    ),
    FormField(
        "dataset.fresh", "fresh noise", "bool", "new trajectories in every epoch, instead of a fixed set"
    ),
    FormField("dataset.seed", "data seed", "int", "of the trajectories' noise"),
    FormField(
        "dataset.file", "from file", "text", "an .npz file to train on; empty: made as it is needed", (), True
    ),
    FormField("observation.noise", "noise", "float", "standard deviation of a position's localisation error"),
    FormField(
        "observation.blur", "blur", "float", "fraction of a frame for which the shutter is open, 0 to 1"
    ),
)
TRAINING = (
    FormField("training.batch", "batch", "int", "trajectories of a step"),
    FormField("training.clip", "clip", "float", "largest norm of the gradient; 0 for no clipping"),
    FormField(
        "training.mean_lr",
        "means' rate",
        "float",
        "mean_lr: learning rate of the means over that of the rest",
    ),
    FormField("training.seed", "seed", "int", "of the weights, the order and the latent noise"),
    FormField(
        "training.checkpoint_every",
        "save every",
        "int",
        "checkpoint_every: steps between two saves of `last`",
    ),
)
PROCESS = FormField("process.name", "process", "choice", "whose trajectories the model learns")
ARCHITECTURE = FormField(
    "model.architecture", "architecture", "choice", "the kind of model, with arguments of its own"
)
AXIS = ("low", "high", "n", "scale")
PHASE = ("epochs", "beta", "lr_max")
_AXIS_KINDS: dict[str, Kind] = {"low": "float", "high": "float", "n": "int", "scale": "choice"}
_PHASE_KINDS: dict[str, Kind] = {"epochs": "int", "beta": "floats", "lr_max": "float"}
HELP = {
    "low": "the smallest value that the model is trained on",
    "high": "the largest value that the model is trained on",
    "n": "values between, evenly spaced on the scale; every combination is a cell of the training grid",
    "scale": "linear, or log where the parameter spans decades",
    "epochs": "of this phase: one cycle of the learning rate",
    "beta": "weight of the KL; 1/367 is a number too: the true weight; 1e-3, 1/367: it grows",
    "lr_max": "highest learning rate of the cycle",
}


def read(kind: Kind, typed: str) -> Any:
    """The value of what was typed. Raises ValueError with a reason."""
    typed = typed.strip()
    if kind in ("text", "choice"):
        return typed
    if kind == "bool":
        return typed == "yes"
    if not typed:
        raise ValueError("needs a value")
    if kind == "ints":
        parts = [part for part in re.split(r"[,\s\[\]()]+", typed) if part]
        if not parts or not all(re.fullmatch(r"[+-]?\d+", part) for part in parts):
            raise ValueError(f"needs whole numbers and commas, not {typed!r}")
        return [int(part) for part in parts]
    if kind == "int":
        plain = typed.replace("_", "").replace(",", "")
        if not re.fullmatch(r"[+-]?\d+", plain):
            raise ValueError(f"needs a whole number, not {typed!r}")
        return int(plain)
    if kind == "floats":
        values = [read("float", part) for part in typed.split(",")]
        return values[0] if len(values) == 1 else values
    above, slash, below = typed.partition("/")
    try:
        value = float(above) / float(below) if slash else float(above)
    except (ValueError, ZeroDivisionError):
        raise ValueError(f"needs a number (1e-3, 1/367), not {typed!r}") from None
    if not math.isfinite(value):
        raise ValueError(f"needs a finite number, not {typed!r}")
    return value


def written(value: Any) -> str:
    """A value as one would type it; `read` gives the same value back."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        return ", ".join(map(written, value))
    if isinstance(value, float):
        plain, short = f"{value:.12g}", f"{value:.0e}"
        mantissa, _, exponent = short.partition("e")
        if value and abs(value) < 0.01 and float(short) == value:
            return f"{mantissa}e{int(exponent)}"
        return plain if float(plain) == value else repr(value)
    return str(value)


def model_fields(architecture: Architecture) -> list[FormField]:
    """The arguments that a form of this architecture shows."""
    defaults = architecture.arguments()
    kinds: dict[type, Kind] = {bool: "bool", int: "int", float: "float", tuple: "ints"}
    return [
        FormField(
            f"model.{control.name}", control.label, kinds[type(getattr(defaults, control.name))], control.help
        )
        for control in architecture.controls
    ]


@dataclass(frozen=True)
class Checked:
    """What a form says right now: a recipe, or what is wrong with which field."""

    recipe: Recipe | None
    errors: Mapping[str, str]

    @property
    def first(self) -> tuple[str, str] | None:
        return next(iter(self.errors.items()), None)


@dataclass
class RecipeForm:
    """The texts of all fields by their path, as `training.phase.1.beta`; `base` keeps what has no field."""

    base: dict[str, Any] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    parameters: tuple[str, ...] = ()
    phases: int = 0
    architecture: Architecture = WAVENET_VAE

    @classmethod
    def from_recipe(cls, recipe: Recipe, process: Process | None) -> RecipeForm:
        """The form that shows a recipe; grid axes it leaves out are those of the process itself."""
        form = cls(base=recipes.to_table(recipe))
        table = recipes.to_table(recipe)
        for spec in (*DATA, *TRAINING):
            section, _, key = spec.path.partition(".")
            form.texts[spec.path] = written(table[section].get(key))
        form._set_model(recipe.architecture, recipe.model_args)
        form.texts[PROCESS.path] = recipe.process.name
        form._set_axes(process, table["process"].get("grid", {}))
        form._set_phases(table["training"]["phase"])
        return form

    def _set_model(self, architecture: Architecture, arguments: Arguments) -> None:
        for path in [path for path in self.texts if path.startswith("model.")]:
            del self.texts[path]
        self.architecture = architecture
        self.texts[ARCHITECTURE.path] = architecture.name
        for spec in self.model_fields:
            self.texts[spec.path] = written(getattr(arguments, spec.path.partition(".")[2]))

    @property
    def model_fields(self) -> list[FormField]:
        """The fields of the chosen architecture."""
        return model_fields(self.architecture)

    def choose_architecture(self, name: str) -> None:
        """Another architecture: its own arguments take the place of the old ones."""
        chosen = architecture(name)
        self.base["model"] = {"architecture": name}
        self._set_model(chosen, chosen.arguments())

    def _set_axes(self, process: Process | None, grid: Mapping[str, Mapping[str, Any]]) -> None:
        for path in [path for path in self.texts if path.startswith("process.grid.")]:
            del self.texts[path]
        axes = dict(grid)
        if process is not None:
            own = {
                p.name: {"low": p.low, "high": p.high, "n": p.points, "scale": p.scale}
                for p in process.parameters
            }
            axes = {name: dict(grid.get(name, axis)) for name, axis in own.items()}
        self.parameters = tuple(axes)
        for name, axis in axes.items():
            for key in AXIS:
                value = axis.get(key, "linear")
                self.texts[f"process.grid.{name}.{key}"] = written(
                    float(value) if key in ("low", "high") else value
                )

    def _set_phases(self, rows: Sequence[Mapping[str, Any]]) -> None:
        for path in [path for path in self.texts if path.startswith("training.phase.")]:
            del self.texts[path]
        self.phases = len(rows)
        for index, row in enumerate(rows):
            for key in PHASE:
                self.texts[f"training.phase.{index}.{key}"] = (
                    row[key] if isinstance(row[key], str) else written(row[key])
                )

    def choose_process(self, process: Process) -> None:
        """Another process: its own grid takes the place of the old one."""
        self.texts[PROCESS.path] = process.name
        self._set_axes(process, {})

    def _phase_texts(self) -> list[dict[str, str]]:
        return [{key: self.texts[f"training.phase.{i}.{key}"] for key in PHASE} for i in range(self.phases)]

    def add_phase(self, after: int) -> int:
        """A copy of a phase behind it; the index of the new one."""
        rows = self._phase_texts()
        at = min(max(0, after), len(rows) - 1)
        rows.insert(at + 1, dict(rows[at]))
        self._set_phases(rows)
        return at + 1

    def remove_phase(self, index: int) -> int:
        """Take a phase out, but never the last one; the index of the one in its place."""
        rows = self._phase_texts()
        if len(rows) > 1:
            del rows[index]
            self._set_phases(rows)
        return min(index, self.phases - 1)

    # Back to a recipe

    def fields(self) -> Iterator[tuple[str, Kind, bool]]:
        """Path, kind and whether it may be empty, of every field."""
        for spec in (PROCESS, ARCHITECTURE, *DATA, *self.model_fields, *TRAINING):
            yield spec.path, spec.kind, spec.optional
        for name in self.parameters:
            for key, kind in _AXIS_KINDS.items():
                yield f"process.grid.{name}.{key}", kind, False
        for index in range(self.phases):
            for key, kind in _PHASE_KINDS.items():
                yield f"training.phase.{index}.{key}", kind, False

    def table(self) -> tuple[dict[str, Any], dict[str, str]]:
        """The recipe's table, and the fields whose text is no value with the reason."""
        table = copy.deepcopy(self.base)
        for section in ("process", "dataset", "observation", "model", "training"):
            table.setdefault(section, {})
        table["process"]["grid"] = {name: {} for name in self.parameters}
        table["training"]["phase"] = [{} for _ in range(self.phases)]
        errors: dict[str, str] = {}
        for path, kind, optional in self.fields():
            typed = self.texts[path]
            try:
                value = None if optional and not typed.strip() else read(kind, typed)
            except ValueError as error:
                errors[path] = str(error)
                continue
            _put(table, path.split("."), value)
        return table, errors

    def check(self) -> Checked:
        """The recipe that the form makes, or its errors by field."""
        table, errors = self.table()
        errors = errors or self._axis_errors(table)
        if errors:
            return Checked(None, errors)
        try:
            recipe = recipes.parse(self._lean(table))
            if recipe.dataset.file is None:
                cells = _cells(recipe)
                recipe.check_batch(recipe.shares(cells)[0] * cells)
            return Checked(recipe, {})
        except SpivaeError as error:
            path, reason = locate(str(error), self.texts)
            return Checked(None, {path: reason})

    def _axis_errors(self, table: dict[str, Any]) -> dict[str, str]:
        """What is wrong with the grid, axis by axis: the recipe's own errors do not tell which one it is."""
        errors = {}
        for name, axis in table["process"]["grid"].items():
            try:
                recipes.parse({"process": {"grid": {name: axis}}})
            except SpivaeError as error:
                path, _, reason = str(error).removeprefix("recipe: ").partition(": ")
                errors[f"process.grid.{name}.{path.rpartition('.')[2]}"] = reason
        return errors

    def _lean(self, table: dict[str, Any]) -> dict[str, Any]:
        """Without nothings, and without arguments of the model that nobody gave and that are as always."""
        given = self.base.get("model", {})
        defaults = {"architecture": WAVENET_VAE.name, **self.architecture.arguments().as_dict()}
        table["dataset"] = {key: value for key, value in table["dataset"].items() if value is not None}
        table["model"] = {
            key: value
            for key, value in table["model"].items()
            if key in given or (tuple(value) if isinstance(value, list) else value) != defaults[key]
        }
        table["model"].pop("o_dim", None)  # it follows dataset.steps
        return table


def _put(table: Any, path: list[str], value: Any) -> None:
    *parents, last = path
    for key in parents:
        table = table[int(key)] if isinstance(table, list) else table[key]
    table[last] = value


def locate(message: str, paths: Iterable[str]) -> tuple[str, str]:
    """The field that an error of the recipe means, and the reason; "" where it is none of the form's."""
    known = set(paths)
    words = message.removeprefix("recipe: ")
    path, _, reason = words.partition(": ")
    if path in known:
        return path, reason
    if path == "model.o_dim":  # the length comes from the data
        return "dataset.steps", reason
    # one check may name several fields, as `model.nc_in, in_channels`
    return "", words


@dataclass(frozen=True)
class Summary:
    """What a recipe amounts to."""

    epochs: int
    steps: int
    batch: int
    parameters: int
    receptive_field: int
    predicted: int
    cells: int
    train: int
    validation: int

    def words(self) -> list[str]:
        """The summary in short phrases, the most important first."""
        epochs = f"{self.epochs:,} epoch{'s' if self.epochs != 1 else ''}"
        return [
            f"{epochs} = {self.steps:,} steps of {self.batch:,}",
            f"{self.parameters:,} parameters",
            f"sees {self.receptive_field} steps back",
            f"{self.cells:,} cells: {self.train:,} + {self.validation:,} trajectories",
        ]


def _cells(recipe: Recipe) -> int:
    return math.prod(axis.n for axis in recipe.process.grid.values())


def summarize(recipe: Recipe) -> Summary:
    """Steps as training counts them, and the size of the network."""
    cells = _cells(recipe)
    train, validation = (share * cells for share in recipe.shares(cells))
    arguments = recipe.model_args
    return Summary(
        epochs=recipe.epochs,
        steps=recipe.epochs * (train // recipe.training.batch),
        batch=recipe.training.batch,
        parameters=sum(math.prod(shape) for shape in recipe.architecture.shapes(arguments).values()),
        receptive_field=arguments.receptive_field,
        predicted=arguments.predicted,
        cells=cells,
        train=train,
        validation=validation,
    )
