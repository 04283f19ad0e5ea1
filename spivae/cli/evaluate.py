"""`spivae evaluate`: how good a checkpoint is on trajectories that it has never seen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from spivae.cli import common, wording
from spivae.cli.common import ProcessType, checkpoint_argument, common_options
from spivae.cli.output import Styled, emit, emit_json, paint
from spivae.cli.progress import progress_bar
from spivae.cli.table import Column, pairs, table
from spivae.errors import SpivaeError

if TYPE_CHECKING:
    from spivae.checkpoint import Checkpoint
    from spivae.evaluation import Evaluation
    from spivae.plugins import Plugins
    from spivae.process import Process

# what a process has no limit for, or what is not worked out yet
_NULL = (
    "entropy",
    "information",
    "floor",
    "gap_nats",
    "parameters",
    "worst_cell_nats",
    "generation",
)


@click.command()
@checkpoint_argument
@click.option("--process", type=ProcessType(), help="Another process than the one it was trained on.")
@click.option(
    "-n",
    "--trajectories",
    "n",
    type=click.IntRange(1),
    default=20_000,
    show_default=True,
    metavar="N",
    help="How many; rounded up to whole cells of the training grid.",
)
@click.option("--seed", type=click.IntRange(0), default=12345, show_default=True, metavar="N")
@common_options()
def evaluate(checkpoint: Path, process: str | None, n: int, seed: int, as_json: bool) -> None:
    """Judge a checkpoint on fresh trajectories of its training grid.

    The NLL is averaged over z ~ q(z|x); -ELBO = NLL + KL / (predicted steps) is the figure to compare models
    by, lower is better.

    --json: {checkpoint, process, n, seed, nll, kl, neg_elbo, neg_elbo_se, entropy, information, floor,
    gap_nats, surviving [int], latents [{index, kl, var_mu, mean_logvar, expression, r2}], parameters,
    worst_cell_nats, generation}; nll, neg_elbo and its standard error are nats per step, kl nats per
    trajectory. What is not known is null.
    """
    plugins = common.plugins()
    from spivae.checkpoint.reading import read_header

    header = read_header(checkpoint, common.foreign)
    judged = checkpoint_process(header, plugins, process)

    from spivae.checkpoint.load import load_checkpoint
    from spivae.dataset import Grid
    from spivae.evaluation import evaluate as evaluated
    from spivae.grids import training_grid

    same = judged.name == header.process
    grid = training_grid(judged, header.ds_args) if same else Grid.of(judged)
    with progress_bar() as progress:
        progress(0, 1, "loading the model")
        _, model = load_checkpoint(checkpoint, foreign=common.foreign)
        found = evaluated(
            model, judged, grid, n, seed, lambda done, total: progress(done, total, "evaluating")
        )
    if as_json:
        emit_json(document(found, str(checkpoint), judged.name))
    else:
        _report(found, str(checkpoint), judged, model.args.predicted)


def checkpoint_process(header: Checkpoint, plugins: Plugins, name: str | None) -> Process:
    """The process of this name, or the one a checkpoint was trained on. Raises SpivaeError for neither."""
    if name is None and not header.process:
        raise SpivaeError(f"{header.path}: does not say its process; pass --process")
    return plugins.process(name or header.process)


def document(found: Evaluation, checkpoint: str, process: str) -> dict[str, Any]:
    """The keys of `spivae evaluate --json`."""
    answer = {"checkpoint": checkpoint, "process": process, **found.to_json()}
    answer["latents"] = [{"expression": None, "r2": None, **latent} for latent in answer["latents"]]
    return dict.fromkeys(_NULL) | answer


def _report(found: Evaluation, checkpoint: str, process: Process, steps: int) -> None:
    emit(
        paint(checkpoint, "heading")
        + paint(f"  {found.bound.n:,} fresh trajectories of {process.title}", "muted")
    )
    emit()
    bound = found.bound
    error = bound.neg_elbo.error
    spread = f" ± {error:.4f}" if error == error else ""
    items = [
        ("-ELBO", f"{wording.fixed(bound.neg_elbo.value)}{spread} nats per step"),
        ("NLL", f"{wording.fixed(bound.nll.value)} nats per step"),
    ]
    if len(bound.kl_latents):
        items.append(
            (
                "KL",
                f"{wording.nats(float(bound.kl_latents.sum()))} nats per trajectory, {steps} predicted steps",
            )
        )
        items.append(("surviving", f"{len(found.surviving)} of {len(bound.kl_latents)} latents"))
    for line in pairs(items, indent=2):
        emit(line)
    if not len(bound.kl_latents):
        return
    emit()
    columns = (
        Column("latent"),
        Column("KL", right=True),
        Column("Var(mu)", right=True),
        Column("mean ln var", right=True),
    )
    figures = zip(bound.kl_latents, bound.mu.var(0), bound.logvar.mean(0), strict=True)
    rows = [
        (
            Styled(f"z{index}", "accent" if index in found.surviving else "muted"),
            wording.nats(kl),
            f"{var_mu:.4f}",
            f"{logvar:.4f}",
        )
        for index, (kl, var_mu, logvar) in enumerate(figures)
    ]
    for line in table(columns, rows, indent=2):
        emit(line)
