"""The rows of the table: what is compared with what, at which size, and what is asked for."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import plain
import torch
from beside import seconds_beside
from timing import Measured, compare, seconds
from torch.utils.flop_counter import FlopCounterMode

from spivae.estimators.msd import ta_msd
from spivae.model.arguments import ModelArgs
from spivae.model.paths import losses
from spivae.model.sampler import conditioning_length, draw_noise, sample
from spivae.model.vae import WaveNetVAE, build
from spivae.process import Process
from spivae.training.data import TrainingData
from spivae.training.recipe import Recipe, with_overrides
from spivae.training.step import make_optimizer, train_step, validate
from spivae_plugins.fbm import FractionalBrownianMotion
from spivae_plugins.sbm import ScaledBrownianMotion

RATE, BETA, CLIP = 1e-4, 1e-3, 1.0


@dataclass(frozen=True)
class Row:
    """`measure(toy)` measures it; `must` and `aim` bound its ratio from below, with `most` from above."""

    name: str
    what: str
    must: float
    aim: float
    measure: Callable[[bool], Measured]
    unit: str = "x"
    most: bool = False

    def reached(self, found: float, bound: float) -> bool:
        return found <= bound if self.most else found >= bound


def _model() -> WaveNetVAE:
    return build(ModelArgs(), torch.Generator().manual_seed(0))


def _batch(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return 0.1 * torch.randn(count, 1, 399, generator=generator), torch.randn(count, 6, generator=generator)


def _step(toy: bool) -> Measured:
    x, noise = _batch(8 if toy else 256)
    ours, theirs = _model(), _model()
    our_optimizer, their_optimizer = make_optimizer(ours, RATE), plain.make_optimizer(theirs)
    return compare(
        lambda: plain.step(theirs, their_optimizer, x, noise, BETA, CLIP),
        lambda: train_step(ours, our_optimizer, x, noise, BETA, CLIP),
        2 if toy else 21,
    )


def _prediction(toy: bool) -> Measured:
    x, noise = _batch(8 if toy else 256)
    model = _model()
    return compare(lambda: plain.evaluate(model, x, noise), lambda: losses(model, x, noise), 2 if toy else 31)


def _epoch(toy: bool) -> Measured:
    """An epoch of few batches, training and validation in the proportion of the default recipe."""
    batch = 16 if toy else 256
    recipe = with_overrides(
        Recipe(), {"training.batch": str(batch), "dataset.trajectories": str(420 if toy else 2520)}
    )
    if toy:
        recipe = with_overrides(recipe, {"process.grid.alpha": "{ low = 0.2, high = 1.8, n = 4 }"})
    data = TrainingData.prepare(recipe, ScaledBrownianMotion())
    ours, theirs = _model(), _model()
    our_optimizer, their_optimizer = make_optimizer(ours, RATE), plain.make_optimizer(theirs)
    training = plain.Items(np.concatenate([x for x, _ in data.batches(0)]), 6)
    validation = plain.Items(data.validation.displacements, 6)

    def their_epoch() -> None:
        for x, noise in plain.batches(training, batch, training=True):
            plain.step(theirs, their_optimizer, x, noise, BETA, CLIP)
        for x, noise in plain.batches(validation, batch, training=False):
            plain.evaluate(theirs, x, noise)

    def our_epoch() -> None:
        for x, noise in data.batches(1):
            train_step(ours, our_optimizer, torch.from_numpy(x), torch.from_numpy(noise), BETA, CLIP)
        whole = torch.from_numpy(data.validation.displacements)
        validate(ours, ((x, torch.randn(len(x), 6)) for x in whole.split(batch)))

    return compare(their_epoch, our_epoch, 1 if toy else 5)


def _fresh(toy: bool) -> Measured:
    """Per cent of an epoch's steps that drawing its trajectories anew takes."""
    recipe = with_overrides(Recipe(), {"dataset.trajectories": "420" if toy else "25200"})
    if toy:
        recipe = with_overrides(
            recipe, {"training.batch": "16", "process.grid.alpha": "{ low = 0.2, high = 1.8, n = 4 }"}
        )
    data = TrainingData.prepare(recipe, ScaledBrownianMotion())
    x, noise = _batch(recipe.training.batch)
    model = _model()
    optimizer = make_optimizer(model, RATE)
    found = []
    for _ in range(2 if toy else 8):
        drawing = seconds(lambda: next(data.batches(0)))  # all are drawn before the first batch
        step = seconds(lambda: train_step(model, optimizer, x, noise, BETA, CLIP))
        found.append(100 * drawing / (step * data.steps_per_epoch))
    return Measured.of(found[1:])


