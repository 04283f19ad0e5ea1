"""`spivae watch` of a sweep: its table in a terminal, a line a change anywhere else."""

from __future__ import annotations

import shutil
import sys
import time
from typing import TYPE_CHECKING, Any

from spivae import wording
from spivae.cli import sweeps
from spivae.cli.listing import tell_of_ended_queues
from spivae.cli.output import emit, emit_json, is_terminal
from spivae.errors import WorkFailed
from spivae.wording import plural

if TYPE_CHECKING:
    from rich.text import Text

    from spivae.training.sweep import Sweep

_LOOK_SECONDS = 0.5
_REST = 5  # times what a look has taken, which for very many runs is long
_FIRST = ("running", "failed", "lost", "broken", "finished", "stopped", "queued")  # where not all have room


def follow(sweep: Sweep, once: bool, as_json: bool) -> None:
    """Show a sweep until it has ended, or as it is now. Raises WorkFailed where a run failed or is lost."""
    drawn = is_terminal(sys.stdout) and not (once or as_json)
    about = sweeps.document(sweep)
    if not once:
        about = _draw(sweep, about) if drawn else _lines(sweep, about, silent=as_json)
    runs = about["runs"]
    if as_json:
        emit_json(about)
    elif once or drawn:
        sweeps.show(about)
    if not as_json:
        emit(f"{sweep.id}: {sweeps.standing(runs)}")
        if not (once or drawn):
            tell_of_ended_queues(run["why"] for run in runs)
    bad = [run["id"] for run in runs if run["state"] in ("failed", "lost")]
    if bad:
        more = f" and {len(bad) - 1} more" if len(bad) > 1 else ""
        raise WorkFailed(
            f"{sweep.id}: {plural(len(bad), 'run')} failed or lost ({bad[0]}{more}); `spivae logs RUN` says "
            f"why, `spivae resume {sweep.id}` tries again"
        )


def _is_over(sweep: Sweep, about: dict[str, Any]) -> bool:
    """Whether nothing of it is at work any more, nor is going to be."""
    from spivae.training.slurm import may_go_on

    if sweep.has_queue() or any(run["state"] in ("queued", "running") for run in about["runs"]):
        return False
    in_slurm = {run["id"] for run in about["runs"] if run["job"] is not None and run["state"] == "stopped"}
    return not in_slurm or not any(map(may_go_on, (r for r in sweep.runs().values() if r.id in in_slurm)))


def _looked(sweep: Sweep) -> dict[str, Any]:
    """Another look at it, after a while."""
    time.sleep(_LOOK_SECONDS)
    begun = time.monotonic()
    about = sweeps.document(sweep)
    time.sleep(max(0.0, _REST * (time.monotonic() - begun) - _LOOK_SECONDS))
    return about


def _lines(sweep: Sweep, about: dict[str, Any], *, silent: bool) -> dict[str, Any]:
    """A line for every change of a run's state, those that were before first; the last look."""
    known: dict[str, str] = {run["id"]: "queued" for run in about["runs"]}
    while True:
        for run in about["runs"]:
            state = run["state"] or "broken"
            if not silent and state != known.get(run["id"]) and not run["why"]:
                emit(f"{run['id']}: {state}{_result(run)}")
            known[run["id"]] = state
        sys.stdout.flush()
        if _is_over(sweep, about):
            return about
        about = _looked(sweep)


def _result(run: dict[str, Any]) -> str:
    metrics = run["metrics"]
    if run["state"] != "finished" or not metrics:
        return ""
    elbo, nll = wording.fixed(metrics.get("neg_elbo")), wording.fixed(metrics.get("nll"))
    return f"  NLL {nll}  KL {wording.nats(metrics.get('kl'))}  -ELBO {elbo}"


def _draw(sweep: Sweep, about: dict[str, Any]) -> dict[str, Any]:
    """The table, again and again in place; the last look."""
    from rich.console import Console
    from rich.live import Live

    if _is_over(sweep, about):
        return about
    with Live(console=Console(highlight=False), screen=True, auto_refresh=False) as live:
        while True:
            live.update(_frame(about, shutil.get_terminal_size().lines), refresh=True)
            if _is_over(sweep, about):
                return about
            about = _looked(sweep)


def _frame(about: dict[str, Any], height: int) -> Text:
    """How it stands and its table, in so many rows."""
    from rich.text import Text

    runs, room = about["runs"], height - 2
    below = []
    if len(runs) > room:
        runs = sorted(runs, key=_rank)[: room - 1]
        below = [f"{len(about['runs']) - len(runs):,} more; `spivae sweep {about['id']}` shows all"]
    head = f"{about['id']}  {sweeps.standing(about['runs'])}"
    rows = [Text.from_ansi(line) for line in (head, *sweeps.lines(about, runs), *below)]
    return Text("\n", no_wrap=True, overflow="ellipsis").join(rows)


def _rank(run: dict[str, Any]) -> tuple[int, float]:
    """What is at work comes first, then what went wrong, then the best."""
    elbo = run["metrics"].get("neg_elbo")
    return _FIRST.index(run["state"] or "broken"), float("inf") if elbo is None else float(elbo)
