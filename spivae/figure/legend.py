"""Legends: a column beside the canvas, or one line beneath it."""

from __future__ import annotations

from dataclasses import dataclass

from spivae.figure.cells import shorten
from spivae.figure.look import Look
from spivae.figure.scales import Scale
from spivae.figure.spec import Heatmap, HLine, Line, Mark, Panel, Points, VLine
from spivae.figure.strokes import Style, styles

GRADIENT_FROM = 5  # as many shaded curves or more become one gradient where a list does not fit

Piece = tuple[str, str | None]  # text, colour


@dataclass(frozen=True)
class Entry:
    """A sample of the mark and what it is called."""

    sample: str
    label: str
    fg: str | None
    shaded: bool = False

    @property
    def width(self) -> int:
        return len(self.sample) + 1 + len(self.label)


def entries(panel: Panel, look: Look, diverged: bool = False) -> list[Entry]:
    """An entry for each labelled mark, in order; Heatmaps are named by their colour bar instead."""
    found = []
    for mark, style in zip(panel.marks, styles(panel.marks, look), strict=True):
        if mark.label and not isinstance(mark, Heatmap):
            sample = _sample(mark, style, look)
            found.append(Entry(sample, look.text(mark.label), style.fg, style.shaded))
    if diverged:
        found.append(Entry("X" if look.ascii else "✕", "diverged", look.warning))
    return found


def _sample(mark: Mark, style: Style, look: Look) -> str:
    if isinstance(mark, Points):
        return style.marker
    if look.ascii:
        return style.marker * 2
    stroke = "╌" if isinstance(mark, HLine | VLine | Line) and mark.dashed else "─"
    plain = style.muted or style.shaded or isinstance(mark, HLine | VLine)
    return stroke * 2 if plain else stroke + style.marker


def beneath(found: list[Entry], title: str, width: int, look: Look) -> list[list[Piece]]:
    """The legend as lines of at most `width` cells; long shaded families become a gradient."""
    lines = _wrap([_pieces(entry) for entry in found], title, width)
    if len(lines) > 1:
        tight = _wrap([_pieces(entry, short=True) for entry in found], title, width, gap=" ")
        lines = tight if len(tight) < len(lines) else lines
    shaded = [entry for entry in found if entry.shaded]
    if len(lines) <= 1 or len(shaded) < GRADIENT_FROM:
        return lines
    rest = [_pieces(entry) for entry in found if not entry.shaded]
    family = gradient(shaded, look)
    if title:
        family = [(f"{title} ", look.labels), *family]
    return _wrap([family, *rest], "", width)


def _pieces(entry: Entry, short: bool = False) -> list[Piece]:
    return [(entry.sample[-1] if short else entry.sample, entry.fg), (f" {entry.label}", None)]


def _wrap(items: list[list[Piece]], title: str, width: int, gap: str = "  ") -> list[list[Piece]]:
    lines: list[list[Piece]] = []
    line: list[Piece] = [(f"{title}:", None)] if title and items else []
    for item in items:
        if line and length(line) + len(gap) + length(item) > width:
            lines.append(line)
            line = []
        line = [*line, (gap, None), *item] if line else item
    return [*lines, line] if line else lines


def gradient(found: list[Entry], look: Look) -> list[Piece]:
    """A family of shaded curves as "0.2 ▆▆▆▆▆▆▆▆ 1.8"."""
    cells = min(len(found), 10)
    chosen = [found[round(index * (len(found) - 1) / max(cells - 1, 1))] for index in range(cells)]
    samples: list[Piece] = [(entry.sample[0] if look.ascii else "▬", entry.fg) for entry in chosen]
    return [(f"{found[0].label} ", None), *samples, (f" {found[-1].label}", None)]


def beneath_heatmap(heatmap: Heatmap, scale: Scale, look: Look) -> list[Piece]:
    """A colour bar for panels too narrow to have one at their side."""
    low, high = f"{scale.low:.3g}", f"{scale.high:.3g}"
    levels = [(index + 0.5) / 8 for index in range(8)]
    bar: list[Piece] = [
        ("█" if look.colored and not look.ascii else look.density(level), look.heat(level))
        for level in levels
    ]
    label = f" {look.text(heatmap.label)}" if heatmap.label else ""
    return [(f"{low} ", None), *bar, (f" {high}{label}", None)]


def length(pieces: list[Piece]) -> int:
    return sum(len(text) for text, _ in pieces)


def cut(pieces: list[Piece], width: int, ellipsis: str) -> list[Piece]:
    """The pieces shortened to `width` cells."""
    if length(pieces) <= width:
        return pieces
    kept: list[Piece] = []
    for text, fg in pieces:
        room = width - length(kept)
        if len(text) >= room:
            return [*kept, (shorten(text + " " * 2, room, ellipsis), fg)]
        kept.append((text, fg))
    return kept
