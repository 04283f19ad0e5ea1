"""`spivae runs`: trainings, and how far they are."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from spivae import wording
from spivae.cli import sweeps
from spivae.cli.common import common_options, run_dir_option
from spivae.cli.listing import STATES, tell_of_ended_queues
from spivae.cli.output import Styled, emit, emit_json, paint
from spivae.cli.table import Column, table
from spivae.errors import SpivaeError

COLUMNS = (
    Column("run", shortens=True),
    Column("state"),
    Column("epoch", right=True),
    Column("step", right=True, drop=3),
    Column("beta", right=True, drop=2),
    Column("NLL", right=True, drop=4),
    Column("-ELBO", right=True),
    Column("KL", right=True, drop=1),
    Column("tags", style="accent", drop=6),
    Column("host", style="muted", drop=5),
    Column("age", right=True, style="muted"),
)


@click.command()
@click.option("--tag", metavar="WORD", help="Only runs with this tag.")
@click.option(
    "--sweeps", "as_sweeps", is_flag=True, help="List sweeps: their runs by state, the best result."
)
@run_dir_option
@common_options()
def runs(tag: str | None, as_sweeps: bool, run_dir: Path, as_json: bool) -> None:
    """List trainings, newest first.

    --json: a list of {id, path, state ("queued" | "running" | "stopped" | "finished" | "failed" | "lost"),
    epoch, epochs, step, steps, metrics, host, pid, launcher ("local" | "slurm"), job (Slurm's number or
    null), created, tags, error, why (what keeps it from beginning, or "")}; with --sweeps of {id, path,
    process, grid, runs (how many), states {state: how many}, best (id), metrics (of the best), created, why}.
    """
    if as_sweeps:
        sweeps.show_all(run_dir, tag, as_json)
        return
    found = [document for document in documents(run_dir) if tag is None or tag in document["tags"]]
    if as_json:
        emit_json(found)
        return
    if not found and tag is not None:
        emit(f"No runs with the tag {tag} in {run_dir}.")
        return
    if not found:
        emit(f"No runs in {run_dir}.")
        emit(paint("`spivae train RECIPE` starts one; --run-dir looks elsewhere.", "muted"))
        return
    for line in table(COLUMNS, [_row(document) for document in found]):
        emit(line)
    broken = [document for document in found if document["error"]]
    if broken:
        emit()
        for document in broken:
            emit(paint(f"{document['id']}: ", "bad") + " ".join(str(document["error"]).split()))
    tell_of_ended_queues(document["why"] for document in found)


def documents(base: Path) -> list[dict[str, Any]]:
    """The runs under a folder as `spivae runs --json` shows them; a broken one has nothing but its error."""
    from spivae.catalog import scan_runs
    from spivae.training.run import Run

    if not base.is_dir():
        return []
    found = []
    for entry in scan_runs([base]):
        document: dict[str, Any] = {"id": entry.name, "path": entry.path, "state": None}
        document |= dict.fromkeys(("epoch", "epochs", "step", "steps"))
        document |= {"metrics": entry.metrics, "host": None, "pid": None, "launcher": None, "job": None}
        document |= {"created": entry.modified, "tags": entry.tags, "error": entry.error}
        document["why"] = entry.why
        try:
            run = Run.open(entry.path)
        except SpivaeError as error:
            document["error"] = str(error)
        else:
            info = run.info
            document |= {
                "id": info.id,
                "state": entry.state,
                "epoch": entry.metrics.get("epoch", 0),
                "epochs": info.epochs,
                "step": entry.metrics.get("step", 0),
                "steps": info.steps,
                "host": info.host,
                "pid": info.pid,
                "launcher": info.launcher,
                "job": run.job_id,
                "created": info.created,
                "error": info.error or entry.error,
            }
        found.append(document)
    return sorted(found, key=lambda document: -document["created"])


def _row(document: dict[str, Any]) -> list[str | Styled]:
    metrics, state = document["metrics"], document["state"] or "broken"
    epoch = wording.NOTHING
    if document["epochs"] is not None:
        epoch = wording.epochs(document["epoch"], document["epochs"])
    return [
        document["id"],
        Styled(state, STATES.get(state, "bad" if state == "broken" else "")),
        epoch,
        wording.NOTHING if document["step"] is None else f"{document['step']:,}",
        wording.power(metrics.get("beta")),
        wording.fixed(metrics.get("nll")),
        wording.fixed(metrics.get("neg_elbo")),
        wording.nats(metrics.get("kl")),
        " ".join(document["tags"]),
        document["host"] or (f"job {document['job']}" if document["job"] else ""),
        wording.age(time.time() - document["created"]),
    ]
