"""A journal: what a training tells, as a text file in its run directory.

In the user's config.toml:

    [plugins.journal]
    every = 10      # steps; 0 for none
"""

from spivae.api import SpivaeError, hookimpl

every = 0


@hookimpl
def configure(settings):
    global every
    every = settings.get("every", 0)
    if not isinstance(every, int) or every < 0:
        raise SpivaeError(f"every: {every!r} is no number of steps")


def note(run, words):
    with open(run.path / "journal.txt", "a", encoding="utf-8") as file:
        file.write(words + "\n")


@hookimpl
def training_started(run):
    note(run, f"{run.id} has started")


@hookimpl
def step_finished(run, metrics):
    if every and metrics["step"] % every == 0:
        note(run, f"step {metrics['step']}: loss {metrics['loss']:.4f}")


@hookimpl
def epoch_finished(run, metrics):
    note(run, f"epoch {metrics['epoch']}: -ELBO {metrics['neg_elbo']:.4f}")


@hookimpl
def training_finished(run, outcome):
    note(run, f"{run.id} is {outcome}")
