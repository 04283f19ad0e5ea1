"""The colours themselves."""

from __future__ import annotations

import functools

# Okabe and Ito's colours, neighbours apart; those that the background swallows left out.
CATEGORIES: dict[str, tuple[str | None, ...]] = {
    "rgb dark": ("#56B4E9", "#E69F00", "#009E73", "#CC79A7", "#F0E442", "#D55E00"),
    "rgb light": ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"),
    "16 dark": (
        "ansi_bright_cyan",
        "ansi_bright_yellow",
        "ansi_green",
        "ansi_bright_magenta",
        "ansi_bright_blue",
        "ansi_bright_red",
    ),
    "16 light": ("ansi_blue", "ansi_red", "ansi_green", "ansi_magenta", "ansi_yellow", "ansi_cyan"),
}
MUTED: dict[str, tuple[str | None, ...]] = {
    "rgb dark": ("#9E9E9E",),
    "rgb light": ("#767676",),
    "16 dark": ("ansi_white",),
    "16 light": ("ansi_bright_black",),
}
FRAME: dict[str, tuple[str | None, ...]] = {
    "rgb dark": ("#6C6C6C",),
    "rgb light": ("#A8A8A8",),
    "16 dark": ("ansi_bright_black",),
    "16 light": ("ansi_bright_black",),
}
LABELS: dict[str, tuple[str | None, ...]] = {
    "rgb dark": ("#B2B2B2",),
    "rgb light": ("#585858",),
    "16 dark": (None,),
    "16 light": (None,),
}
WARNING: dict[str, tuple[str | None, ...]] = {
    "rgb dark": ("#FF5F5F",),
    "rgb light": ("#D70000",),
    "16 dark": ("ansi_bright_red",),
    "16 light": ("ansi_red",),
}
BACKGROUNDS = ("#FFFFFF", "#101418")  # of light and of dark terminals, about
ANSI_RAMP = (
    "ansi_magenta",
    "ansi_blue",
    "ansi_bright_blue",
    "ansi_cyan",
    "ansi_green",
    "ansi_bright_green",
    "ansi_bright_yellow",
)

# Viridis (Smith and van der Walt, matplotlib, CC0) at 17 equal steps.
_VIRIDIS = (
    "440154", "48186A", "472D7B", "424086", "3B528B", "33638D", "2C728E", "26828E", "21918C",
    "1FA088", "28AE80", "3FBC73", "5EC962", "84D44B", "ADDC30", "D8E219", "FDE725",
)  # fmt: skip
# The same way through the xterm colours, each lighter than the one before.
XTERM_RAMP = (
    "#5F005F", "#5F0087", "#005F87", "#008787", "#00AF87",
    "#5FD787", "#87D75F", "#AFD75F", "#D7D75F", "#FFFF5F",
)  # fmt: skip
_VIRIDIS_RGB = [tuple(int(stop[i : i + 2], 16) for i in (0, 2, 4)) for stop in _VIRIDIS]


@functools.lru_cache(maxsize=256)
def viridis(fraction: float) -> str:
    """The viridis colour at a fraction of its length, 0 to 1."""
    place = fraction * (len(_VIRIDIS_RGB) - 1)
    index = min(int(place), len(_VIRIDIS_RGB) - 2)
    rest = place - index
    pair = zip(_VIRIDIS_RGB[index], _VIRIDIS_RGB[index + 1], strict=True)
    return "#" + "".join(f"{round(low + rest * (high - low)):02X}" for low, high in pair)


def between(color: str, other: str) -> str:
    """The colour half way between two."""
    pairs = ((int(color[at : at + 2], 16), int(other[at : at + 2], 16)) for at in (1, 3, 5))
    return "#" + "".join(f"{(one + two) // 2:02X}" for one, two in pairs)


_CUBE = (0, 95, 135, 175, 215, 255)


@functools.lru_cache(maxsize=1024)
def to_xterm(color: str) -> str:
    """The nearest of the 240 fixed xterm colours to "#rrggbb", again as "#RRGGBB"."""
    rgb = tuple(int(color[i : i + 2], 16) for i in (1, 3, 5))
    cube = tuple(min(_CUBE, key=lambda level: abs(level - part)) for part in rgb)
    level = min(max(round((sum(rgb) / 3 - 8) / 10), 0), 23) * 10 + 8
    grey = (level, level, level)

    def distance(other: tuple[int, ...]) -> int:
        return sum((a - b) ** 2 for a, b in zip(rgb, other, strict=True))

    best = min((cube, grey), key=distance)
    return "#" + "".join(f"{part:02X}" for part in best)
