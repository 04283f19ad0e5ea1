"""What is asked of Slurm: declared once, here, for flags, keys of config.toml and lines of a job script."""

from __future__ import annotations

import re
import typing
from collections.abc import Iterator, Mapping
from typing import Annotated, Literal, NamedTuple

import msgspec
from msgspec import Meta

from spivae.errors import SpivaeError


def _declared(help: str, metavar: str = "", sbatch: str = "", pattern: str | None = None) -> Meta:
    """What is said of a field; `sbatch` is the option of sbatch that it becomes."""
    return Meta(description=help, pattern=pattern, extra={"metavar": metavar, "sbatch": sbatch})


_LINE = r"^[^\r\n\0]+$"


class Options(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a job asks for; None leaves it to the cluster."""

    partition: Annotated[str, _declared("Partition: which queue.", "NAME", "partition", _LINE)] | None = None
    account: Annotated[str, _declared("Account that pays.", "NAME", "account", _LINE)] | None = None
    qos: Annotated[str, _declared("Quality of service.", "NAME", "qos", _LINE)] | None = None
    time: (
        Annotated[
            str,
            _declared(
                "Limit of a job's time: 90 (minutes), 12:00:00 or 2-00:00:00.",
                "T",
                "time",
                r"^(\d+-\d+(:\d+){0,2}|\d+(:\d+){0,2}|UNLIMITED|INFINITE)$",
            ),
        ]
        | None
    ) = None
    cpus: (
        Annotated[
            int,
            Meta(
                ge=1,
                description="Cores of each training, on each machine  [default: --nproc times --threads]",
                extra={"metavar": "N", "sbatch": "cpus-per-task"},
            ),
        ]
        | None
    ) = None
    gpus: (
        Annotated[str, _declared("GPUs on each machine: 1, or a100:1.", "N", "gpus", r"^([\w.-]+:)?\d+$")]
        | None
    ) = None
    memory: (
        Annotated[str, _declared("Memory on each machine, as 8G.", "SIZE", "mem", r"^\d+[KMGT]?$")] | None
    ) = None
    requeue: Annotated[
        bool,
        _declared("Save, queue again and go on where the time is up or the job is preempted; or end there."),
    ] = True
    setup: Annotated[
        tuple[Annotated[str, Meta(pattern=_LINE)], ...],
        _declared("A line of shell before the training, as 'module load cuda'. Can be given again.", "LINE"),
    ] = ()
    sbatch: Annotated[
        tuple[Annotated[str, Meta(pattern=r"^-[^\r\n\0]+$")], ...],
        _declared("Any other option of sbatch, as --sbatch=--constraint=a100. Can be given again.", "OPTION"),
    ] = ()


class Declared(NamedTuple):
    """One option, as commands and the job script need to know it."""

    name: str
    kind: Literal["text", "whole", "switch", "list"]
    help: str
    metavar: str
    sbatch: str


_KINDS: dict[object, Literal["text", "whole", "switch", "list"]] = {
    str: "text",
    int: "whole",
    bool: "switch",
}


def declared() -> Iterator[Declared]:
    """The fields of Options, in order."""
    for name, hint in typing.get_type_hints(Options, include_extras=True).items():
        parts = [hint, *typing.get_args(hint)]  # of `Annotated[...] | None`, the first
        kind, meta = next(typing.get_args(part) for part in parts if typing.get_origin(part) is Annotated)
        extra = meta.extra
        yield Declared(
            name,
            _KINDS.get(kind, "list"),
            meta.description,
            extra.get("metavar", ""),
            extra.get("sbatch", ""),
        )


def read(table: object, where: str) -> Options:
    """The options in a table of values. Raises SpivaeError that says what is wrong, and where."""
    if not isinstance(table, dict):
        raise SpivaeError(f"{where}: needs a table")
    # a number is as good as its digits: time = 90, gpus = 1
    texts = {one.name for one in declared() if one.kind == "text"}
    values = {
        name: str(value) if name in texts and type(value) is int else value for name, value in table.items()
    }
    return _checked(values, f"{where}.")


def merged(options: Options, given: Mapping[str, object]) -> Options:
    """The options with those that were `given` in their place. Raises SpivaeError for a wrong one."""
    return _checked(msgspec.structs.asdict(options) | dict(given), "--")


def _checked(values: dict[str, object], prefix: str) -> Options:
    fields = {one.name: one for one in declared()}
    for name in values:
        if name not in fields:
            raise SpivaeError(f"{prefix}{name}: no such option; there are {', '.join(fields)}")
    try:
        return msgspec.convert(values, Options)
    except msgspec.ValidationError as error:
        name = re.split(r"\W", str(error).partition("`$.")[2])[0]
        wanted = fields[name].help.partition("  [")[0]
        raise SpivaeError(f"{prefix}{name}: {values[name]!r} is not what it takes ({wanted})") from None
