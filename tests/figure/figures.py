"""Panels that resemble the real ones, and strategies for hostile ones."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from spivae.figure.cells import Row
from spivae.figure.look import Look
from spivae.figure.spec import Axis, Heatmap, Histogram, HLine, Line, Panel, Points, Text, VLine

LOOKS = tuple(
    Look(glyphs, colors, dark)  # type: ignore[arg-type]
    for glyphs in ("braille", "block", "ascii")
    for colors in ("truecolor", "256", "16", "none")
    for dark in (True, False)
)
ASCII = Look("ascii", "none")
BRAILLE = Look("braille", "none")

floats = st.floats(allow_nan=True, allow_infinity=True)
arrays = st.lists(floats, max_size=12).map(lambda values: np.array(values, dtype=float))
scales = st.sampled_from(["linear", "log", "symlog"])
limits = st.none() | floats
words = st.sampled_from(
    ["", "KL", "μ₀ against α", "a label far longer than any panel has room for, with 漢字"]
)
styles: dict[str, Any] = {
    "label": words,
    "color": st.none() | st.integers(-1, 9),
    "shade": st.none() | floats,
    "muted": st.booleans(),
}
axes = st.builds(Axis, label=words, unit=st.sampled_from(["", "nats"]), scale=scales, low=limits, high=limits)


@st.composite
def heatmaps(draw: st.DrawFn) -> Heatmap:
    rows, columns = draw(st.integers(0, 5)), draw(st.integers(0, 5))
    values = draw(st.lists(floats, min_size=rows * columns, max_size=rows * columns))
    edges = [draw(st.lists(floats, min_size=n + 1, max_size=n + 1)) for n in (rows, columns)]
    return Heatmap(
        x_edges=np.sort(np.array(edges[1])),
        y_edges=np.sort(np.array(edges[0])),
        values=np.array(values, dtype=float).reshape(rows, columns),
        scale=draw(st.sampled_from(["linear", "log"])),
        low=draw(limits),
        high=draw(limits),
        label=draw(words),
    )


marks = st.one_of(
    st.builds(Line, x=arrays, y=arrays, dashed=st.booleans(), **styles),
    st.builds(Points, x=arrays, y=arrays, **styles),
    st.builds(Histogram, edges=arrays.map(np.sort), counts=arrays, **styles),
    st.builds(HLine, y=floats, dashed=st.booleans(), **styles),
    st.builds(VLine, x=floats, dashed=st.booleans(), **styles),
    st.builds(Text, x=floats, y=floats, text=words, **styles),
    heatmaps(),
)
panels = st.builds(
    Panel, marks=st.lists(marks, max_size=4).map(tuple), x=axes, y=axes, title=words, legend=words
)


def text(rows: list[Row]) -> list[str]:
    """Drawn rows as plain lines, without the blanks at their ends."""
    return ["".join(span.text for span in row).rstrip() for row in rows]


def line(y: Any, x: Any = None, **options: Any) -> Line:
    values = np.asarray(y, dtype=float)
    places = np.arange(values.size) if x is None else np.asarray(x, dtype=float)
    return Line(x=places.astype(float), y=values, **options)


def colors(rows: list[Row]) -> set[str]:
    """Every colour used in drawn rows."""
    return {color for row in rows for span in row for color in (span.fg, span.bg) if color is not None}
