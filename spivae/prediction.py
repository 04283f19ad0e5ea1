"""What a model says of a dataset, trajectory by trajectory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spivae.dataset import Dataset
from spivae.model.latents import surviving
from spivae.scratch import empty

if TYPE_CHECKING:
    import torch

    from spivae.model.vae import WaveNetVAE

Array = npt.NDArray[Any]

_COLUMNS = ("mu", "logvar", "kl", "nll", "out_mean", "out_std", "c", "pred")
BATCH = 256  # trajectories that a model is given at a time


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
    def columns(self) -> dict[str, Array]:
        """All that is known, by name: arrays with a row for each trajectory."""
        found = {name: getattr(self, name) for name in _COLUMNS}
        return {name: values for name, values in found.items() if values is not None}

    @property
    def steps(self) -> int:
        """How many steps of each trajectory have a prediction."""
        return int(self.nll.shape[1])

    @property
    def known_kl(self) -> Array:
        """The KL divergences of the trajectories that have finite ones."""
        return self.kl[np.isfinite(self.kl).all(axis=1)]

    @property
    def surviving(self) -> list[int]:
        """The latents that survive, judged by the trajectories whose KL divergence is finite."""
        known = self.known_kl
        return surviving(known.mean(axis=0, dtype=float)) if len(known) else []


class Totals:
    """What is told of all trajectories together, from predictions that come in batches."""

    def __init__(self, latents: int) -> None:
        self.n = self._known = 0
        self._nll = 0.0
        self._kl, self._known_kl = np.zeros(latents), np.zeros(latents)

    def add(self, found: Predictions) -> None:
        """Some more trajectories."""
        known = found.known_kl
        self.n += len(found.kl)
        self._known += len(known)
        self._nll += float(found.nll.mean(axis=1, dtype=np.float64).sum())
        self._kl += found.kl.sum(axis=0, dtype=np.float64)
        self._known_kl += known.sum(axis=0, dtype=np.float64)

    @property
    def nll(self) -> float:
        """The mean NLL, in nats per step."""
        return self._nll / max(1, self.n)

    @property
    def kl_latents(self) -> Array:
        """The mean KL divergence (Z,) of each latent, in nats."""
        return self._kl / max(1, self.n)

    @property
    def surviving(self) -> list[int]:
        """As those of `Predictions`."""
        return surviving(self._known_kl / max(1, self._known))


def predict(
    model: WaveNetVAE,
    dataset: Dataset,
    *,
    sample: torch.Generator | None = None,
    keep_raw: bool = False,
    batch: int = BATCH,
    progress: Callable[[int, int], None] | None = None,
) -> Predictions:
    """Run the model over a dataset.

    z is the latents' mean, or drawn from q(z|x) with the generator `sample`: only then is the NLL part of a
    bound. `progress(done, total)` is called after each batch, and may raise to stop. Large arrays are on disk
    (see `spivae.scratch`). Raises SpivaeError where the trajectories do not fit the model.
    """
    whole: dict[str, Array] = {}
    # an empty dataset is one empty batch, which tells the shapes
    for start in range(0, max(len(dataset), 1), batch):
        rows = slice(start, start + batch)
        found = predict_batch(model, dataset.take(rows), sample=sample, keep_raw=keep_raw)
        for name, values in found.columns.items():
            if not start:
                whole[name] = empty((len(dataset), *values.shape[1:]), values.dtype)
            whole[name][rows] = values
        if progress is not None:
            progress(min(start + batch, len(dataset)), len(dataset))
    return Predictions(dataset=dataset, receptive_field=model.receptive_field, **whole)


def predict_batch(
    model: WaveNetVAE, dataset: Dataset, *, sample: torch.Generator | None = None, keep_raw: bool = False
) -> Predictions:
    """What `predict` says of trajectories that the model is given all at once."""
    import torch

    from spivae.errors import SpivaeError
    from spivae.model.losses import kl, mixture, nll
    from spivae.model.moving import device_of, to_device, to_numpy
    from spivae.model.paths import forward

    if dataset.steps <= model.args.first_predicted or (
        model.c_channels and dataset.steps != model.args.o_dim
    ):
        raise SpivaeError(
            f"trajectories of {dataset.steps} displacements do not fit this model: it was built for "
            f"{model.args.o_dim} (receptive field {model.receptive_field})"
        )
    device = device_of(model)
    x = to_device(torch.from_numpy(dataset.displacements), device)
    with torch.inference_mode():
        noise = None
        if sample is not None:
            noise = to_device(torch.randn(len(x), model.args.latents, generator=sample), device)
        output = forward(model, x, noise)
        log_weights, means, log_std = mixture(output.pred)
        weights = log_weights.exp()
        mean = (weights * means).sum(1)
        variance = (weights * (torch.exp(2 * log_std) + (means - mean[:, None]) ** 2)).sum(1)
        return Predictions(
            dataset=dataset,
            receptive_field=model.receptive_field,
            mu=to_numpy(output.mu),
            logvar=to_numpy(output.logvar),
            kl=to_numpy(kl(output.mu, output.logvar)),
            nll=to_numpy(nll(output.pred, x)[..., 0]),
            out_mean=to_numpy(mean),
            out_std=to_numpy(variance.sqrt()),
            c=to_numpy(output.c) if keep_raw and output.c is not None else None,
            pred=to_numpy(output.pred) if keep_raw else None,
        )
