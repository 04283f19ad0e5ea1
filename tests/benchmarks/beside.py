"""What a trainer does beside its steps: records, signs of life, plugins, states and checkpoints."""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest import mock

import timing
import torch

from spivae.cli.train import train_here
from spivae.plugins import load_plugins
from spivae.training import loop
from spivae.training.data import TrainingData, example
from spivae.training.recipe import Recipe, with_overrides
from spivae.training.run import Run
from spivae.training.step import Means


def seconds_beside(recipe: Recipe, windows: int) -> list[float]:
    """Seconds a step, in so many stretches of as many steps as there are between two states that are saved.

    It is what `spivae train` does where stderr is no terminal, but for the steps and their batches.
    """
    recipe = with_overrides(recipe, {"training.phase": "[{ epochs = 100000 }]"})  # stopped long before
    plugins, every = load_plugins(), recipe.training.checkpoint_every
    batch = example(recipe, plugins.process(recipe.process.name))
    times: list[float] = []
    means = Means(0.0, 0.0, [0.0] * recipe.model_args.latents)

    def batches(data: TrainingData, epoch: int) -> Iterator[tuple[Any, Any]]:
        while True:
            yield batch

    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as replaced:
        run = Run.create(Path(folder), recipe)

        def step(*_: object) -> Means:
            times.append(timing.clock())
            if len(times) > (windows + 1) * every:
                run.request_stop()
            return means

        replaced.enter_context(mock.patch.object(TrainingData, "batches", batches))
        replaced.enter_context(mock.patch.object(loop, "train_step", step))
        replaced.enter_context(contextlib.redirect_stderr(io.StringIO()))
        train_here(run, plugins, threads=torch.get_num_threads())
    ends = times[::every]
    # the first stretch warms up
    return [(end - begin) / every for begin, end in pairwise(ends[1:])]
