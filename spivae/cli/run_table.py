"""A table of runs that differ in some fields, the best one marked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from spivae import wording
from spivae.cli.listing import STATES
from spivae.cli.output import Styled
from spivae.cli.table import Column, table
from spivae.errors import SpivaeError

METRICS = {"neg_elbo": "-ELBO", "nll": "NLL", "kl": "KL"}


def best_id(runs: Sequence[Mapping[str, Any]]) -> str | None:
    """The id of the best run; runs are documents {id, metrics, ...}."""
    from spivae.following.comparison import best_of

    index = best_of([run["metrics"] for run in runs])
    return None if index is None else str(runs[index]["id"])


def ordered(runs: list[dict[str, Any]], key: str | None, fields: Sequence[str]) -> list[dict[str, Any]]:
    """Runs by a metric or a field, those without a value last. Raises SpivaeError for an unknown key."""
    if key is None:
        return runs
    full = next((path for path in fields if path == key or path.endswith(f".{key}")), None)
    if key not in METRICS and full is None:
        raise SpivaeError(f"--sort: {key!r} is none of {', '.join([*METRICS, *fields])}")

    def rank(run: dict[str, Any]) -> tuple[bool, float, str]:
        value = run["metrics"].get(key) if full is None else run["settings"].get(full)
        try:
            return value is None, float(value), ""
        except (TypeError, ValueError):
            return value is None, 0.0, str(value)

    return sorted(runs, key=rank)


def run_table(runs: Sequence[dict[str, Any]], fields: Mapping[str, str], best: str | None) -> Iterator[str]:
    """The lines: runs as documents {id, settings, state, epoch, epochs, metrics}, `fields` path: heading."""
    metrics = zip(METRICS.values(), (0, 3, 1), strict=True)
    columns = [
        Column(""),
        Column("run", shortens=True),
        *(Column(heading, right=True) for heading in fields.values()),
        Column("state"),
        Column("epoch", right=True, drop=2),
        *(Column(title, right=True, drop=drop) for title, drop in metrics),
        Column("latents", right=True, drop=4),
    ]
    return table(columns, [_row(run, fields, best) for run in runs])


def _row(run: Mapping[str, Any], fields: Mapping[str, str], best: str | None) -> list[str | Styled]:
    metrics, state = run["metrics"], run["state"] or "broken"
    style = "good" if run["id"] == best else ""
    return [
        Styled("*" if style else "", style),
        Styled(run["id"], style),
        *(wording.short(run["settings"].get(path)) for path in fields),
        Styled(state, STATES.get(state, "bad" if state == "broken" else "")),
        wording.NOTHING if run["epochs"] is None else wording.epochs(run["epoch"], run["epochs"]),
        Styled(wording.fixed(metrics.get("neg_elbo")), style),
        wording.fixed(metrics.get("nll")),
        wording.nats(metrics.get("kl")),
        wording.survivors(metrics),
    ]
