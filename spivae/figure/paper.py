"""How figures look on a printed page: sizes in mm, type, colours, and how panels are laid out."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

from spivae.figure.look import MARKERS, Look
from spivae.figure.spec import Figure, Heatmap

MM = 1 / 25.4  # inches
SINGLE, DOUBLE = 86.0, 178.0  # mm, the columns of most journals
DPI = 300  # of PNG, and of what is rasterised inside SVG and PDF
POINT = 8.0  # of labels and titles
SMALL = 7.0  # of ticks, legends and the caption
THIN, LINE = 0.6, 1.0  # strokes in points
LINE_HEIGHT = 3.3  # mm of a line of small type

LOOK = Look(glyphs="braille", colors="truecolor", dark=False)
INK = "#1A1A1A"
SHAPES = dict(zip(MARKERS, "o^sDvP", strict=True)) | {"•": "o", ".": "o"}  # matplotlib's names of our markers

# Everything that a user's own matplotlibrc might change goes back to matplotlib's defaults first.
STYLE: Any = {
    "font.family": "sans-serif",
    # comes with matplotlib, so that a figure is the same everywhere, and has all of mathematics
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": POINT,
    "mathtext.fontset": "dejavusans",
    "axes.titlesize": POINT,
    "axes.labelsize": POINT,
    "axes.labelpad": 2.5,
    "axes.linewidth": THIN,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "xtick.major.width": THIN,
    "ytick.major.width": THIN,
    "xtick.minor.width": THIN * 2 / 3,
    "ytick.minor.width": THIN * 2 / 3,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.minor.size": 1.5,
    "ytick.minor.size": 1.5,
    "xtick.major.pad": 2.0,
    "ytick.major.pad": 2.0,
    "legend.fontsize": SMALL,
    "legend.title_fontsize": SMALL,
    "legend.frameon": False,
    "legend.borderpad": 0.0,
    "legend.borderaxespad": 0.0,
    "legend.handlelength": 1.4,
    "legend.handletextpad": 0.5,
    "legend.labelspacing": 0.25,
    "legend.columnspacing": 1.0,
    "lines.linewidth": LINE,
    "lines.solid_capstyle": "butt",
    "lines.solid_joinstyle": "round",
    "text.hinting": "none",
    "savefig.dpi": DPI,
    "figure.dpi": DPI,
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "spivae",  # and identifiers the same in every run
    "pdf.fonttype": 42,  # TrueType, which can be edited and which journals ask for
    "path.simplify": False,
}

# widths of DejaVu Sans's characters in em; those not named have 0.62
_EM = (
    dict.fromkeys(" .,:;'|!()[]ijltfrI-⁻", 0.35)
    | dict.fromkeys("mwMW@%⟨⟩", 0.95)
    | dict.fromkeys("⁰¹²³⁴⁵⁶⁷⁸⁹₀₁₂₃₄₅₆₇₈₉", 0.4)
    | dict.fromkeys("_^\u0302\u0303\u0304", 0.0)
)
_WORDS = re.compile(r"(?:[^\s(]|\([^()]*\)|\()+")
_ROW = {1: 60.0, 2: 58.0, 3: 47.0, 4: 41.0}  # mm of a row of panels, by the number of columns


@dataclass(frozen=True)
class Sheet:
    """The page of a figure: a grid of panels, and a caption of some lines beneath it."""

    columns: int
    rows: int
    width: float
    height: float
    caption: str = ""

    @property
    def panel_width(self) -> float:
        return self.width / self.columns

    @property
    def panel_height(self) -> float:
        return _ROW[self.columns]


def sheet(figure: Figure) -> Sheet:
    """The page for a figure: one column of a journal for a single panel, else two."""
    count = len(figure.panels)
    mapped = any(isinstance(mark, Heatmap) for panel in figure.panels for mark in panel.marks)
    columns = max(1, min(figure.columns or _columns(count), count, 3 if mapped else 4))
    rows = math.ceil(count / columns)
    width = SINGLE if columns == 1 else DOUBLE
    words = figure.caption if count else "\n".join(filter(None, (figure.title, figure.caption)))
    caption = wrapped(words, width - 4)
    lines = caption.count("\n") + 1 if caption else 0
    height = rows * _ROW[columns] + lines * LINE_HEIGHT + (2 if lines else 0)
    return Sheet(columns, rows, width, max(height, 2 * LINE_HEIGHT), caption)


def _columns(count: int) -> int:
    return {0: 1, 1: 1, 2: 2, 4: 2, 7: 4, 8: 4}.get(count, 3)


def width_of(text: str, size: float = SMALL) -> float:
    """About how wide a text is, in mm; what is raised or lowered is smaller."""
    raised = sum(len(found) for found in re.findall(r"[_^](?:\w+|\([^()]*\))", text))
    em = sum(_EM.get(char, 0.62) for char in text) - 0.25 * raised
    return em * size * 25.4 / 72


def wrapped(text: str, width: float, size: float = SMALL) -> str:
    """The text in lines of at most `width` mm, broken at spaces outside of brackets."""
    lines = []
    for paragraph in text.split("\n"):
        line = ""
        for word in _WORDS.findall(paragraph):
            longer = f"{line} {word}" if line else word
            if line and width_of(longer, size) > width:
                lines.append(line)
                longer = word
            line = longer
        lines.append(line)
    return "\n".join(lines)
