"""`spivae predict`: what a model says of given trajectories."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from spivae.cli import common, wording
from spivae.cli.common import check_out, checkpoint_argument, common_options, out_option
from spivae.cli.output import emit, emit_json
from spivae.cli.progress import progress_bar
from spivae.cli.table import pairs
from spivae.errors import SpivaeError

if TYPE_CHECKING:
    from spivae.checkpoint import Checkpoint
    from spivae.dataset import Dataset


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
    dataset = read_displacements(data, header)

    import numpy as np
    import torch

    from spivae.checkpoint.load import load_checkpoint
    from spivae.files import replacing
    from spivae.prediction import predict as predicted

    with progress_bar() as progress:
        progress(0, 1, "loading the model")
        _, model = load_checkpoint(checkpoint, foreign=common.foreign)
        found = predicted(
            model,
            dataset,
            sample=torch.Generator().manual_seed(seed) if sample else None,
            keep_raw=True,
            progress=lambda done, total: progress(done, total, "predicting"),
        )
    c = found.c if found.c is not None else np.zeros((len(dataset), 0, dataset.steps), dtype=np.float32)
    assert found.pred is not None
    arrays: dict[str, Any] = {
        "mu": found.mu,
        "logvar": found.logvar,
        "c": c,
        "pred": found.pred,
        "nll": found.nll,
    }
    if dataset.names:
        arrays |= {"theta": dataset.theta, "names": np.array(dataset.names)}
    with replacing(out) as handle:
        np.savez(handle, **arrays)
    kl = found.kl.mean(axis=0, dtype=np.float64)
    answer = {
        "out": out,
        "checkpoint": checkpoint,
        "trajectories": len(dataset),
        "steps": dataset.steps,
        "nll": float(found.nll.mean(dtype=np.float64)),
        "kl": float(kl.sum()),
        "kl_latents": kl,
        "surviving": found.surviving,
        "shapes": {name: array.shape for name, array in arrays.items()},
    }
    if as_json:
        emit_json(answer)
        return
    emit(f"{out}: {wording.plural(len(dataset), 'trajectory', 'trajectories')}")
    lines = [
        ("NLL", f"{wording.fixed(answer['nll'])} nats per step, at z {'~ q(z|x)' if sample else '= mu'}"),
        ("KL", f"{wording.nats(answer['kl'])} nats"),
        *((name, " × ".join(map(str, array.shape))) for name, array in arrays.items()),
    ]
    for line in pairs(lines, indent=2):
        emit(line)


def read_displacements(path: Path, header: Checkpoint) -> Dataset:
    """The trajectories of a file. Raises SpivaeError for what is no such file or has no such shape."""
    import zipfile

    import numpy as np

    from spivae.dataset import Dataset

    try:
        file = np.load(path, allow_pickle=False)
        if isinstance(file, np.ndarray):
            values = file
        else:
            with file:
                if "displacements" not in file.files:
                    return _layout(path, header)
                values = file["displacements"]
    except FileNotFoundError:
        raise SpivaeError(f"{path}: no such file") from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise SpivaeError(f"{path}: not a readable .npy or .npz file ({error})") from None
    if values.dtype.kind not in "fiu":
        raise SpivaeError(f"{path}: holds {values.dtype} values, not numbers")
    if values.ndim == 3 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 2 or not values.size:
        raise SpivaeError(f"{path}: displacements have shape {values.shape}, not (trajectories, steps)")
    if not np.isfinite(values).all():
        raise SpivaeError(f"{path}: holds displacements that are not finite")
    displacements = np.ascontiguousarray(values[:, None, :], dtype=np.float32)
    return Dataset(displacements, np.zeros((len(displacements), 0)), ())


def _layout(path: Path, header: Checkpoint) -> Dataset:
    """A dataset in the seed's layout, cut to the length that the model takes."""
    from spivae.dataset import load_npz
    from spivae.worker.trajectories import model_steps

    process = common.plugins().process(header.process)
    steps = model_steps(header.arguments, header.ds_args)
    return load_npz(path, process.names, steps=steps, process=process.name)
