"""The training loop: AdamW on one-cycle phases, with validation, metrics and checkpoints."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
import torch
from torch import Tensor

from spivae.checkpoint import Checkpoint, write
from spivae.cores import usable_threads
from spivae.errors import WorkFailed, told
from spivae.model.latents import surviving
from spivae.model.moving import to_device
from spivae.model.paths import Path as CodePath
from spivae.model.paths import gradients, why_plain
from spivae.process import Process
from spivae.training.cells import cell_axes, describe_cells, for_header
from spivae.training.data import TrainingData, example
from spivae.training.distributed import Team, checksum
from spivae.training.lock import Lock, LockLost
from spivae.training.memory import check_memory, memory_of_weights, needed_memory
from spivae.training.metrics import MetricsWriter, epochs_so_far
from spivae.training.places import choosing, leave, take
from spivae.training.processes import WorkerLost
from spivae.training.recipe import Phase, to_table
from spivae.training.run import Change, Run
from spivae.training.schedule import growing, one_cycle
from spivae.training.state import Position, State, Way, fingerprint, read_state, write_state
from spivae.training.step import Validation, make_optimizer, set_rates, train_step, validate
from spivae.training.threads import check_threads, choose, free_threads, use_threads

LOWER_RATE = 0.3  # times the rates before, where a training that has diverged goes on

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
    device: str | None = None,
    events: Events | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    resume: bool = False,
    team: Team | None = None,
) -> Outcome:
    """Train a run's recipe to its end, or until `should_stop` or a STOP file says so.

    Writes metrics.jsonl, and checkpoints at every phase's end (`phase-N`), at the best validation (`best`),
    every `checkpoint_every` steps (`last`, and the state to resume from) and at the end (`final` or
    `stopped`, in place of `last`). `resume` goes on from that state, with the threads and the code path of
    before, to the very weights of a training that was never interrupted; without a state it begins anew.

    `threads` are chosen by a short probe where they are not given, and the run has not noted any; the
    `device` is then the one that the run was trained on, or is to be (see `spivae.training.device`). Several
    processes train it together as a `team`, each of which calls this; the first one writes and tells. Raises
    Locked where another process trains this run; SpivaeError where the device is not to be had; WorkFailed
    where the loss or the model is no longer finite, where the memory does not suffice, where the run is taken
    away (LockLost), or where a process of the team is gone (WorkerLost).
    """
    check_threads(threads)
    events, team = events or Events(), team or Team()
    with team.lock(run) as lock:
        run.refresh()
        run.sweep_up()
        state = read_state(run) if resume else None
        threads = threads or run.info.threads
        found = team.usable(device or run.info.device, run)
        use_threads(threads or 1)
        run.claim(threads, found, team.trainer)
        lock.keep_beating()
        take(team.trainer, team.local * (threads or 1))
        try:
            trainer = _Trainer(
                run, process, threads or None, team.device(found), events, should_stop, lock, team, state
            )
            events.started(run)
            outcome = trainer.train()
        except WorkerLost:
            raise  # the run goes on, in processes that are started anew
        except Exception as error:
            lock.beat()
            if lock.lost is not None:  # the run is another trainer's now, or gone
                raise LockLost(lock.lost) from error
            run.end_badly(told(error))
            events.finished(run, "failed")
            raise
        finally:
            leave(team.trainer)
        run.end(outcome)
        if team.first:
            trainer.tidy(outcome)
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
    lock: Lock
    team: Team
    state: State | None = None
    at: Position = field(default_factory=Position)
    losses: list[float] = field(default_factory=list)  # of the epoch at work
    history: list[dict[str, Any]] = field(default_factory=list)
    optimizer: torch.optim.Optimizer | None = None  # of the phase at work

    def __post_init__(self) -> None:
        recipe = self.run.recipe
        self.recipe = recipe
        check_memory(self.team.local * memory_of_weights(recipe))
        self.model = recipe.architecture.build(
            recipe.model_args, torch.Generator().manual_seed(recipe.training.seed)
        )
        if self.state is not None:
            self.state.restore_weights(self.model)
            self.at, self.losses = self.state.position, self.state.losses
            self.history = epochs_so_far(self.run.metrics_path, self.at.epoch)
        self.at.recipe = fingerprint(self.run)
        self.model.to(self.device)
        info, most = self.run.info, self.threads or usable_threads()
        info.why_plain = why_plain(self.model)
        if info.why_plain is None:
            info.why_plain = self._why_still_plain()
        self.path: CodePath = "fast" if info.why_plain is None else "plain"
        info.code_path = self.path
        needed = needed_memory(recipe, self.process, most, self.path == "fast")
        check_memory(self.team.local * needed)
        self.data = TrainingData.prepare(recipe, self.process)
        info.threads = self.threads or self._chosen_threads()
        take(self.team.trainer, self.team.local * info.threads)
        use_threads(info.threads)
        self.begin = time.perf_counter() - self.at.seconds
        info.steps = recipe.epochs * self.data.steps_per_epoch
        info.resumed_at = self.at.step
        info.changes = self._changes()
        info.grid = cell_axes(self.process, self.data.grid)
        self.run.save()
        self.team.check_same(self.at.step, checksum(list(self.model.parameters())))

    def _why_still_plain(self) -> str | None:
        """Why a model that the fast path knows is computed in the plain form, as it was before."""
        info = self.run.info
        if self.state is not None:
            return self.state.why_still_plain(info)
        return f"as {info.repeats} was" if info.repeats and info.code_path == "plain" else None

    def _changes(self) -> tuple[Change, ...]:
        """The changes of way behind the state that it goes on from, and the one from here on, if any."""
        info, at = self.run.info, self.at
        before, at.way = at.way, Way(info.device, info.code_path, info.threads, self.team.size)
        said = at.way.changes(before) if before is not None else ""
        kept = [change for change in info.changes if change.step < at.step]
        return (*kept, *([Change(at.step, said)] if said else []))

    def _chosen_threads(self) -> int:
        """By a few passes that leave the weights as they are, of one process on each machine."""
        team = self.team
        if not team.first_here:
            return int(team.least(math.inf))
        x, noise = (self._tensor(team.share(array)) for array in example(self.recipe, self.process))

        def step() -> None:
            gradients(self.model, x, noise, 1.0, path=self.path)
            self.model.zero_grad(set_to_none=True)

        with choosing():
            free = max(1, free_threads(team.trainer) // team.local)
            # beside a GPU, threads do nothing but make data
            chosen = choose(step, free) if self.device == "cpu" else free
            take(team.trainer, team.local * chosen)
        return int(team.least(chosen))

    def train(self) -> Outcome:
        metrics = MetricsWriter(
            self.run.metrics_path if self.team.first else Path(os.devnull),
            {"attempt": self.run.info.attempt},
        )
        try:
            first_epoch = 0
            for number, phase in enumerate(self.recipe.training.phase):
                if number >= self.at.phase:
                    self.at.phase = number
                    if not self._phase(phase, first_epoch, metrics):
                        self._save("stopped")
                        self._save_state(metrics)
                        return "stopped"
                    self._save(f"phase-{number}")
                first_epoch += phase.epochs
            self._save("final")
            return "finished"
        finally:
            metrics.close()

    def tidy(self, outcome: Outcome) -> None:
        """Remove what is there for a trainer that is killed, once there is something better."""
        names = ["last", "stopped"] if outcome == "finished" else ["last"]
        for name in names:
            (self.run.checkpoint_folder / f"{name}.safetensors").unlink(missing_ok=True)
        if outcome == "finished":
            self.run.state_path.unlink(missing_ok=True)

    def _phase(self, phase: Phase, first_epoch: int, metrics: MetricsWriter) -> bool:
        """Train one cycle, or the rest of it; False where it was asked to stop."""
        phase = msgspec.structs.replace(phase, lr_max=phase.lr_max * self.run.info.lr_scale)
        self.optimizer = make_optimizer(self.model, phase.lr_max)
        if self.state is not None:
            self.state.restore_moments(self.model, self.optimizer)
            self.state = None
        at, steps = self.at, self.data.steps_per_epoch
        done = (at.epoch - first_epoch) * steps + at.step_of_epoch
        schedule = islice(_cycle(phase, steps), done, None)
        for epoch in range(at.epoch, first_epoch + phase.epochs):
            for x, noise in islice(self.data.batches(epoch), at.step_of_epoch, None):
                if self.team.stops(self.should_stop() or self.run.stop_path.exists()):
                    return False
                if self.lock.lost is not None:
                    raise LockLost(self.lock.lost)
                rates, at.beta = next(schedule)
                self._step(x, noise, set_rates(self.optimizer, rates), metrics)
            self._end_epoch(metrics)
        return True

    def _step(self, x: Any, noise: Any, lr: float, metrics: MetricsWriter) -> None:
        assert self.optimizer is not None
        at, table = self.at, self.recipe.training
        means = train_step(
            self.model,
            self.optimizer,
            self._tensor(self.team.share(x)),
            self._tensor(self.team.share(noise)),
            at.beta,
            table.clip,
            table.mean_lr,
            self.team,
            self.path,
        )
        at.step += 1
        at.step_of_epoch += 1
        record = {
            "kind": "step",
            "step": at.step,
            "epoch": at.step / self.data.steps_per_epoch,
            "phase": at.phase,
            "loss": means.loss,
            "nll": means.nll,
            "kl": means.kl,
            "lr": lr,
            "beta": at.beta,
            "seconds": self._seconds(),
        }
        metrics.write(record)
        if not math.isfinite(means.loss):
            raise self._diverged("loss")
        self.losses.append(means.loss)
        if at.step % self.recipe.training.checkpoint_every == 0:
            self._save_state(metrics)
            self._save("last")
        self.events.step(record)

    def _diverged(self, what: str) -> WorkFailed:
        at, scale = self.at, self.run.info.lr_scale
        lr_max = self.recipe.training.phase[at.phase].lr_max * scale
        said = (
            f"{self.run.path}: the {what} diverged at step {at.step}; lower training.phase.{at.phase}.lr_max "
            f"({lr_max:g}) or training.clip"
        )
        if self.run.state_path.exists():
            lower = f"--lr-scale {LOWER_RATE * scale:.2g}"
            said += f", or go on from its last state: `spivae resume {self.run.id} {lower}`"
        return WorkFailed(said)

    def _check_finite(self) -> None:
        """Raise WorkFailed for weights, or moments of the optimizer, that nothing can be gone on from."""
        moments = () if self.optimizer is None else self.optimizer.state.values()
        kept = chain(self.model.state_dict().values(), *(each.values() for each in moments))
        if not all(bool(torch.isfinite(value).all()) for value in kept):
            raise self._diverged("model")

    def _end_epoch(self, metrics: MetricsWriter) -> None:
        at = self.at
        found = self._validation()
        nll, kl = float(found.nll.mean(dtype=np.float64)), found.kl
        neg_elbo = nll + sum(kl) / self.recipe.model_args.predicted
        record: dict[str, Any] = {
            "kind": "epoch",
            "epoch": at.epoch + 1,
            "phase": at.phase,
            "step": at.step,
            "train_loss": float(np.mean(self.losses)),
            "nll": nll,
            "kl": kl,
            "neg_elbo": neg_elbo,
            "surviving": surviving(kl),
            "beta": at.beta,
            "seconds": self._seconds(),
        }
        record |= describe_cells(self.data.validation_cell, len(self.data.grid.cells), found.nll, found.mu)
        metrics.write(record)
        self.history.append(record)
        at.epoch, at.step_of_epoch, self.losses = at.epoch + 1, 0, []
        if neg_elbo < at.lowest:
            at.best = neg_elbo
            self._save("best")
        self.events.epoch(self.run, record)

    def _tensor(self, array: Any) -> Tensor:
        return to_device(torch.from_numpy(array), self.device)

    def _seconds(self) -> float:
        return round(time.perf_counter() - self.begin, 3)

    def _validation(self) -> Validation:
        """Of the whole validation set, each process having seen its share."""
        own = validate(self.model, self._validation_batches(), self.path)
        team, rows = self.team, len(self.data.validation)
        kl = team.mean(own.kl, len(own.nll))
        return Validation(team.gather(own.nll, rows), kl, team.gather(own.mu, rows))

    def _validation_batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """The validation set with latent noise that is the same every time."""
        batch, shape = self.recipe.training.batch, (len(self.data.validation), self.recipe.model_args.latents)
        noise = np.random.default_rng(self.recipe.dataset.seed).standard_normal(shape, dtype=np.float32)
        begin, end = self.team.bounds(len(noise))
        for start in range(begin, end, batch):
            rows = slice(start, min(start + batch, end))
            yield self._tensor(self.data.validation.displacements[rows]), self._tensor(noise[rows])

    def _save_state(self, metrics: MetricsWriter) -> None:
        if not self.team.first:
            return
        self._check_finite()
        self.at.seconds = self._seconds()
        metrics.sync()  # a state never knows of records that a crash of the machine takes away
        write_state(self.run.state_path, self.at, self.model, self.optimizer, self.losses)

    def _save(self, name: str) -> None:
        if not self.team.first:
            return
        self._check_finite()
        last = self.history[-1] if self.history else {}
        kept = ("epoch", "step", "nll", "neg_elbo", "surviving")
        metrics: dict[str, Any] = {key: last[key] for key in kept if key in last}
        if "kl" in last:
            metrics |= {"kl": sum(last["kl"]), "kl_latents": last["kl"]}
        metrics["beta"] = self.at.beta
        weights = {key: value.detach().cpu().numpy() for key, value in self.model.state_dict().items()}
        path = self.run.checkpoint_folder / f"{name}.safetensors"
        write(path, make_checkpoint(str(path), self.data, weights, metrics, self.history, self.at.way))


def make_checkpoint(
    path: str,
    data: TrainingData,
    weights: dict[str, Any],
    metrics: dict[str, Any],
    history: list[dict[str, Any]],
    way: Way | None = None,
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
        computed={} if way is None else msgspec.to_builtins(way),
        weights=weights,
    )


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _cycle(phase: Phase, steps_per_epoch: int) -> Iterator[tuple[tuple[float, float], float]]:
    """Learning rate and momentum, and beta, of every step of a phase."""
    steps = phase.epochs * steps_per_epoch
    return (
        (one_cycle(step, steps, phase.lr_max), growing(step, steps, phase.betas)) for step in range(steps)
    )
