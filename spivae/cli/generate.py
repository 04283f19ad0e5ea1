"""`spivae generate`: new trajectories from a model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from spivae import wording
from spivae.cli import common
from spivae.cli.common import (
    ProcessType,
    assignments,
    check_out,
    checkpoint_argument,
    common_options,
    number,
    out_option,
)
from spivae.cli.output import emit, emit_json, note
from spivae.cli.progress import progress_bar
from spivae.cli.table import pairs
from spivae.errors import SpivaeError

if TYPE_CHECKING:
    from spivae.checkpoint import Checkpoint
    from spivae.process import Process


@click.command()
@checkpoint_argument
@click.option("--process", type=ProcessType(), help="Whose trajectories are encoded  [default: the model's]")
@click.option(
    "--set", "parameters", multiple=True, metavar="NAME=V", help="A parameter of the process; all are needed."
)
@click.option(
    "--latent", "latents", multiple=True, metavar="I=V", help="The value of a latent; the others are 0."
)
@click.option(
    "-n",
    "--trajectories",
    "n",
    type=click.IntRange(1),
    default=100,
    show_default=True,
    metavar="N",
    help="How many.",
)
@click.option("--length", type=click.IntRange(1), metavar="T", help="Displacements  [default: the model's]")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, metavar="N")
@out_option
@common_options()
def generate(
    checkpoint: Path,
    process: str | None,
    parameters: tuple[str, ...],
    latents: tuple[str, ...],
    n: int,
    length: int | None,
    seed: int,
    out: Path,
    as_json: bool,
) -> None:
    """Generate trajectories, of any length, from parameters or from latents.

    With --set, each comes from the latents of one fresh trajectory with those parameters; with --latent, from
    the latents given. F.npz gets displacements (N, T), names, and theta (N, p) or z (N, Z). The model's first
    displacement is that of time R + 2, where R is its receptive field.

    --json: {out, checkpoint, process, trajectories, length, seed, parameters | latents {name: value}}.
    """
    from spivae.checkpoint.reading import read_header

    header = read_header(checkpoint, common.foreign)
    args = header.arguments
    length = length or args.o_dim
    check_out(out)
    if parameters and latents:
        raise SpivaeError("--set and --latent: give one of them")
    if not parameters and not latents and args.latents:
        raise SpivaeError(
            "generate from what? Give parameters by --set NAME=VALUE, or latents by --latent I=V"
        )
    if args.latents == 0 and (parameters or latents):
        raise SpivaeError(f"{checkpoint}: has no latents, so leave --set and --latent out")
    point = None
    chosen: dict[str, float]
    if parameters:
        point = _process(header, process)
        chosen = _parameters(point, parameters)
    else:
        chosen = _latents(args.latents, latents)

    import zipfile

    import numpy as np
    import torch

    from spivae.checkpoint.load import load_checkpoint
    from spivae.files import replacing
    from spivae.generation import encode_parameters, generate_in_parts
    from spivae.npz import put, put_rows

    rows = np.broadcast_to(np.array(list(chosen.values()), dtype=float), (n, len(chosen)))
    with progress_bar() as progress:
        progress(0, 1, "loading the model")
        _, model = load_checkpoint(checkpoint, foreign=common.foreign)
        z = rows
        if point is not None:
            with np.errstate(all="ignore"):  # what overflows is told below
                z = encode_parameters(model, point, rows, np.random.default_rng(seed))
            if not np.isfinite(z).all():
                raise SpivaeError(
                    f"process {point.name}: makes no trajectories that a model can encode there"
                )
        parts = generate_in_parts(
            model,
            z,
            length,
            torch.Generator().manual_seed(seed),
            lambda done, total: progress(done, total, "generating"),
        )
        with replacing(out) as handle, zipfile.ZipFile(handle, "w") as archive:
            put_rows(archive, "displacements", (n, length), np.float32, (made for _, made in parts))
            put(archive, "names", np.array(list(chosen), dtype=str))
            put(archive, "z" if point is None else "theta", rows)
    if as_json:
        answer: dict[str, Any] = {
            "out": out,
            "checkpoint": checkpoint,
            "process": None if point is None else point.name,
            "trajectories": n,
            "length": length,
            "seed": seed,
        }
        emit_json({**answer, "latents" if point is None else "parameters": chosen})
        return
    count = wording.plural(n, "trajectory", "trajectories")
    emit(f"{out}: {count} of {wording.plural(length, 'displacement')}")
    lines = [(name, wording.short(value)) for name, value in chosen.items()]
    for line in pairs(lines, indent=2):
        emit(line)


def _process(header: Checkpoint, name: str | None) -> Process:
    from spivae.cli.evaluate import checkpoint_process

    return checkpoint_process(header, common.plugins(), name)


def _parameters(process: Process, texts: tuple[str, ...]) -> dict[str, float]:
    """One value for each parameter, in the process's order; those outside the training range are noted."""
    texts_by_name = assignments(texts, "--set")
    for name in texts_by_name:
        if name not in process.names:
            raise SpivaeError(
                f"--set {name}: no parameter of process {process.name}; it has {', '.join(process.names)}"
            )
    missing = [name for name in process.names if name not in texts_by_name]
    if missing:
        raise SpivaeError(f"--set: process {process.name} also needs {', '.join(missing)}")
    found = {}
    for parameter in process.parameters:
        value = number(texts_by_name[parameter.name], f"--set {parameter.name}")
        if not parameter.low <= value <= parameter.high:
            note(
                f"note: {parameter.name} = {value:g} is outside {parameter.low:g}..{parameter.high:g}, "
                "where models are trained"
            )
        found[parameter.name] = value
    return found


def _latents(count: int, texts: tuple[str, ...]) -> dict[str, float]:
    """A value for every latent, by its name."""
    found = {f"z{index}": 0.0 for index in range(count)}
    for index, text in assignments(texts, "--latent").items():
        name = f"z{index.removeprefix('z')}"
        if name not in found:
            raise SpivaeError(f"--latent {index}: this model has latents 0..{count - 1}")
        found[name] = number(text, f"--latent {index}")
    return found
