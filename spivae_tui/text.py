"""How values are written in the app: numbers with their units, short and aligned."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from rich.cells import cell_len, set_cell_size

NOTHING = "–"


def number(value: float | None, digits: int = 4) -> str:
    """A number with `digits` decimals, or a dash."""
    if value is None or not math.isfinite(value):
        return NOTHING
    return f"{value:.{digits}f}"


def nats(value: float | None) -> str:
    """A KL divergence: two decimals while it is small, thousands separated when it is not."""
    if value is None or not math.isfinite(value):
        return NOTHING
    return f"{value:.2f}" if abs(value) < 1000 else f"{value:,.0f}"


def scientific(value: float | None, decimals: int = 2) -> str:
    """A short power of ten: 0.005 is 5e-3, 0.00272 is 2.72e-3, and 2.7e-3 to one decimal."""
    if value is None or not math.isfinite(value):
        return NOTHING
    if value == 0:
        return "0"
    mantissa, exponent = f"{value:.{decimals}e}".split("e")
    return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"


def size(count: int) -> str:
    """A file size in decimal units."""
    if count < 1000:
        return f"{count} B"
    value = float(count)
    for unit in ("kB", "MB", "GB", "TB"):
        value /= 1000
        if value < 999.5 or unit == "TB":
            return f"{value:.1f} {unit}" if value < 99.95 else f"{value:.0f} {unit}"
    raise AssertionError("unreachable")


def age(seconds: float) -> str:
    """How long ago, in one unit: now, 5 min, 3 h, 12 d, 4 mo, 2 y."""
    if seconds < 60:
        return "now"
    for limit, unit, length in ((3600, "min", 60), (86400, "h", 3600), (60 * 86400, "d", 86400)):
        if seconds < limit:
            return f"{int(seconds // length)} {unit}"
    days = seconds / 86400
    return f"{int(days // 30.44)} mo" if days < 730 else f"{int(days // 365.25)} y"


def surviving(metrics: Mapping[str, Any]) -> str:
    """Surviving latents of all, as 2/6, or a dash where they are not known."""
    alive = metrics.get("surviving")
    if alive is None:
        return NOTHING
    total = metrics.get("kl_latents")
    return f"{len(alive)}/{len(total)}" if total else str(len(alive))


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


def plural(count: int, one: str, many: str = "") -> str:
    """`1 run`, `2 runs`, `1,200 runs`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"
