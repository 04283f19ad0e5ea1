"""How drawings look in a terminal: glyphs, colours, and what the terminal at hand can show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from spivae.figure.letters import ascii_text, single_cells
from spivae.figure.palettes import (
    ANSI_RAMP,
    BACKGROUNDS,
    CATEGORIES,
    FRAME,
    LABELS,
    MUTED,
    WARNING,
    XTERM_RAMP,
    between,
    to_xterm,
    viridis,
)

Glyphs = Literal["braille", "block", "ascii"]
Colors = Literal["truecolor", "256", "16", "none"]

MARKERS = "●▲■◆▼✚"
ASCII_MARKERS = "*+ox#%"
DENSITY = ".:-=+*#%@"


@dataclass(frozen=True)
class Look:
    """The glyphs, colours and background that drawings are made for."""

    glyphs: Glyphs = "braille"
    colors: Colors = "truecolor"
    dark: bool = True

    @classmethod
    def detect(cls, environ: Mapping[str, str], encoding: str | None) -> Look:
        """What a terminal with this environment and stdout encoding can show.

        Knows NO_COLOR, COLORTERM, TERM and COLORFGBG. SPIVAE_GLYPHS (braille, block or ascii) overrides
        the glyphs, except where the encoding could not write them.
        """
        term = environ.get("TERM", "").lower()
        colorterm = environ.get("COLORTERM", "").lower()
        colors: Colors = "16"
        if environ.get("NO_COLOR") or term in ("", "dumb", "unknown"):
            colors = "none"
        elif colorterm in ("truecolor", "24bit") or "direct" in term:
            colors = "truecolor"
        elif "256" in term or any(name in term for name in ("kitty", "alacritty", "ghostty", "foot")):
            colors = "256"
        glyphs: Glyphs = "braille"
        wish = environ.get("SPIVAE_GLYPHS", "").lower()
        unicode = (encoding or "").lower().replace("-", "").replace("_", "").startswith("utf")
        # The Linux console's font has neither braille nor quadrants.
        if not unicode or wish == "ascii" or (term in ("linux", "dumb") and not wish):
            glyphs = "ascii"
        elif wish == "block":
            glyphs = "block"
        background = environ.get("COLORFGBG", "").rpartition(";")[2]
        dark = not (background.isdigit() and int(background) in (7, *range(9, 16)))
        return cls(glyphs=glyphs, colors=colors, dark=dark)

    @property
    def ascii(self) -> bool:
        return self.glyphs == "ascii"

    @property
    def colored(self) -> bool:
        return self.colors != "none"

    def category(self, index: int) -> str | None:
        """The colour of one of the six categories; an index beyond them starts again."""
        return self._named(CATEGORIES, index % 6)

    def marker(self, index: int) -> str:
        """The marker that belongs to a category."""
        return (ASCII_MARKERS if self.ascii else MARKERS)[index % 6]

    def shade(self, fraction: float) -> str | None:
        """The colour of a curve in an ordered family, readable on the background."""
        fraction = min(max(fraction, 0.0), 1.0)
        return self.heat(0.25 + 0.75 * fraction if self.dark else 0.85 * fraction)

    def faint(self, color: str | None) -> str | None:
        """A colour half way to the background, for what stands behind a curve; grey where there are 16."""
        if color is None or not color.startswith("#"):
            return self.muted
        return self._hex(between(color, BACKGROUNDS[self.dark]))

    def bright(self, color: str | None) -> str | None:
        """A colour half way to that of the words, for the curve of a family that is looked at."""
        if color is None or not color.startswith("#"):
            return color
        return self._hex(between(color, BACKGROUNDS[not self.dark]))

    def heat(self, fraction: float) -> str | None:
        """The colour of a value in a heatmap, 0 to 1."""
        fraction = min(max(fraction, 0.0), 1.0)
        if self.colors == "none":
            return None
        if self.colors != "truecolor":
            ramp = ANSI_RAMP if self.colors == "16" else XTERM_RAMP
            return ramp[min(int(fraction * len(ramp)), len(ramp) - 1)]
        # 64 steps are finer than the eye and keep neighbouring cells in one span.
        return viridis(round(fraction * 63) / 63)

    def density(self, fraction: float) -> str:
        """A character that is the darker, the higher the value, 0 to 1."""
        fraction = min(max(fraction, 0.0), 1.0)
        return DENSITY[min(int(fraction * len(DENSITY)), len(DENSITY) - 1)]

    @property
    def muted(self) -> str | None:
        return self._named(MUTED, 0)

    @property
    def frame(self) -> str | None:
        return self._named(FRAME, 0)

    @property
    def labels(self) -> str | None:
        return self._named(LABELS, 0)

    @property
    def warning(self) -> str | None:
        return self._named(WARNING, 0)

    @property
    def ellipsis(self) -> str:
        return "~" if self.ascii else "…"

    def text(self, text: str) -> str:
        """The text in characters that this look can show, one cell each."""
        return ascii_text(text) if self.ascii else single_cells(text)

    def _named(self, table: Mapping[str, tuple[str | None, ...]], index: int) -> str | None:
        if self.colors == "none":
            return None
        kind = "16" if self.colors == "16" else "rgb"
        name = table[f"{kind} {'dark' if self.dark else 'light'}"][index]
        return name if name is None or name.startswith("ansi") else self._hex(name)

    def _hex(self, color: str) -> str:
        return to_xterm(color) if self.colors == "256" else color
