"""How values are written by commands and in the app: short, aligned, with a dash for what is not known."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

NOTHING = "–"
EIGHTHS = ("", "▏", "▎", "▍", "▌", "▋", "▊", "▉")


def fixed(value: float | None, digits: int = 4) -> str:
    """A number with `digits` decimals."""
    return NOTHING if value is None or not math.isfinite(value) else f"{value:.{digits}f}"


def nats(value: float | None) -> str:
    """A divergence: decimals while it is small, thousands separated when it is not."""
    if value is None or not math.isfinite(value):
        return NOTHING
    if 0 < abs(value) < 0.1:
        return f"{value:.1g}" if abs(value) < 0.001 else f"{value:.3f}"
    return f"{value:.2f}" if abs(value) < 1000 else f"{value:,.0f}"


def power(value: float | None, decimals: int = 2) -> str:
    """A short power of ten: 0.005 is 5e-3, 0.00272 is 2.72e-3, and 2.7e-3 to one decimal."""
    if value is None or not math.isfinite(value):
        return NOTHING
    if value == 0:
        return "0"
    mantissa, exponent = f"{value:.{decimals}e}".split("e")
    return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"


def size(count: int) -> str:
    """A file size in decimal units."""
    value, unit = float(count), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if value < 999.5:
            break
        value, unit = value / 1000, larger
    return f"{value:.0f} {unit}" if unit == "B" or value >= 99.95 else f"{value:.1f} {unit}"


def age(seconds: float) -> str:
    """How long ago, in one unit: now, 5 min, 3 h, 12 d, 4 mo, 2 y."""
    if seconds < 60:
        return "now"
    for limit, unit, length in ((3600, "min", 60), (86400, "h", 3600), (60 * 86400, "d", 86400)):
        if seconds < limit:
            return f"{int(seconds // length)} {unit}"
    days = seconds / 86400
    return f"{int(days // 30.44)} mo" if days < 730 else f"{int(days // 365.25)} y"


def duration(seconds: float | None, decimals: int = 0) -> str:
    """A time span in two units: 42 s, 5 min 10 s, 2 h 05 min, 3 d 4 h; seconds in `decimals`."""
    if seconds is None or not math.isfinite(seconds):
        return NOTHING
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{max(0.0, seconds):.{decimals}f} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


def epochs(done: float, total: int) -> str:
    """How far a training is: 2.75/12. Rounded down, so that only the end is whole."""
    return f"{math.floor(100 * done + 1e-6) / 100:g}/{total}"


def survivors(metrics: Mapping[str, Any]) -> str:
    """Surviving latents of all of them, as 2/6."""
    alive = metrics.get("surviving")
    if alive is None:
        return NOTHING
    total = metrics.get("kl_latents")
    return f"{len(alive)}/{len(total)}" if total else str(len(alive))


def short(value: Any) -> str:
    """An argument in a few characters; a long list as its ends and its length."""
    if value is None or isinstance(value, bool):
        return {True: "yes", False: "no", None: NOTHING}[value]
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {short(item)}" for name, item in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        if len(value) > 6:
            return f"{short(value[0])} … {short(value[-1])} ({len(value)} values)"
        if len(value) > 1 and all(item == value[0] for item in value):
            return f"{len(value)} × {short(value[0])}"
        return ", ".join(short(item) for item in value)
    return str(value)


def bar(fraction: float, width: int) -> str:
    """A bar of up to `width` cells."""
    filled = min(max(fraction, 0.0), 1.0) * width
    return "█" * int(filled) + EIGHTHS[int(filled % 1 * 8)]


def plural(count: int, one: str, many: str = "") -> str:
    """`1 run`, `2 runs`, `1,200 runs`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"
