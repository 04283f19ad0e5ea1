"""The training loop: AdamW on one-cycle phases, with validation, metrics and checkpoints."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from spivae.checkpoint import Checkpoint, write
from spivae.errors import WorkFailed
from spivae.model.latents import surviving
from spivae.model.losses import Loss, Parts
from spivae.model.paths import forward, gradients, path_of, why_plain
from spivae.model.vae import WaveNetVAE
from spivae.process import Process
from spivae.training.cells import cell_axes, describe_cells, for_header
from spivae.training.data import TrainingData, example
from spivae.training.memory import check_memory, needed_memory
from spivae.training.metrics import MetricsWriter
from spivae.training.recipe import Phase, to_table
from spivae.training.run import Run
from spivae.training.schedule import growing, one_cycle
from spivae.training.threads import check_threads, choose, free_threads, usable_threads

WEIGHT_DECAY = 0.01
ADAM_BETA_2 = 0.99
ADAM_EPS = 1e-5

Outcome = Literal["finished", "stopped"]


@dataclass(frozen=True)
class Events:
    """What a training tells while it runs; each is called in the training's own thread."""

    started: Callable[[Run], None] = lambda run: None
    step: Callable[[dict[str, Any]], None] = lambda record: None
    epoch: Callable[[Run, dict[str, Any]], None] = lambda run, record: None
    finished: Callable[[Run, str], None] = lambda run, outcome: None