def _generation(count: int, steps: int, plain_does: float = 1.0) -> Callable[[bool], Measured]:
    def measure(toy: bool) -> Measured:
        batch, length = (min(count, 8), 20) if toy else (count, steps)
        model = _model()
        c = model.decode(torch.randn(batch, 6), conditioning_length(model, length)).detach()
        noise = draw_noise(length, batch, torch.Generator().manual_seed(1))
        part = round(plain_does * length)
        return compare(
            lambda: plain.generate(model, c, part, noise[..., 1]),
            lambda: sample(model, c, noise=noise),
            1 if toy else 5,
            part / length,
        )

    return measure


def _data(process: Process, theirs: Callable[..., np.ndarray], count: int) -> Callable[[bool], Measured]:
    def measure(toy: bool) -> Measured:
        alpha, d = np.meshgrid(np.linspace(0.2, 1.8, 21), np.geomspace(1e-5, 1e-2, 10), indexing="ij")
        cells = np.stack([alpha.ravel(), d.ravel()], axis=1)
        theta = np.repeat(cells, 1 if toy else count // len(cells), axis=0)
        return compare(
            lambda: theirs(theta, 400, np.random.default_rng(0)),
            lambda: process.displacements(np.random.default_rng(0), theta, 400),
            2 if toy else 9,
        )

    return measure


def _ta_msd(toy: bool) -> Measured:
    positions = np.random.default_rng(0).standard_normal((100 if toy else 36_000, 400)).cumsum(1)
    lags = np.arange(1, 320)
    return compare(lambda: plain.ta_msd(positions, lags), lambda: ta_msd(positions, lags), 1 if toy else 5)


def _memory(toy: bool) -> Measured:
    """GB that a training of the default recipe takes at its peak, as a process of its own."""
    small = ["dataset.trajectories=1000", "training.batch=32"] if toy else []
    command = [sys.executable, str(Path(__file__).with_name("training_memory.py")), *small]
    found = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return Measured.of([float(found) / 1e9])


def _floor(toy: bool) -> Measured:
    """Per cent of a step's time that its arithmetic would take at the speed of a large matrix product."""
    x, noise = _batch(8 if toy else 256)
    model, size = _model(), 256 if toy else 1536
    optimizer = make_optimizer(model, RATE)
    with FlopCounterMode(display=False) as counter:
        plain.step(model, optimizer, x, noise, BETA, CLIP)
    a, product = torch.randn(size, size), torch.empty(size, size)
    found = []
    for _ in range(3 if toy else 21):
        per_second = 2 * size**3 / seconds(lambda: torch.mm(a, a, out=product))
        taken = seconds(lambda: train_step(model, optimizer, x, noise, BETA, CLIP))
        found.append(100 * counter.get_total_flops() / per_second / taken)
    return Measured.of(found[1:])


def _logging(toy: bool) -> Measured:
    """Per cent of a step's time that a trainer takes beside it, for what it writes and tells."""
    recipe = with_overrides(
        Recipe(), {"dataset.trajectories": "2520", "training.checkpoint_every": "5" if toy else "200"}
    )
    x, noise = _batch(8 if toy else recipe.training.batch)
    model = _model()
    optimizer = make_optimizer(model, RATE)
    rounds, found = 2 if toy else 8, []
    for beside in seconds_beside(recipe, rounds):
        taken = seconds(lambda: train_step(model, optimizer, x, noise, BETA, CLIP))
        found.append(100 * beside / taken)
    return Measured.of(found[1:])


ROWS = (
    Row("step", "training step, batch 256", 2.0, 2.5, _step),
    Row("epoch", "epoch with validation", 2.5, 3.0, _epoch),
    Row("fresh", "fresh data's part of an epoch", 3, 1, _fresh, unit="%", most=True),
    Row("logging", "logging's part of a step", 0.5, 0.2, _logging, unit="%", most=True),
    Row("generation_1000x200", "generation, 1,000 x 200", 15, 22, _generation(1000, 200)),
    Row("generation_16x200", "generation, 16 x 200", 25, 40, _generation(16, 200)),
    Row("generation_16x6000", "generation, 16 x 6,000", 28, 40, _generation(16, 6000, 0.1)),
    Row("sbm", "SBM data, 10,500 x 400", 7, 12, _data(ScaledBrownianMotion(), plain.sbm, 10_500)),
    Row("fbm", "FBM data, 9,870 x 400", 10, 12, _data(FractionalBrownianMotion(), plain.fbm, 9_996)),
    Row("ta_msd", "TA-MSD, 36,000 x 400, 319 lags", 5, 6, _ta_msd),
    Row("prediction", "prediction and loss, batch 256", 2.0, 2.3, _prediction),
    Row("memory", "memory of a training", 1.2, 0.8, _memory, unit="GB", most=True),
    Row("floor", "step's part of the compute floor", 38, 45, _floor, unit="%"),
)
