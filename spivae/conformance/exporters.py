"""Checks of an exporter: bytes, the same each time, of any figure."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np

from spivae.analysis import Result
from spivae.conformance.checking import Check, each, require
from spivae.errors import SpivaeError
from spivae.exporter import About, Exporter
from spivae.figure.spec import (
    Axis,
    Figure,
    Heatmap,
    Histogram,
    HLine,
    Line,
    Panel,
    Points,
    Text,
    VLine,
    encode,
)

X = np.linspace(0.1, 1, 4)
MARKS = (
    Line(x=X, y=X, label="line"),
    Points(x=X, y=np.array([1.0, np.nan, np.inf, 2.0])),
    Histogram(edges=X, counts=np.arange(3)),
    HLine(y=0.5),
    VLine(x=0.5),
    Text(x=0.1, y=0.1, text="α, <b>&"),
)
MAP = Heatmap(x_edges=X, y_edges=X, values=np.array([[1.0, np.nan, 2.0]] * 3), label="map")
FIGURE = Figure(
    title="Everything",
    panels=(
        Panel(title="marks", marks=MARKS, x=Axis(label="t", scale="log"), y=Axis(label="y", unit="nats")),
        Panel(title="map", marks=(MAP,)),
    ),
    caption="All that there is.",
)
RESULT = Result(
    arrays={"x": X, "names": np.array(["a", "b"])}, scalars={"mean": 0.5, "none": None, "all": [1, 2]}
)
ABOUT = About("everything", "Everything", {"n": 3}, {"seed": 0}, "models/sbm.safetensors")
EMPTY = (Figure(panels=()), Result(), About("nothing"))


def answers(exporter: Exporter) -> str:
    content = exporter.content(FIGURE, RESULT, ABOUT)
    require(isinstance(content, bytes), f"content gave {type(content).__name__}, not bytes")
    require(content, "content is empty")
    return f"{len(content):,} bytes"


def the_same_each_time(exporter: Exporter) -> str:
    before = encode(FIGURE), copy.deepcopy(RESULT.to_json())
    first, again = (exporter.content(FIGURE, RESULT, ABOUT) for _ in range(2))
    require(first == again, "the same answer gives two files: leave out the time of day and the like")
    require((encode(FIGURE), RESULT.to_json()) == before, "content changed what it was given")
    return ""


def an_empty_figure(exporter: Exporter) -> str:
    try:
        content = exporter.content(*EMPTY)
    except SpivaeError:  # a refusal, which users are shown
        return "is refused"
    require(isinstance(content, bytes), f"content gave {type(content).__name__}, not bytes")
    return ""


CHECKS: dict[str, Callable[[Exporter], str]] = {
    "answers": answers,
    "the same each time": the_same_each_time,
    "an empty figure": an_empty_figure,
}


def checks_of_exporter(exporter: Exporter) -> list[Check]:
    """All checks of one exporter."""
    return each(f"exporter {exporter.name}", exporter, CHECKS)
