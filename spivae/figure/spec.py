"""What to draw, without a backend: a figure is panels of marks on two axes.

Every class is a msgspec struct, so a figure crosses a pipe or becomes JSON as it is (see `encode`).
Arrays may hold NaN or infinity: a backend leaves those out and breaks the line there.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Scale = Literal["linear", "log", "symlog"]
_KINDS = "biufcSU"  # of dtypes whose bytes say everything


class _Part(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    pass


class _Mark(_Part, frozen=True, kw_only=True, eq=False, tag=True):
    """What all marks share.

    `color` picks one of the six categorical colours (each with a marker of its own); `shade` in [0, 1] picks
    from the sequential map instead, for ordered families of curves. Neither: the next categorical colour.
    `muted` is for theory and guides: behind the data, grey, or a fainter shade of the colour it names.
    `front` is for the one that is looked at: over the others, and bolder.
    """

    label: str = ""
    color: int | None = None
    shade: float | None = None
    muted: bool = False
    front: bool = False


class Line(_Mark, frozen=True, kw_only=True, eq=False, tag=True):
    """A polyline through (x, y), both (n,)."""

    x: np.ndarray
    y: np.ndarray
    dashed: bool = False


class Points(_Mark, frozen=True, kw_only=True, eq=False, tag=True):
    """Markers at (x, y), both (n,)."""

    x: np.ndarray
    y: np.ndarray


class Histogram(_Mark, frozen=True, kw_only=True, eq=False, tag=True):
    """Counts (k,) between edges (k + 1,), drawn as an outline."""

    edges: np.ndarray
    counts: np.ndarray


class Heatmap(_Mark, frozen=True, kw_only=True, eq=False, tag=True):
    """Values (ny, nx) between x_edges (nx + 1,) and y_edges (ny + 1,); NaN cells stay empty.

    `label` names the colour bar; low and high bound it (default: the data's own). `surface` asks for a
    rotated surface in space from a backend that can; the others draw the map.
    """

    x_edges: np.ndarray
    y_edges: np.ndarray
    values: np.ndarray
    scale: Literal["linear", "log"] = "linear"
    low: float | None = None
    high: float | None = None
    surface: bool = False


class HLine(_Mark, frozen=True, kw_only=True, eq=False, tag=True):
    """A horizontal line over the whole panel."""

    y: float
    dashed: bool = True


class VLine(_Mark, frozen=True, kw_only=True, eq=False, tag=True):
    """A vertical line over the whole panel."""

    x: float
    dashed: bool = True


class Text(_Mark, frozen=True, kw_only=True, eq=False, tag=True):
    """A word at (x, y), its left end there."""

    x: float
    y: float
    text: str


Mark = Line | Points | Histogram | Heatmap | HLine | VLine | Text


class Axis(_Part, frozen=True, kw_only=True, eq=False):
    """An axis; limits that are None follow the data."""

    label: str = ""
    unit: str = ""
    scale: Scale = "linear"
    low: float | None = None
    high: float | None = None


class Panel(_Part, frozen=True, kw_only=True, eq=False):
    """Marks on a pair of axes. The legend, titled `legend`, lists labelled marks in their order."""

    marks: tuple[Mark, ...] = ()
    x: Axis = Axis()
    y: Axis = Axis()
    title: str = ""
    legend: str = ""


class Figure(_Part, frozen=True, kw_only=True, eq=False):
    """Panels in reading order; `columns` is a wish that a backend follows where there is room."""

    panels: tuple[Panel, ...]
    title: str = ""
    caption: str = ""
    columns: int | None = None


def encode_array(value: object) -> object:
    """What MessagePack is given for an array: dtype, shape and raw bytes. For numbers and text alone."""
    if isinstance(value, np.ndarray) and value.dtype.kind in _KINDS:
        return {"dtype": value.dtype.str, "shape": value.shape, "data": value.tobytes()}
    if isinstance(value, np.generic):
        return value.item()
    what = f"an array of {value.dtype}" if isinstance(value, np.ndarray) else type(value).__name__
    raise NotImplementedError(f"{what} cannot be encoded")


def decode_array(kind: type, value: Any) -> object:
    """The inverse, a view of the bytes that cannot be written to. Raises ValueError or TypeError."""
    if kind is not np.ndarray or not isinstance(value, dict) or value.keys() != {"dtype", "shape", "data"}:
        raise ValueError(f"is no {kind.__name__}")
    dtype = np.dtype(value["dtype"])
    if dtype.kind not in _KINDS:
        raise ValueError(f"an array cannot hold {dtype}")
    return np.frombuffer(value["data"], dtype).reshape(value["shape"])


def encode(figure: Figure) -> bytes:
    """The figure as MessagePack, arrays as raw bytes; `decode` is the inverse."""
    return msgspec.msgpack.encode(figure, enc_hook=encode_array)


def decode(data: bytes) -> Figure:
    """The figure that `encode` wrote. Raises msgspec.ValidationError on anything else."""
    return msgspec.msgpack.decode(data, type=Figure, dec_hook=decode_array)
