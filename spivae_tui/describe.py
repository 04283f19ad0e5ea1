"""Saying what a checkpoint is in words and short lines, for every place that shows one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from spivae import wording
from spivae_tui import text

if TYPE_CHECKING:
    from spivae.checkpoint import Checkpoint


def steps_predicted(checkpoint: Checkpoint) -> int | None:
    """L - R, the number of steps that the loss averages over; all L of them with padding."""
    length = checkpoint.model_args.get("o_dim")
    if not isinstance(length, int):
        return None
    if checkpoint.model_args.get("use_pad"):
        return length
    return max(1, length - checkpoint.receptive_field)


def short(item: Any) -> str:
    """A result in a few characters: numbers to four digits, in lists to two."""
    if isinstance(item, float):
        return f"{item:.4g}"
    if isinstance(item, Sequence) and not isinstance(item, str):
        parts = [f"{part:.2g}" if isinstance(part, float) else wording.short(part) for part in item]
        return " ".join(parts) or "none"
    return wording.short(item)


def arguments(mapping: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Names and short values of arguments."""
    return ((str(name), wording.short(item)) for name, item in mapping.items())


def metrics_line(metrics: Mapping[str, Any], steps: int | None = None) -> list[str]:
    """The metrics as short phrases: beta in both units, NLL, -ELBO, KL."""
    parts = []
    beta = metrics.get("beta")
    if beta is not None:
        in_units = text.true_beta(beta, steps)
        parts.append(
            f"beta {wording.power(beta)}" + (f" (×{steps} = {in_units:.3g})" if in_units is not None else "")
        )
    for key, label in (("nll", "NLL"), ("neg_elbo", "-ELBO")):
        if metrics.get(key) is not None:
            parts.append(f"{label} {wording.fixed(metrics[key])}")
    if metrics.get("kl") is not None:
        parts.append(f"KL {wording.nats(metrics['kl'])} nats")
    return parts


def latents_words(metrics: Mapping[str, Any]) -> str:
    """`2 of 6 latents: z0 z4`, or nothing where it is not known."""
    alive = metrics.get("surviving")
    if alive is None:
        return ""
    total = len(metrics.get("kl_latents") or ()) or "?"
    names = " ".join(f"z{index}" for index in alive)
    return f"{len(alive)} of {total} latents" + (f": {names}" if 0 < len(alive) <= 4 else "")


def bars(
    values: Sequence[float], width: int, ascii_only: bool = False
) -> Iterator[tuple[int, str, str, str]]:
    """Index, label, bar of `width` cells and number of each value, the largest first."""
    largest = max((abs(item) for item in values), default=0.0) or 1.0
    for index in sorted(range(len(values)), key=lambda at: -values[at]):
        share = max(0.0, values[index]) / largest
        bar = "#" * round(share * max(1, width)) if ascii_only else wording.bar(share, max(1, width))
        yield index, f"z{index}", bar.ljust(max(1, width)), wording.nats(values[index])
