"""Text that fits its place, and beta in units of the ELBO's."""

from __future__ import annotations

from rich.cells import cell_len, set_cell_size


def true_beta(beta: float | None, predicted_steps: int | None) -> float | None:
    """beta in units of the ELBO's own weight, 1 / (number of predicted steps)."""
    return None if beta is None or not predicted_steps else beta * predicted_steps


def shorten(text: str, width: int) -> str:
    """The text in at most `width` cells; a long one keeps its end, where file names differ."""
    if cell_len(text) <= width:
        return text
    if width <= 1:
        return "…"[:width]
    tail = text
    while cell_len(tail) > width - 1:
        tail = tail[1:]
    return "…" + tail


def clip(text: str, width: int) -> str:
    """The text in at most `width` cells; a long one keeps its beginning."""
    if cell_len(text) <= width:
        return text
    return set_cell_size(text, width - 1) + "…" if width > 1 else "…"[:width]


def fit(text: str, width: int, right: bool = False, keep_end: bool = False) -> str:
    """The text in exactly `width` cells."""
    if cell_len(text) > width:
        return set_cell_size(shorten(text, width) if keep_end else clip(text, width), width)
    space = " " * (width - cell_len(text))
    return space + text if right else text + space
