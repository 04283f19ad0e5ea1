"""What a model says of a dataset, trajectory by trajectory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spivae.dataset import Dataset
from spivae.model.latents import surviving

if TYPE_CHECKING:
    import torch

    from spivae.model.vae import WaveNetVAE

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Predictions:
    """One row a trajectory: latents, their divergence, the loss of each step and the predicted displacement.

    mu, logvar and kl are (n, Z); nll, out_mean and out_std are (n, L - R), entry j for displacement j + R
    (0-based); c (n, C, L) and pred (n, 3M, L - R) are kept only where asked for. All float32.
    """

    dataset: Dataset
    receptive_field: int
    mu: Array
    logvar: Array
    kl: Array
    nll: Array
    out_mean: Array
    out_std: Array
    c: Array | None = None
    pred: Array | None = None

    @property
    def steps(self) -> int:
        """How many steps of each trajectory have a prediction."""
        return int(self.nll.shape[1])

    @property
    def surviving(self) -> list[int]:
        """The latents that survive, judged by the trajectories whose KL divergence is finite."""
        known = self.kl[np.isfinite(self.kl).all(axis=1)]
        return surviving(known.mean(axis=0, dtype=float)) if len(known) else []


def predict(
    model: WaveNetVAE,
    dataset: Dataset,
    *,
    sample: torch.Generator | None = None,
    keep_raw: bool = False,
    batch: int = 256,
    progress: Callable[[int, int], None] | None = None,
) -> Predictions:
    """Run the model over a dataset.

    z is the latents' mean, or drawn from q(z|x) with the generator `sample`: only then is the NLL part of a
    bound. `progress(done, total)` is called after each batch, and may raise to stop. Raises SpivaeError where
    the trajectories do not fit the model.
    """
    import torch

    from spivae.errors import SpivaeError
    from spivae.model.losses import kl, mixture, nll
    from spivae.model.moving import to_device
    from spivae.model.paths import forward

    if dataset.steps <= model.args.first_predicted or (
        model.c_channels and dataset.steps != model.args.o_dim
    ):
        raise SpivaeError(
            f"trajectories of {dataset.steps} displacements do not fit this model: it was built for "
            f"{model.args.o_dim} (receptive field {model.receptive_field})"
        )
    device = next(model.parameters()).device
    columns: dict[str, list[Array]] = {}

    def keep(**parts: torch.Tensor) -> None:
        for name, value in parts.items():
            columns.setdefault(name, []).append(value.cpu().numpy())

    for start in range(0, max(len(dataset), 1), batch):
        x = to_device(torch.from_numpy(dataset.displacements[start : start + batch]), device)
        with torch.inference_mode():
            noise = None
            if sample is not None:
                noise = to_device(torch.randn(len(x), model.args.latents, generator=sample), device)
            output = forward(model, x, noise)
            log_weights, means, log_std = mixture(output.pred)
            weights = log_weights.exp()
            mean = (weights * means).sum(1)
            variance = (weights * (torch.exp(2 * log_std) + (means - mean[:, None]) ** 2)).sum(1)
            keep(
                mu=output.mu,
                logvar=output.logvar,
                kl=kl(output.mu, output.logvar),
                nll=nll(output.pred, x)[..., 0],
                out_mean=mean,
                out_std=variance.sqrt(),
            )
            if keep_raw:
                keep(pred=output.pred)
                if output.c is not None:
                    keep(c=output.c)
        if progress is not None:
            progress(min(start + batch, len(dataset)), len(dataset))
    joined = {name: np.concatenate(parts) for name, parts in columns.items()}
    return Predictions(dataset=dataset, receptive_field=model.receptive_field, **joined)
