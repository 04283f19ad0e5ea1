"""The work of the benchmarks done the plain way: layers as written, a loop where a loop is natural."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from spivae.model.losses import Loss
from spivae.model.vae import WaveNetVAE


def make_optimizer(model: nn.Module) -> torch.optim.Optimizer:
    """AdamW as torch makes it, weight by weight."""
    return torch.optim.AdamW(model.parameters(), lr=1e-4, betas=(0.95, 0.99), eps=1e-5, weight_decay=0.01)


def step(
    model: WaveNetVAE, optimizer: torch.optim.Optimizer, x: Tensor, noise: Tensor, beta: float, clip: float
) -> float:
    """A training step by autograd through the readable model."""
    optimizer.zero_grad(set_to_none=True)
    loss = Loss(model.receptive_field, model.c_channels, beta).parts(model(x, noise=noise), x).loss.mean()
    loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(model.parameters(), clip)
    optimizer.step()
    return float(loss.detach())


@torch.inference_mode()
def evaluate(model: WaveNetVAE, x: Tensor, noise: Tensor) -> Tensor:
    """The loss of each step, forward alone."""
    return Loss(model.receptive_field, model.c_channels).parts(model(x, noise=noise), x).nll


class Items(Dataset[tuple[Tensor, Tensor]]):
    """Trajectories one by one, each with its latent noise."""

    def __init__(self, displacements: np.ndarray, latents: int) -> None:
        self.displacements = displacements
        self.noise = np.random.default_rng(0).standard_normal((len(displacements), latents))

    def __len__(self) -> int:
        return len(self.displacements)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return torch.tensor(self.displacements[index]), torch.tensor(self.noise[index], dtype=torch.float32)


def batches(items: Items, size: int, *, training: bool) -> Iterator[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(0)
    yield from DataLoader(items, size, shuffle=training, drop_last=training, generator=generator)


@torch.inference_mode()
def generate(model: WaveNetVAE, c: Tensor, steps: int, noise: Tensor) -> Tensor:
    """The receptive field is run through the network again for every step; noise (steps + 1, B)."""
    past = model.receptive_field
    series = torch.zeros(len(c), past + 1)
    for number in range(steps + 1):
        window = series[:, None, -past - 1 :]  # its last place is the one that is asked for
        pred = model.predict(window, c[..., number : number + past + 1])[..., -1]
        series[:, -1] = pred[:, 1] + pred[:, 2].exp() * noise[number]
        series = torch.cat([series, torch.zeros(len(c), 1)], dim=1)
    return series[:, past + 1 : -1]


def sbm(theta: np.ndarray, steps: int, rng: np.random.Generator) -> np.ndarray:
    """Scaled Brownian motion, trajectory by trajectory."""
    t = np.arange(steps + 1)
    made = []
    for alpha, d in theta:
        made.append(np.sqrt(2 * d * np.diff(t**alpha)) * rng.standard_normal(steps))
    return np.array(made, dtype=np.float32)


def fbm(theta: np.ndarray, steps: int, rng: np.random.Generator) -> np.ndarray:
    """Fractional Brownian motion by circulant embedding, trajectory by trajectory."""
    lag = np.arange(steps + 1)
    made = []
    for alpha, d in theta:
        half = d * (np.abs(lag + 1.0) ** alpha - 2.0 * lag**alpha + np.abs(lag - 1.0) ** alpha)
        modes = np.fft.fft(np.concatenate([half, half[-2:0:-1]])).real.clip(min=0)
        noise = rng.standard_normal(len(modes)) + 1j * rng.standard_normal(len(modes))
        made.append(np.fft.fft(np.sqrt(modes / len(modes)) * noise).real[:steps])
    return np.array(made, dtype=np.float32)


def ta_msd(positions: np.ndarray, lags: np.ndarray) -> np.ndarray:
    """Time-averaged mean squared displacements, lag by lag."""
    return np.stack([((positions[:, lag:] - positions[:, :-lag]) ** 2).mean(1) for lag in lags], axis=1)
