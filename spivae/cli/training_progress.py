"""How a training in the foreground is followed: a bar in a terminal, and a line an epoch anywhere."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from spivae import wording
from spivae.cli.dry_run import computing
from spivae.cli.output import note

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from spivae.training.run import Run


def epoch_line(record: dict[str, Any], epochs: int) -> str:
    """What the validation at an epoch's end has found."""
    return (
        f"epoch {record['epoch']:>{len(str(epochs))}}/{epochs}"
        f"  beta {wording.power(record['beta'])}"
        f"  NLL {record['nll']:.4f}"
        f"  KL {wording.nats(sum(record['kl']))}"
        f"  -ELBO {record['neg_elbo']:.4f}"
        f"  latents {len(record['surviving'])}/{len(record['kl'])}"
    )


class Lines:
    """A line on stderr for each epoch."""

    def __init__(self, run: Run) -> None:
        self.epochs = run.info.epochs
        self.before: float | None = 0.0  # seconds of training until this epoch, once they are known

    def started(self, run: Run) -> None:
        steps = wording.plural(run.info.steps, "step")
        self.write(f"{run.path}: {steps} in {wording.plural(self.epochs, 'epoch')}")
        if run.info.resumed_at:
            self.before = None
            self.write(f"goes on after step {run.info.resumed_at:,}")
        elif run.info.attempt > 1:
            self.write("begins anew: no state was saved before")
        info = run.info
        for change in info.changes:
            if change.step == info.resumed_at:
                self.warn(
                    f"goes on otherwise ({change.said}): no longer bit for bit an uninterrupted training"
                )
        how = computing(info.device, info.code_path, info.why_plain, info.threads)
        count = info.nproc * info.nnodes
        self.write(f"{how} in each of {count} processes" if count > 1 else how)

    def step(self, record: dict[str, Any]) -> None:
        if self.before is None:
            self.before = record["seconds"]

    def epoch(self, record: dict[str, Any]) -> None:
        before = record["seconds"] if self.before is None else self.before
        took, self.before = record["seconds"] - before, record["seconds"]
        self.write(f"{epoch_line(record, self.epochs)}  {wording.duration(took, 1)}")

    def warn(self, message: str) -> None:
        self.write(f"warning: {message}")

    def write(self, text: str) -> None:
        with contextlib.suppress(OSError):  # the terminal may go away; the training goes on
            note(text)


class Bar(Lines):
    """The same lines above a bar with the loss of the last step."""

    def __init__(self, run: Run, bar: Progress, task: TaskID) -> None:
        super().__init__(run)
        self.bar = bar
        self.task = task

    def started(self, run: Run) -> None:
        super().started(run)
        self.bar.reset(self.task, total=run.info.steps, description=f"epoch 1/{self.epochs}")

    def step(self, record: dict[str, Any]) -> None:
        super().step(record)
        epoch = min(int(record["epoch"]) + 1, self.epochs)
        self.bar.update(
            self.task,
            completed=record["step"],
            description=f"epoch {epoch}/{self.epochs}  loss {record['loss']:.4f}",
        )

    def write(self, text: str) -> None:
        with contextlib.suppress(OSError):
            self.bar.console.print(text, highlight=False, markup=False)


@contextlib.contextmanager
def reporter(run: Run) -> Iterator[Lines]:
    """What follows the training of a run, as stderr can show it."""
    if not sys.stderr.isatty():
        yield Lines(run)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    with Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        refresh_per_second=2,
    ) as bar:
        yield Bar(run, bar, bar.add_task("preparing", total=None))
