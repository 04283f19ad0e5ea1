"""The numbers of a figure as one tidy CSV table: a row a point, with the panel and the mark it belongs to."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

import numpy as np

from spivae.figure.paper_layout import letter
from spivae.figure.spec import Figure, Heatmap, Histogram, HLine, Line, Mark, Panel, Points, Text, VLine

# `x` to `x_end` and `y` to `y_end` bound a bin; what has no extent or no place there leaves them empty.
COLUMNS = (
    *("panel", "title", "mark", "kind", "label", "x", "x_end", "y", "y_end", "value"),
    *("x_label", "x_unit", "y_label", "y_unit", "value_label"),
)
Point = tuple[Any, Any, Any, Any, Any]  # x, x_end, y, y_end, value
_KINDS: dict[type, str] = {
    **{Line: "line", Points: "points", Histogram: "histogram", Heatmap: "heatmap"},
    **{HLine: "hline", VLine: "vline", Text: "text"},
}


def table(figure: Figure) -> bytes:
    """The CSV table (UTF-8, header first). Numbers come back exactly; NaN and infinity are nan, inf and -inf.

    Panels bear their letters, marks their numbers in a panel, from 1.
    """
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for index, panel in enumerate(figure.panels):
        for number, mark in enumerate(panel.marks, start=1):
            before = (letter(index), panel.title, number, _KINDS[type(mark)], _label(mark))
            after = _described(panel, mark)
            for point in _points(mark):
                writer.writerow((*before, *map(_written, point), *after))
    return out.getvalue().encode()


def _label(mark: Mark) -> str:
    return mark.text if isinstance(mark, Text) else "" if isinstance(mark, Heatmap) else mark.label


def _described(panel: Panel, mark: Mark) -> tuple[str, str, str, str, str]:
    value = mark.label if isinstance(mark, Heatmap) else ""
    return panel.x.label, panel.x.unit, panel.y.label, panel.y.unit, value


def _points(mark: Mark) -> Iterator[Point]:
    if isinstance(mark, Line | Points):
        for x, y in zip(_plain(mark.x), _plain(mark.y), strict=False):
            yield x, None, y, None, None
    elif isinstance(mark, Histogram):
        edges = _plain(mark.edges)
        for low, high, count in zip(edges, edges[1:], _plain(mark.counts), strict=False):
            yield low, high, count, None, None
    elif isinstance(mark, Heatmap):
        across, along = _plain(mark.x_edges), _plain(mark.y_edges)
        for bottom, top, row in zip(along, along[1:], np.asarray(mark.values), strict=False):
            for left, right, value in zip(across, across[1:], _plain(row), strict=False):
                yield left, right, bottom, top, value
    elif isinstance(mark, HLine):
        yield None, None, mark.y, None, None
    elif isinstance(mark, VLine):
        yield mark.x, None, None, None, None
    else:
        yield mark.x, None, mark.y, None, None


def _plain(values: Any) -> list[Any]:
    found: list[Any] = np.asarray(values).ravel().tolist()
    return found


def _written(value: Any) -> str:
    return "" if value is None else repr(float(value)) if isinstance(value, float) else str(value)
