"""`spivae evaluate`: how good a checkpoint is on trajectories that it has never seen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from spivae.cli import common
from spivae.cli.common import ProcessType, checkpoint_argument, common_options
from spivae.cli.output import emit_json
from spivae.cli.progress import progress_bar
from spivae.errors import SpivaeError

if TYPE_CHECKING:
    from spivae.checkpoint import Checkpoint
    from spivae.plugins import Plugins
    from spivae.process import Process


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
@click.option(
    "--generated",
    type=click.IntRange(2),
    default=200,
    show_default=True,
    metavar="N",
    help="Trajectories generated in each cell of the alphas and four D.",
)
@click.option("--seed", type=click.IntRange(0), default=12345, show_default=True, metavar="N")
@common_options()
def evaluate(checkpoint: Path, process: str | None, n: int, generated: int, seed: int, as_json: bool) -> None:
    """Judge a checkpoint on fresh trajectories of its training grid, and against the best that is possible.

    The NLL is averaged over z ~ q(z|x); -ELBO = NLL + KL / (predicted steps) is the figure to compare models
    by, lower is better. What the process has no exact limit for stays open. What latents encode, and how
    accurate they are, is judged on at most 100,000 trajectories.

    --json: {checkpoint, process, n, seed, beta, beta_true_units, nll, nll_se, kl, neg_elbo, neg_elbo_se,
    entropy, information, floor, gap_nats, gap, limits, surviving [int], latents [{index, kl, var_mu,
    mean_logvar, expression, r2, ...}], parameters {name: {mae, r2, efficiency}}, estimators {name:
    parameters}, worst_cell_nats, worst_cell, generation {alpha_mae, diffusivity_worst_ratio, ...}}. nll,
    neg_elbo, entropy and floor are nats per step; kl, information and gap_nats nats per trajectory. What is
    not known is null.
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
            model,
            judged,
            grid,
            n,
            seed,
            beta=header.metrics.get("beta", header.model_args.get("beta")),
            generated=generated,
            progress=progress,
        )
    if as_json:
        emit_json({"checkpoint": str(checkpoint), "process": judged.name, **found.to_json()})
        return
    from spivae.cli.evaluation_page import show

    show(found, str(checkpoint), judged)


def checkpoint_process(header: Checkpoint, plugins: Plugins, name: str | None) -> Process:
    """The process of this name, or the one a checkpoint was trained on, seen as then.

    Raises SpivaeError for neither.
    """
    if name is None and not header.process:
        raise SpivaeError(f"{header.path}: does not say its process; pass --process")
    from spivae.observation import observed_as

    found = plugins.process(name or header.process)
    return observed_as(found, header.ds_args) if found.name == header.process else found
