"""`spivae inspect`: what a checkpoint's header says, read without torch or numpy."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from spivae import wording
from spivae.cli import common
from spivae.cli.common import checkpoint_argument, common_options
from spivae.cli.output import emit, emit_json, paint, width
from spivae.cli.table import Column, pairs, table, wrap

if TYPE_CHECKING:
    from spivae.checkpoint.structs import Checkpoint


@click.command()
@checkpoint_argument
@common_options()
def inspect(checkpoint: Path, as_json: bool) -> None:
    """Show what a checkpoint holds: arguments, tensors, receptive field, metrics.

    CKPT is a path (with or without its suffix), a run, or the name of a shipped model. Only the file's header
    is read.

    --json: {path, format ("spivae" | "original"), process, architecture, model_args, ds_args, parameters,
    receptive_field, tensors [{name, shape, dtype}], metrics, recipe, history, versions, computed
    {device, code_path, threads, processes}, created}.
    """
    from spivae.checkpoint.reading import read_header
    from spivae.model.architectures import known

    found = read_header(checkpoint, common.foreign)
    if found.architecture not in known():
        common.plugins()  # one of them may know it, and so more of what the file holds
        found = read_header(checkpoint, common.foreign)
    if as_json:
        emit_json(document(found))
    else:
        report(found)


def document(checkpoint: Checkpoint) -> dict[str, Any]:
    """The keys of `spivae inspect --json`."""
    return {
        "path": checkpoint.path,
        "format": checkpoint.format,
        "process": checkpoint.process,
        "architecture": checkpoint.architecture,
        "model_args": checkpoint.model_args,
        "ds_args": checkpoint.ds_args,
        "parameters": checkpoint.parameters,
        "receptive_field": checkpoint.receptive_field,
        "tensors": checkpoint.tensors,
        "metrics": checkpoint.metrics,
        "recipe": checkpoint.recipe,
        "history": checkpoint.history,
        "versions": checkpoint.versions,
        "computed": checkpoint.computed,
        "created": checkpoint.created,
    }


def report(checkpoint: Checkpoint, tensors: bool = True) -> None:
    """Print a checkpoint for people; without its list of tensors where they are not wanted."""
    emit(paint(checkpoint.path, "heading"))
    emit()
    for line in pairs(_summary(checkpoint), indent=2):
        emit(line)
    metrics = checkpoint.metrics
    if metrics.get("kl_latents"):
        _heading("Latents", "KL in nats, the validation's mean")
        for line in _latents(metrics["kl_latents"], metrics.get("surviving") or []):
            emit(line)
    for title, mapping in (
        ("Model arguments", checkpoint.model_args),
        ("Data arguments", checkpoint.ds_args),
    ):
        if mapping:
            _heading(title)
            _flow([(str(name), wording.short(value)) for name, value in mapping.items()])
    if tensors:
        _heading("Tensors", f"{len(checkpoint.tensors)}, {checkpoint.parameters:,} numbers")
        columns = (Column("name"), Column("shape"), Column("numbers", right=True), Column("type"))
        rows = [
            (
                tensor.name,
                " × ".join(map(str, tensor.shape)) or "scalar",
                f"{tensor.size:,}",
                tensor.dtype,
            )
            for tensor in checkpoint.tensors
        ]
        for line in table(columns, rows, indent=2):
            emit(line)


def _heading(title: str, remark: str = "") -> None:
    emit()
    emit(paint(title, "heading") + (paint(f"  {remark}", "muted") if remark else ""))


def _summary(checkpoint: Checkpoint) -> list[tuple[str, str]]:
    metrics, versions = checkpoint.metrics, checkpoint.versions
    made = [f"spivae {versions['spivae']}"] if versions.get("spivae") else []
    made += [f"torch {versions['torch']}"] if versions.get("torch") else []
    origin = f"the original's file{', saved' if made else ''}" if checkpoint.format == "original" else ""
    format_line = origin or f"{checkpoint.format}, made"
    format_line += f" {checkpoint.created[:10]}" if checkpoint.created else ""
    format_line += f" with {', '.join(made)}" if made else ""
    items = [
        ("process", checkpoint.process or "not said"),
        ("architecture", f"{checkpoint.architecture}, {checkpoint.parameters:,} weights"),
        ("receptive field", f"{checkpoint.receptive_field} displacements"),
        ("format", format_line.removesuffix(", made")),
    ]
    steps = predicted_steps(checkpoint)
    figures = [
        f"{label} {text}"
        for label, key, text in (
            ("-ELBO", "neg_elbo", wording.fixed(metrics.get("neg_elbo"))),
            ("NLL", "nll", wording.fixed(metrics.get("nll"))),
        )
        if metrics.get(key) is not None
    ]
    if figures:
        items.append(("validation", " · ".join(figures) + " nats per step"))
    if metrics.get("kl") is not None:
        items.append(("KL", f"{wording.nats(metrics['kl'])} nats"))
    beta = checkpoint.beta
    if beta is not None:
        units = f" = {beta * steps:.3g} / {steps} (the ELBO has 1 / {steps})" if steps else ""
        items.append(("beta", wording.power(beta) + units))
    if metrics.get("epoch") is not None:
        items.append(("trained", f"{metrics['epoch']:g} epochs, {metrics.get('step', 0):,} steps"))
    return items


def predicted_steps(checkpoint: Checkpoint) -> int | None:
    """How many steps of a trajectory the loss averages over, where the architecture says."""
    from spivae.model.architectures import known

    return checkpoint.arguments.predicted if checkpoint.architecture in known() else None


def _latents(kl: list[float], surviving: list[int]) -> list[str]:
    largest = max(max(kl), 1e-12)
    return [
        f"  z{index:<3} {wording.nats(value):>7}  "
        + paint(wording.bar(value / largest, 30), "accent" if index in surviving else "muted")
        for index, value in enumerate(kl)
    ]


def _flow(items: list[tuple[str, str]]) -> None:
    """Names and values side by side in as many columns as fit; long ones on lines of their own."""
    room = (width() or 100) - 2
    short = [(name, value) for name, value in items if len(value) <= 12]
    cell = max((len(name) for name, _ in short), default=0)
    value_width = max((len(value) for _, value in short), default=0)
    across = max(1, (room + 3) // (cell + value_width + 5))
    down = -(-len(short) // across)
    for row in range(down):
        parts = []
        for name, value in short[row::down]:
            label = paint(name, "muted") + " " * (cell - len(name))
            parts.append(f"{label}  {value:<{value_width}}")
        emit("  " + "   ".join(parts).rstrip())
    for name, value in items:
        if len(value) > 12:
            lines = wrap(value, max(20, room - max(cell, len(name)) - 2))
            emit(f"  {paint(name, 'muted')}{' ' * (cell - len(name))}  {lines[0]}")
            for line in lines[1:]:
                emit("  " + " " * (max(cell, len(name)) + 2) + line)
