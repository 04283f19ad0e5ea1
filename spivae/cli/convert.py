"""`spivae convert`: the original's checkpoint as a native one."""

from __future__ import annotations

from pathlib import Path

import click

from spivae.cli import common
from spivae.cli.common import CheckpointType, check_out, common_options
from spivae.cli.output import emit, emit_json
from spivae.errors import SpivaeError


@click.command()
@click.argument("old", metavar="OLD", type=CheckpointType())
@click.argument("new", metavar="NEW.safetensors", type=click.Path(path_type=Path))
@common_options()
def convert(old: Path, new: Path, as_json: bool) -> None:
    """Turn a checkpoint of the original (.tar) into a native one; weights and arguments stay the same.

    An existing NEW is replaced, once all of it is written.

    --json: {path, format, process, parameters}.
    """
    if new.suffix != ".safetensors":
        raise SpivaeError(f"{new}: a native checkpoint's name ends in .safetensors")
    check_out(new)
    from spivae.checkpoint.converting import convert as converted

    written = converted(old, new, common.foreign)
    if as_json:
        keys = ("path", "format", "process", "parameters")
        emit_json({key: getattr(written, key) for key in keys})
    else:
        emit(f"{written.path}: {written.parameters:,} weights")
