"""Where a new training is to run, as a form: the fields as they are typed, and what they come to."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spivae.errors import SpivaeError
from spivae.slurm.options import Declared, Options, declared, merged
from spivae.training.device import AUTO, check_device
from spivae.training.launch import DEFAULT_FOLDER
from spivae.training.processes import Processes
from spivae.training.recipe import Recipe
from spivae.training.threads import check_threads
from spivae_tui.recipe_form import FormField, Kind, read, written

RUN_DIR = FormField("where.run_dir", "runs folder", "text", "where the run's own folder is made")
HERE = (
    FormField("where.nproc", "processes", "int", "processes on each machine, which share every batch"),
    FormField(
        "where.threads",
        "threads",
        "int",
        "threads of each; empty: a short probe among the free cores",
        (),
        True,
    ),
    FormField("where.device", "device", "text", "auto, cpu, cuda, or one GPU of several as cuda:1"),
)
SLURM = FormField(
    "where.slurm", "by Slurm", "bool", "hand it to the cluster as a job, or train it here, detached"
)
MACHINES = FormField("where.nnodes", "machines", "int", "machines of the job, with so many processes each")
_KINDS: dict[str, Kind] = {"text": "text", "whole": "int", "switch": "bool", "list": "text"}
_BETWEEN = "; "
_BREAK = re.compile(r""";(?=(?:[^'"]|'[^']*'|"[^"]*")*$)""")  # outside of quotes


def _option(one: Declared) -> FormField:
    """The field of an option of Slurm's; what flags repeat stands in one text."""
    help = one.help.partition("  [")[0].replace(f"--{one.name}=", "")
    help = help.replace("Can be given again.", "Several have ; between them.")
    return FormField(f"where.slurm.{one.name}", one.name, _KINDS[one.kind], help, (), True)


OPTIONS = tuple(map(_option, declared()))
_LISTS = {f"where.slurm.{one.name}" for one in declared() if one.kind == "list"}


@dataclass(frozen=True)
class Where:
    """Where a training runs: here, detached, or as a job of Slurm's."""

    folder: Path = DEFAULT_FOLDER
    processes: Processes = field(default_factory=Processes)
    threads: int | None = None
    device: str = AUTO
    slurm: Options | None = None


def offers_slurm(configured: Options) -> bool:
    """Whether jobs can be handed over: there is sbatch, or config.toml tells what to ask for."""
    return configured != Options() or shutil.which("sbatch") is not None


def run_folder(folders: Iterable[Path]) -> Path:
    """The first of these folders that holds runs, or else the usual one."""
    return next((folder for folder in folders if any(folder.glob("*/run.json"))), DEFAULT_FOLDER)


class WhereForm:
    """The texts of all fields by their path; of Slurm only with the options that it has as defaults."""

    def __init__(self, folder: Path = DEFAULT_FOLDER, slurm: Options | None = None) -> None:
        self.slurm = slurm
        self.texts = {
            RUN_DIR.path: str(folder),
            "where.nproc": "1",
            "where.threads": "",
            "where.device": AUTO,
        }
        if slurm is not None:
            self.texts |= {SLURM.path: "no", MACHINES.path: "1"}
            self.texts |= {spec.path: _typed(spec, slurm) for spec in OPTIONS}

    @property
    def fields(self) -> tuple[FormField, ...]:
        """The fields that are always there."""
        return (RUN_DIR, *HERE) if self.slurm is None else (SLURM, RUN_DIR, *HERE)

    @property
    def job_fields(self) -> tuple[FormField, ...]:
        """The fields of a job."""
        return () if self.slurm is None else (MACHINES, *OPTIONS)

    @property
    def by_slurm(self) -> bool:
        return self.texts.get(SLURM.path) == "yes"

    def words(self) -> str:
        """What is typed, in a line: `here, detached, in runs`."""
        said = ["by Slurm" if self.by_slurm else "here, detached", f"in {self.texts[RUN_DIR.path] or '?'}"]
        said += [f"{self.texts['where.nproc']} processes"] * (self.texts["where.nproc"].strip() != "1")
        said += [f"{self.texts['where.threads']} threads"] * bool(self.texts["where.threads"].strip())
        said += [self.texts["where.device"]] * (self.texts["where.device"].strip() != AUTO)
        return ", ".join(said)

    def check(self, recipe: Recipe | None) -> tuple[Where | None, dict[str, str]]:
        """What the fields come to for a recipe, or what is wrong with which field."""
        values: dict[str, Any] = {}
        errors: dict[str, str] = {}
        for spec in (*self.fields, *(self.job_fields if self.by_slurm else ())):
            typed = self.texts[spec.path].strip()
            try:
                values[spec.path] = None if spec.optional and not typed else read(spec.kind, typed)
            except ValueError as error:
                errors[spec.path] = str(error)
        if not errors and not values[RUN_DIR.path]:
            errors[RUN_DIR.path] = "needs a folder"
        if errors:
            return None, errors
        processes = Processes(values["where.nproc"], values.get(MACHINES.path), in_job=self.by_slurm)
        threads, device, options = values["where.threads"], values["where.device"], None
        try:
            check_threads(threads)
            processes.check(recipe)
            check_device(device, processes.several)
            if self.by_slurm and self.slurm is not None:
                options = merged(self.slurm, self._given(self.slurm, values))
        except SpivaeError as error:
            return None, dict([self._located(str(error))])
        return Where(Path(values[RUN_DIR.path]).expanduser(), processes, threads, device, options), {}

    def _given(self, configured: Options, values: Mapping[str, Any]) -> dict[str, Any]:
        """The options whose text is not that of the configured ones, which may hold what cannot be typed."""
        given = {}
        for spec in OPTIONS:
            if self.texts[spec.path].strip() != _typed(spec, configured):
                value = values[spec.path]
                given[_name(spec)] = _items(value or "") if spec.path in _LISTS else value
        return given

    def _located(self, message: str) -> tuple[str, str]:
        """The field that an error means, which begins with its flag, and the reason."""
        flag, _, reason = message.removeprefix("--").partition(": ")
        paths = (path for path in (f"where.{flag}", f"where.slurm.{flag}") if path in self.texts)
        return next(paths, RUN_DIR.path), reason


def _name(spec: FormField) -> str:
    return spec.path.rpartition(".")[2]


def _typed(spec: FormField, options: Options) -> str:
    """An option as one would type it."""
    value = getattr(options, _name(spec))
    return _BETWEEN.join(value) if spec.path in _LISTS else written(value)


def _items(typed: str) -> tuple[str, ...]:
    """The lines that a text holds."""
    return tuple(part for part in map(str.strip, _BREAK.split(typed)) if part)
