"""The hooks of spivae. A plugin implements any of them with `spivae.api.hookimpl`.

Registration hooks get a `register` function and call it once for each object; it checks the object on the
spot, so that a mistake is reported at the author's line.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from pathlib import Path

    from spivae.analysis import Analysis
    from spivae.exporter import Exporter
    from spivae.model.architectures import Architecture
    from spivae.process import Process
    from spivae.training.run import Run

hookspec = pluggy.HookspecMarker("spivae")
hookimpl = pluggy.HookimplMarker("spivae")


@hookspec
def configure(settings: dict[str, Any]) -> None:
    """Take the user's settings, the table [plugins.NAME] of config.toml; called first, with {} for none.

    Raise SpivaeError for what cannot be: it is shown with the plugin's name.
    """


@hookspec
def register_processes(register: Callable[[Process], None]) -> None:
    """Add stochastic processes: call `register(process)` with an instance of each."""


@hookspec
def register_analyses(register: Callable[[Analysis], None]) -> None:
    """Add analyses: call `register(analysis)` with an instance of each."""


@hookspec
def register_architectures(register: Callable[[Architecture], None]) -> None:
    """Add kinds of models: call `register(architecture)` with an `Architecture` for each."""


@hookspec
def register_exporters(register: Callable[[Exporter], None]) -> None:
    """Add file formats for answers of analyses: call `register(exporter)` with an instance of each."""


@hookspec
def training_started(run: Run) -> None:
    """A training has made its run directory and is about to take its first step.

    `run.path` is that directory, `run.id` its name, and `run.info` what is in its run.json: process, epochs,
    steps, threads and others.
    """


@hookspec
def step_finished(run: Run, metrics: dict[str, Any]) -> None:
    """A step has been trained; `metrics` is its record in metrics.jsonl. Be quick: the training waits.

    {epoch, step, loss, nll, kl, beta, lr} and others; see the file of any run.
    """


@hookspec
def epoch_finished(run: Run, metrics: dict[str, Any]) -> None:
    """An epoch has been trained and validated; `metrics` is its record in metrics.jsonl.

    {epoch, phase, step, train_loss, nll, kl [of each latent], neg_elbo, surviving, beta, seconds} and others.
    """


@hookspec
def training_finished(run: Run, outcome: str) -> None:
    """A training has ended; outcome is "finished", "stopped" or "failed"."""


@hookspec(firstresult=True)
def read_checkpoint(path: Path) -> Any:
    """Read a checkpoint in a foreign format: return a `Checkpoint`, or None to pass."""
