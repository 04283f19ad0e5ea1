"""How sweeps stand: one as its table of runs, all of them as a list."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spivae import wording
from spivae.cli.output import Styled, emit, emit_json, note, paint
from spivae.cli.run_table import best_id, run_table
from spivae.cli.table import Column, table
from spivae.errors import SpivaeError
from spivae.wording import plural

if TYPE_CHECKING:
    from spivae.training.sweep import Sweep

COLUMNS = (
    Column("sweep", shortens=True),
    Column("process", drop=4),
    Column("varies", style="muted", drop=3),
    Column("runs", right=True),
    Column("finished", right=True),
    Column("running", right=True),
    Column("waiting", right=True),
    Column("stopped", right=True, drop=1),
    Column("failed", right=True),
    Column("NLL", right=True, drop=5),
    Column("-ELBO", right=True, drop=2),
    Column("age", right=True, style="muted"),
)
ORDER = ("finished", "running", "queued", "stopped", "failed", "lost", "broken")  # in words and tables
_KEYS = ("id", "path", "state", "epoch", "epochs", "step", "steps", "metrics", "job", "why")


def document(sweep: Sweep, known: Iterable[Mapping[str, Any]] | None = None) -> dict[str, Any]:
    """The sweep as --json shows it; `known` are its runs as `spivae runs --json` has them."""
    from spivae.cli.runs import documents

    listed = {each["id"]: each for each in (documents(sweep.path) if known is None else known)}
    runs = [
        {key: listed[point.id][key] for key in _KEYS} | {"settings": point.values}
        for point in sweep.info.points
        if point.id in listed
    ]
    info = sweep.info
    return {
        "id": sweep.id,
        "path": sweep.path,
        "grid": info.values,
        "jobs": info.jobs,
        "threads": info.threads,
        "best": best_id(runs),
        "runs": runs,
    }


def states(runs: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """How many runs are in each state that there is among them."""
    counts = Counter(run["state"] or "broken" for run in runs)
    return {state: counts[state] for state in ORDER if counts[state]}


def standing(runs: Sequence[Mapping[str, Any]]) -> str:
    """`3 of 5 finished, 1 running, 1 queued`."""
    counts = states(runs)
    first = f"{counts.pop('finished', 0)} of {len(runs)} finished"
    return ", ".join([first, *(f"{count} {state}" for state, count in counts.items())])


def lines(about: Mapping[str, Any], runs: Sequence[dict[str, Any]]) -> Iterator[str]:
    """The table of some runs of a sweep, whose document `about` is."""
    from spivae.training.differences import short_names

    return run_table(runs, short_names(list(about["grid"])), about["best"])


def show(about: Mapping[str, Any]) -> None:
    """Print the table of a sweep, and below it how it stands, also where runs wait and nobody starts them."""
    for line in lines(about, about["runs"]):
        emit(line)
    waiting = sum(bool(run["why"]) for run in about["runs"])
    if waiting:
        emit(paint(f"{plural(waiting, 'run')} waiting, but the queue has ended", "warn"))
        emit(paint(f"`spivae resume {about['id']}` goes on", "muted"))


def show_all(base: Path, tag: str | None, as_json: bool) -> None:
    """Print the list of the sweeps under a folder, newest first; with a tag, of those with such a run."""
    found = sorted(_summaries(base, tag), key=lambda about: -about["created"])
    if as_json:
        emit_json(found)
        return
    if not found:
        emit(f"No sweeps{f' with the tag {tag}' if tag is not None else ''} in {base}.")
        emit(paint("`spivae sweep RECIPE --grid A.B=V1,V2` starts one; --run-dir looks elsewhere.", "muted"))
        return
    for line in table(COLUMNS, [_row(about) for about in found]):
        emit(line)
    emit(paint("`spivae sweep SWEEP` shows its runs.", "muted"))


def _summaries(base: Path, tag: str | None) -> Iterator[dict[str, Any]]:
    """{id, path, process, grid, runs, states, best, metrics, created, why} of every sweep."""
    from spivae.cli.runs import documents
    from spivae.training.sweep import Sweep

    by_folder: dict[Path, list[dict[str, Any]]] = defaultdict(list)
    for run in documents(base):
        by_folder[Path(run["path"]).parent].append(run)
    for file in sorted(base.glob("*/sweep.json")):
        known = by_folder[file.parent]
        if tag is not None and not any(tag in run["tags"] for run in known):
            continue
        try:
            sweep = Sweep.open(file.parent)
        except SpivaeError as error:
            note(f"warning: {error}")
            continue
        about = document(sweep, known)
        runs, best = about["runs"], about["best"]
        yield {
            "id": sweep.id,
            "path": sweep.path,
            "process": sweep.process,
            "grid": about["grid"],
            "runs": len(runs),
            "states": states(runs),
            "best": best,
            "metrics": next((run["metrics"] for run in runs if run["id"] == best), {}),
            "created": sweep.info.created,
            "why": next((run["why"] for run in runs if run["why"]), ""),
        }


def _row(about: Mapping[str, Any]) -> list[str | Styled]:
    from spivae.training.differences import short_names

    counts, metrics = about["states"], about["metrics"]
    bad = sum(counts.get(state, 0) for state in ("failed", "lost", "broken"))

    def count(state: str, style: str) -> Styled:
        number = counts.get(state, 0)
        return Styled(f"{number:,}", style if number else "muted")

    return [
        about["id"],
        about["process"],
        " ".join(short_names(list(about["grid"])).values()),
        f"{about['runs']:,}",
        count("finished", "good"),
        count("running", "accent"),
        count("queued", ""),
        count("stopped", "warn"),
        Styled(f"{bad:,}", "bad" if bad else "muted"),
        wording.fixed(metrics.get("nll")),
        wording.fixed(metrics.get("neg_elbo")),
        wording.age(time.time() - about["created"]),
    ]