def train(
    run: Run,
    process: Process,
    *,
    threads: int | None = None,
    device: str = "cpu",
    events: Events | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Outcome:
    """Train a run's recipe to its end, or until `should_stop` or a STOP file says so.

    Writes metrics.jsonl, and checkpoints at every phase's end (`phase-N`), at the best validation (`best`),
    every `checkpoint_every` steps (`last`) and at the end (`final` or `stopped`, in place of `last`).
    `threads` are chosen by a short probe where they are not given. Raises WorkFailed where the loss is no
    longer finite, or where the memory does not suffice.
    """
    check_threads(threads)
    torch.set_num_threads(threads or 1)
    run.claim(threads or 0, device)
    events = events or Events()
    try:
        trainer = _Trainer(run, process, threads, device, events, should_stop)
        events.started(run)
        outcome = trainer.train()
    except Exception as error:
        run.end("failed", str(error))
        events.finished(run, "failed")
        raise
    run.end(outcome)
    events.finished(run, outcome)
    return outcome


@dataclass
class _Trainer:
    run: Run
    process: Process
    threads: int | None
    device: str
    events: Events
    should_stop: Callable[[], bool]
    step: int = 0
    beta: float = 0.0
    best: float = math.inf
    history: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        recipe = self.run.recipe
        self.recipe = recipe
        self.model = recipe.architecture.build(
            recipe.model_args, torch.Generator().manual_seed(recipe.training.seed)
        )
        self.model.to(self.device)
        info, most = self.run.info, self.threads or usable_threads()
        info.code_path, info.why_plain = path_of(self.model), why_plain(self.model)
        check_memory(needed_memory(recipe, self.process, most, info.code_path == "fast"))
        self.data = TrainingData.prepare(recipe, self.process)
        info.threads = self.threads or self._chosen_threads()
        torch.set_num_threads(info.threads)
        self.begin = time.perf_counter()
        info.steps = recipe.epochs * self.data.steps_per_epoch
        info.grid = cell_axes(self.process, self.data.grid)
        self.run.save()

    def _chosen_threads(self) -> int:
        """By a few passes that leave the weights as they are."""
        x, noise = (self._tensor(array) for array in example(self.recipe, self.process))

        def step() -> None:
            gradients(self.model, x, noise, 1.0)
            self.model.zero_grad(set_to_none=True)

        return choose(step, free_threads(self.run))

    def train(self) -> Outcome:
        metrics = MetricsWriter(self.run.metrics_path)
        try:
            first_epoch = 0
            for number, phase in enumerate(self.recipe.training.phase):
                if not self._phase(number, phase, first_epoch, metrics):
                    self._save("stopped")
                    self._forget_last()
                    return "stopped"
                self._save(f"phase-{number}")
                first_epoch += phase.epochs
            self._save("final")
            self._forget_last()
            return "finished"
        finally:
            metrics.close()

    def _phase(self, number: int, phase: Phase, first_epoch: int, metrics: MetricsWriter) -> bool:
        """Train one cycle; False where it was asked to stop."""
        optimizer = make_optimizer(self.model, phase.lr_max)
        schedule = _cycle(phase, self.data.steps_per_epoch)
        for epoch in range(first_epoch, first_epoch + phase.epochs):
            losses = []
            for x, noise in self.data.batches(epoch):
                if self.should_stop() or self.run.stop_path.exists():
                    return False
                rates, self.beta = next(schedule)
                lr = set_rates(optimizer, rates)
                parts, loss = train_step(
                    self.model, optimizer, self._tensor(x), self._tensor(noise), self.beta, self._clip
                )
                self.step += 1
                record = {
                    "kind": "step",
                    "step": self.step,
                    "epoch": self.step / self.data.steps_per_epoch,
                    "phase": number,
                    "loss": loss,
                    "nll": float(parts.nll.mean()),
                    "kl": parts.kl.mean(0).tolist(),
                    "lr": lr,
                    "beta": self.beta,
                    "seconds": self._seconds(),
                }
                metrics.write(record)
                if not math.isfinite(loss):
                    raise WorkFailed(
                        f"{self.run.path}: the loss diverged at step {self.step}; lower training.phase."
                        f"{number}.lr_max ({phase.lr_max:g}) or training.clip"
                    )
                losses.append(loss)
                if self.step % self.recipe.training.checkpoint_every == 0:
                    self._save("last")
                self.events.step(record)
            self._end_epoch(number, epoch, float(np.mean(losses)), metrics)
        return True

    def _end_epoch(self, number: int, epoch: int, train_loss: float, metrics: MetricsWriter) -> None:
        found = validate(self.model, self._validation_batches())
        nll, kl = float(found.nll.mean(dtype=np.float64)), found.kl
        neg_elbo = nll + sum(kl) / self.recipe.model_args.predicted
        record: dict[str, Any] = {
            "kind": "epoch",
            "epoch": epoch + 1,
            "phase": number,
            "step": self.step,
            "train_loss": train_loss,
            "nll": nll,
            "kl": kl,
            "neg_elbo": neg_elbo,
            "surviving": surviving(kl),
            "beta": self.beta,
            "seconds": self._seconds(),
        }
        record |= describe_cells(self.data.validation_cell, len(self.data.grid.cells), found.nll, found.mu)
        metrics.write(record)
        self.history.append(record)
        if neg_elbo < self.best:
            self.best = neg_elbo
            self._save("best")
        self.events.epoch(self.run, record)

    @property
    def _clip(self) -> float:
        return self.recipe.training.clip

    def _tensor(self, array: Any) -> Tensor:
        return torch.from_numpy(array).to(self.device)

    def _seconds(self) -> float:
        return round(time.perf_counter() - self.begin, 3)

    def _validation_batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """The validation set with latent noise that is the same every time."""
        batch, shape = self.recipe.training.batch, (len(self.data.validation), self.recipe.model_args.latents)
        noise = np.random.default_rng(self.recipe.dataset.seed).standard_normal(shape, dtype=np.float32)
        for start in range(0, len(noise), batch):
            rows = slice(start, start + batch)
            yield self._tensor(self.data.validation.displacements[rows]), self._tensor(noise[rows])

    def _forget_last(self) -> None:
        """The checkpoint for a trainer that is killed; once all is saved there is a better one."""
        (self.run.checkpoint_folder / "last.safetensors").unlink(missing_ok=True)

    def _save(self, name: str) -> None:
        last = self.history[-1] if self.history else {}
        kept = ("epoch", "step", "nll", "neg_elbo", "surviving")
        metrics: dict[str, Any] = {key: last[key] for key in kept if key in last}
        if "kl" in last:
            metrics |= {"kl": sum(last["kl"]), "kl_latents": last["kl"]}
        metrics["beta"] = self.beta
        weights = {key: value.detach().cpu().numpy() for key, value in self.model.state_dict().items()}
        path = self.run.checkpoint_folder / f"{name}.safetensors"
        write(path, make_checkpoint(str(path), self.data, weights, metrics, self.history))


def make_checkpoint(
    path: str,
    data: TrainingData,
    weights: dict[str, Any],
    metrics: dict[str, Any],
    history: list[dict[str, Any]],
) -> Checkpoint:
    """A native checkpoint of weights, with all that its header tells of their training."""
    recipe = data.recipe
    return Checkpoint(
        path=path,
        format="spivae",
        process=data.process.name,
        architecture=recipe.architecture.name,
        model_args={key: _plain(value) for key, value in recipe.model_args.as_dict().items()},
        ds_args=data.description(),
        recipe=to_table(recipe),
        metrics=metrics,
        history=for_header(history),
        weights=weights,
    )


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def make_optimizer(model: nn.Module, lr: float) -> torch.optim.Optimizer:
    """AdamW as the original is trained with; its rate and momentum follow the schedule."""
    return torch.optim.AdamW(
        model.parameters(),
        lr=lr,
        betas=(0.95, ADAM_BETA_2),
        eps=ADAM_EPS,
        weight_decay=WEIGHT_DECAY,
        fused=True,  # one pass over all weights: six times faster
    )


def _cycle(phase: Phase, steps_per_epoch: int) -> Iterator[tuple[tuple[float, float], float]]:
    """Learning rate and momentum, and beta, of every step of a phase."""
    steps = phase.epochs * steps_per_epoch
    return (
        (one_cycle(step, steps, phase.lr_max), growing(step, steps, phase.betas)) for step in range(steps)
    )


def set_rates(optimizer: torch.optim.Optimizer, rates: tuple[float, float]) -> float:
    lr, momentum = rates
    for group in optimizer.param_groups:
        group["lr"], group["betas"] = lr, (momentum, ADAM_BETA_2)
    return lr


def train_step(
    model: WaveNetVAE, optimizer: torch.optim.Optimizer, x: Tensor, noise: Tensor, beta: float, clip: float
) -> tuple[Parts, float]:
    """One step on displacements x (B, 1, L) with latent noise (B, Z); the unreduced loss and its mean."""
    optimizer.zero_grad(set_to_none=True)
    parts = gradients(model, x, noise, beta)
    if clip:
        nn.utils.clip_grad_norm_(model.parameters(), clip)
    optimizer.step()
    return parts, float(parts.loss.mean())


class Validation(NamedTuple):
    """What a model says of the validation set."""

    nll: npt.NDArray[np.float32]  # (n,), mean NLL per step of each trajectory, at z ~ q(z|x)
    kl: list[float]  # mean KL of each latent
    mu: npt.NDArray[np.float32]  # (n, Z)


@torch.inference_mode()
def validate(model: WaveNetVAE, batches: Iterator[tuple[Tensor, Tensor]]) -> Validation:
    """NLL per step at z ~ q(z|x), latents and their KL, over batches of (x, noise)."""
    loss = Loss(model.receptive_field, model.c_channels)
    nll, mu, kl = [], [], torch.zeros(model.args.latents)
    for x, noise in batches:
        output = forward(model, x, noise)
        parts = loss.parts(output, x)
        nll.append(parts.nll.mean((1, 2)).cpu().numpy())
        mu.append(output.mu.cpu().numpy())
        kl += parts.kl.sum(0).cpu()
    each = np.concatenate(nll)
    return Validation(each, (kl / len(each)).tolist(), np.concatenate(mu))
