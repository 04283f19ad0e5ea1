"""How a run stands, in words: the lines above the curves, and what to do when it has ended."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from spivae import wording
from spivae_tui import text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spivae.figure.view import Reading
    from spivae.following.follower import RunView
    from spivae.following.usage import Usage

STATES = {
    "queued": ("…", "muted"),
    "running": ("▶", "accent"),
    "finished": ("✓", "good"),
    "stopped": ("‖", "warn"),
    "lost": ("?", "warn"),
    "failed": ("✗", "bad"),
}


class Piece(NamedTuple):
    """A few words and the role that colours them; the least important ones are dropped first."""

    words: str
    role: str = ""
    drop: int = 0


def roughly(seconds: float | None) -> str:
    """A time span that one reads off: under a minute, 5 min, 1 h 40 min."""
    if seconds is None or not math.isfinite(seconds):
        return wording.NOTHING
    minutes = round(seconds / 60)
    if minutes < 1:
        return "under a minute"
    if minutes < 60:
        return f"{minutes} min"
    return wording.duration((minutes if minutes < 600 else 10 * round(minutes / 10)) * 60)


def speed(steps_a_second: float | None, batch: int | None) -> str:
    """Steps a second, or seconds a step where it is slow; with trajectories where the batch is known."""
    if steps_a_second is None or steps_a_second <= 0:
        return ""
    fast = steps_a_second >= 0.95
    words = f"{steps_a_second:.3g} steps/s" if fast else f"{1 / steps_a_second:.2g} s/step"
    if batch:
        rate = steps_a_second * batch
        words += f" = {rate:.0f} trajectories/s" if rate < 1e4 else f" = {rate / 1000:.0f}k trajectories/s"
    return words


def state_line(view: RunView, now: float) -> list[Piece]:
    """State, epoch, step, speed, time gone and left."""
    info = view.info
    _, role = STATES.get(view.state, ("", ""))
    word = "stopping" if view.stopping and view.state == "running" else view.state
    pieces = [Piece(word, role)]
    if view.step:
        pieces.append(Piece(f"epoch {view.epoch:.2f} of {info.epochs}"))
        steps = f" of {info.steps:,}" if info.steps else ""
        pieces.append(Piece(f"step {view.step:,}{steps}", drop=2))
    if view.state == "running":
        batch = view.recipe.training.batch if view.recipe else None
        if view.speed:
            plain, _, more = speed(view.speed, batch).partition(" = ")
            pieces.append(Piece(plain, drop=4))
            if more:
                pieces.append(Piece(more, "muted", drop=6))
        if view.step:
            pieces.append(Piece(f"{wording.duration(view.seconds)} gone", "muted", drop=5))
        if view.left is not None:
            pieces.append(Piece(f"{roughly(view.left)} left", "strong", drop=1))
    elif view.state == "queued":
        pieces.append(Piece(view.job or "the trainer is starting", "muted"))
    elif view.step:
        took = info.finished - info.started if info.finished and info.started else view.seconds
        pieces.append(Piece(f"took {wording.duration(took)}", drop=3))
        if info.finished:
            pieces.append(Piece(f"ended {ago(now - info.finished)}", "muted", drop=4))
    return pieces


def detail_line(view: RunView) -> list[Piece]:
    """Phase, beta in both units, the losses, and where it runs."""
    info, recipe, pieces = view.info, view.recipe, []
    if view.last:
        phase = int(view.last.get("phase", 0)) + 1
        phases = f" of {len(recipe.training.phase)}" if recipe else ""
        pieces.append(Piece(f"phase {phase}{phases}", drop=2))
        beta = view.last.get("beta")
        in_units = text.true_beta(beta, recipe.model_args.predicted if recipe else None)
        units = f" = {in_units:.3g}/{recipe.model_args.predicted}" if in_units is not None and recipe else ""
        pieces.append(Piece(f"beta {wording.power(beta)}{units}", drop=3))
        pieces.append(Piece(f"lr {wording.power(_two_digits(view.last.get('lr')))}", drop=5))
    if view.epochs:
        newest = view.epochs[-1]
        pieces.append(Piece(f"-ELBO {wording.fixed(newest.get('neg_elbo'))}", "strong", drop=1))
        alive, kl = newest.get("surviving"), newest.get("kl") or ()
        if alive is not None and kl:
            pieces.append(Piece(f"{len(alive)} of {len(kl)} latents alive", drop=4))
    elif view.loss is not None:
        pieces.append(Piece(f"loss {wording.fixed(view.loss, 3)}", "strong", drop=1))
    if info.host:
        threads = f", {wording.plural(info.threads, 'thread')}" if info.threads else ""
        pieces.append(Piece(f"{info.host} pid {info.pid}{threads}", "muted", drop=6))
    return pieces


def usage(used: Usage | None) -> list[str]:
    """What a trainer takes: CPU in per cent of a core, memory, GPU; nothing where that is not known."""
    if used is None or used.memory is None:
        return []
    words = [] if used.cpu is None else [f"CPU {used.cpu:.0f} %"]
    words.append(wording.size(used.memory))
    if used.gpu is not None or used.gpu_memory is not None:
        parts = ["GPU"] + ([] if used.gpu is None else [f"{used.gpu:.0f} %"])
        words.append(" ".join(parts + ([wording.size(used.gpu_memory)] if used.gpu_memory else [])))
    return words


def readings(found: Sequence[Reading]) -> str:
    """What the curves of a panel are at the cursor."""
    return "  ".join(f"{reading.label} {short(reading.value)}" for reading in found)


def short(value: float | None) -> str:
    """A value read off a curve, to four digits."""
    return wording.NOTHING if value is None else f"{value:.4g}"


def _two_digits(value: float | None) -> float | None:
    # one digit more would change with every step, and nobody reads it
    return None if value is None else float(f"{value:.1e}")


def ago(seconds: float) -> str:
    """`just now`, `5 min ago`."""
    since = wording.age(seconds)
    return "just now" if since == "now" else f"{since} ago"


def advice(view: RunView) -> tuple[str, str]:
    """What has become of a run and what to do now, and a role for it; empty while all goes well."""
    info, checkpoint = view.info, view.checkpoint
    opens = f"⏎ opens {checkpoint.stem}." if checkpoint else "There is no checkpoint yet."
    if view.state == "finished":
        return f"Finished. {opens}", "good"
    if view.why:
        return f"{view.why[0].upper()}{view.why[1:]} with all that wait; r trains this one alone.", "warn"
    if view.state == "stopped":
        return f"Stopped and saved. {opens} r goes on; t edits the recipe and trains anew.", "warn"
    if view.state == "failed":
        reason = info.error or (
            view.log[-1] if view.log else "the trainer ended without a word; l shows its log"
        )
        saved = f" {opens}" if checkpoint else ""
        goes_on = "r goes on, at a lower rate if you like" if view.diverged_at is not None else "r goes on"
        return f"Failed: {reason}. t corrects the recipe and tries again, {goes_on}.{saved}", "bad"
    if view.state == "lost":
        # how far it was, which an epoch's line tells, stands above
        words = view.log[-1] if view.log else ""
        last = f" Its last words: {words}." if words and not words.startswith("epoch ") else ""
        gone = view.job or (
            f"process {info.pid} on {info.host} is gone without saying why (killed, out of memory, or "
            "the machine was restarted)"
        )
        return f"Lost: {gone}.{last} {opens} r goes on from its last save.", "warn"
    if view.state == "queued":
        # of one that is resumed, the log is still that of the trainer before
        said = [] if info.attempt else [line for line in view.log if line and line != info.id]
        return (f"Not started yet. Its log says: {said[-1]}", "warn") if said else ("", "")
    if view.stopping:
        return "Asked to stop: it saves and ends after this step.", "warn"
    return "", ""


def fit_pieces(pieces: list[Piece], width: int, gap: int = 2) -> list[Piece]:
    """The pieces that fit into `width` cells, the least important left out."""
    kept = list(pieces)
    while len(kept) > 1 and sum(len(piece.words) + gap for piece in kept) - gap > width:
        droppable = [piece for piece in kept if piece.drop]
        if not droppable:
            break
        kept.remove(max(droppable, key=lambda piece: piece.drop))
    return kept
