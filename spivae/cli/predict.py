"""`spivae predict`: what a model says of given trajectories."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from spivae import wording
from spivae.cli import common
from spivae.cli.common import check_out, checkpoint_argument, common_options, out_option
from spivae.cli.output import emit, emit_json
from spivae.cli.progress import progress_bar
from spivae.cli.table import pairs

_KEPT = ("mu", "logvar", "c", "pred", "nll", "theta")  # of what is predicted, and of a dataset


@click.command()
@checkpoint_argument
@click.argument("data", metavar="DATA", type=click.Path(path_type=Path))
@out_option
@click.option("--sample", is_flag=True, help="Draw z from q(z|x), as a bound needs; otherwise z = mu.")
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, metavar="N", help="Of --sample."
)
@common_options()
def predict(checkpoint: Path, data: Path, out: Path, sample: bool, seed: int, as_json: bool) -> None:
    """Latents, conditioning, predictions and losses of given trajectories.

    DATA holds displacements (N, L): an .npy file, an .npz file with the key displacements, or a dataset in
    the layout of `spivae data`, of which the first L displacements are taken. F.npz gets mu and logvar (N,
    Z), c (N, C, L), pred (N, 3M, L - R) and nll (N, L - R); of a dataset also theta (N, p) and names.

    --json: {out, checkpoint, trajectories, steps, nll, kl, kl_latents, surviving, shapes {key: shape}}.
    """
    from spivae.checkpoint.reading import read_header

    header = read_header(checkpoint, common.foreign)
    check_out(out)

    import zipfile

    import numpy as np

    from spivae.cli.displacements import opened
    from spivae.dataset import in_batches
    from spivae.files import replacing
    from spivae.npz import Columns, put

    with progress_bar() as progress, opened(data, header) as given:
        import torch

        from spivae.checkpoint.load import load_checkpoint
        from spivae.prediction import BATCH, Totals, predict_batch

        progress(0, 1, "loading the model")
        _, model = load_checkpoint(checkpoint, foreign=common.foreign)
        generator = torch.Generator().manual_seed(seed) if sample else None
        totals = Totals(model.args.latents)
        with (
            replacing(out) as handle,
            zipfile.ZipFile(handle, "w") as archive,
            Columns(out.parent) as columns,
        ):
            for batch in in_batches(given.parts, BATCH):
                found = predict_batch(model, batch, sample=generator, keep_raw=True)
                # a model without the VAE has a conditioning of no channels
                known = {"c": np.zeros((len(batch), 0, batch.steps), dtype=np.float32)} | found.columns
                if given.names:
                    known["theta"] = batch.theta
                columns.add({name: known[name] for name in _KEPT if name in known})
                totals.add(found)
                progress(totals.n, given.count, "predicting")
            columns.put(archive)
            shapes = columns.shapes
            if given.names:
                put(archive, "names", np.array(given.names))
                shapes["names"] = (len(given.names),)
    answer: dict[str, Any] = {
        "out": out,
        "checkpoint": checkpoint,
        "trajectories": totals.n,
        "steps": batch.steps,
        "nll": totals.nll,
        "kl": float(totals.kl_latents.sum()),
        "kl_latents": totals.kl_latents,
        "surviving": totals.surviving,
        "shapes": shapes,
    }
    if as_json:
        emit_json(answer)
        return
    emit(f"{out}: {wording.plural(totals.n, 'trajectory', 'trajectories')}")
    lines = [
        ("NLL", f"{wording.fixed(answer['nll'])} nats per step, at z {'~ q(z|x)' if sample else '= mu'}"),
        ("KL", f"{wording.nats(answer['kl'])} nats"),
        *((name, " × ".join(map(str, shape))) for name, shape in shapes.items()),
    ]
    for line in pairs(lines, indent=2):
        emit(line)
