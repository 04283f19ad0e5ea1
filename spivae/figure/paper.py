"""How figures look on a printed page: sizes in mm, type and colours."""

from __future__ import annotations

from typing import Any

from spivae.figure.look import MARKERS, Look

MM = 1 / 25.4  # inches
SINGLE, DOUBLE = 86.0, 178.0  # mm, the columns of most journals
DPI = 300  # of PNG, and of what is rasterised inside SVG and PDF
POINT = 8.0  # of the axes' labels
HEADING = 7.5  # of panels' titles
SMALL = 7.0  # of ticks, legends and the caption
THIN, LINE = 0.6, 1.0  # strokes in points
LEADING = 3.5, 3.1  # mm from one line to the next, of the larger and the smaller type

SAMPLE, SAMPLE_GAP, COLUMN_GAP = 1.4, 0.5, 1.0  # of legends, in em

LOOK = Look(glyphs="braille", colors="truecolor", dark=False)
INK = "#1A1A1A"
SHAPES = dict(zip(MARKERS, "o^sDvP", strict=True)) | {
    "•": "o",
    ".": "o",
    "✕": "x",
}  # matplotlib's names of our markers

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
    "legend.handlelength": SAMPLE,
    "legend.handletextpad": SAMPLE_GAP,
    "legend.labelspacing": 0.25,
    "legend.columnspacing": COLUMN_GAP,
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
