"""Figures for print, as PNG, SVG and PDF. They are drawn by matplotlib, and by this module alone.

matplotlib is imported when a figure is drawn, without pyplot: there is no display and no state to share. The
same figure gives the same bytes.
"""

from __future__ import annotations

import io
import string
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from spivae.errors import SpivaeError
from spivae.figure import heatmap as heat
from spivae.figure.mathtext import mathtext
from spivae.figure.paper import DPI, MM, POINT, SMALL, STYLE, Sheet, sheet, wrapped
from spivae.figure.paper_legend import Legend, free_spot, ink, legends
from spivae.figure.paper_marks import draw_layers, sample_style
from spivae.figure.paper_panel import Prepared, prepare
from spivae.figure.paper_surface import draw_surface
from spivae.figure.paper_ticks import axis_label, minor, places, ticks
from spivae.figure.spec import Figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas
    from matplotlib.legend import Legend as DrawnLegend

Kind = Literal["png", "svg", "pdf"]
HINT = "pip install 'spivae[export]'"

_AROUND = 14.0, 12.0  # mm that labels take of a panel's width and height, before they have been measured
_CLEAR = 1.2  # mm around a legend inside the axes
_NARROW = 42.0  # mm; such axes are too narrow for a legend at their side


def picture(figure: Figure, kind: Kind) -> bytes:
    """The figure as the bytes of a PNG, SVG or PDF file. Raises SpivaeError where matplotlib is missing."""
    try:
        import matplotlib
        from matplotlib.figure import Figure as Canvas
    except ImportError as error:
        raise SpivaeError(f"a figure as {kind.upper()} needs matplotlib ({error}): {HINT}") from None

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        page = sheet(figure)
        canvas = Canvas(figsize=(page.width * MM, page.height * MM))
        if figure.panels:
            _compose(canvas, page, [prepare(panel) for panel in figure.panels])
        _write_caption(canvas, page, alone=not figure.panels)
        buffer = io.BytesIO()
        canvas.savefig(buffer, format=kind, dpi=DPI, metadata=_metadata(figure, kind))
    return buffer.getvalue()


def _metadata(figure: Figure, kind: Kind) -> dict[str, str | None]:
    """What the file says of itself; no dates, so that the same figure is the same file."""
    title, caption = figure.title or None, figure.caption or None
    if kind == "png":
        found = {"Software": "spivae", "Title": title, "Description": caption}
        return {name: value for name, value in found.items() if value is not None}
    if kind == "svg":
        return {"Date": None, "Creator": "spivae", "Title": title, "Description": caption}
    return {"CreationDate": None, "Creator": "spivae", "Title": title, "Subject": caption}


def _write_caption(canvas: Canvas, page: Sheet, *, alone: bool) -> None:
    if page.caption:
        canvas.text(
            2 / page.width,
            0.5 if alone else 1 / page.height,
            "\n".join(map(mathtext, page.caption.split("\n"))),
            fontsize=SMALL,
            va="center" if alone else "bottom",
            linespacing=1.15,
        )


# Panels


def _compose(canvas: Canvas, page: Sheet, prepared: Sequence[Prepared]) -> None:
    """Draw all panels, find room for their legends, and settle where everything goes."""
    panels = page.rows * page.panel_height
    canvas.set_layout_engine(
        "constrained",
        rect=(0, 1 - panels / page.height, 1, panels / page.height),
        w_pad=1.2 * MM,
        h_pad=1.2 * MM,
        wspace=0.02,
        hspace=0.03,
    )
    grid = canvas.add_gridspec(page.rows, page.columns)
    drawn: list[Axes] = []
    for index, panel in enumerate(prepared):
        where = grid[index // page.columns, index % page.columns]
        axes: Any = canvas.add_subplot(where, projection="3d" if panel.surface is not None else None)
        letter = string.ascii_lowercase[index % 26] if len(prepared) > 1 else ""
        _draw_panel(axes, panel, page, letter)
        drawn.append(axes)
    canvas.draw_without_rendering()
    _place_legends(canvas, page, prepared, drawn)
    canvas.draw_without_rendering()
    canvas.set_layout_engine("none")  # settled: saving would only do it again


def _draw_panel(axes: Any, panel: Prepared, page: Sheet, letter: str) -> None:
    width, height = page.panel_width - _AROUND[0], page.panel_height - _AROUND[1]
    if panel.surface is not None:
        draw_surface(axes, panel, width, height)
    else:
        if panel.maps:
            width -= _AROUND[0]
        _draw_axes(axes, panel, width, height)
        draw_layers(axes, panel)
        if panel.maps:
            _draw_bar(axes, panel, height)
    _write_title(axes, panel, width, letter)


def _write_title(axes: Any, panel: Prepared, width: float, letter: str) -> None:
    """The panel's letter and its title, in the line above the axes."""
    title = "\n".join(
        map(mathtext, wrapped(panel.panel.title, width + (1 if letter else 4), POINT).split("\n"))
    )
    lines = title.count("\n")
    place: dict[str, Any] = {
        "xy": (0, 1),
        "xycoords": "axes fraction",
        "textcoords": "offset points",
        "fontsize": POINT,
        "va": "baseline",
        "annotation_clip": False,
    }
    if letter:
        axes.annotate(letter + "\n" * lines, xytext=(0, 4), fontweight="bold", **place)
    if title:
        axes.annotate(title, xytext=(9 if letter else 0, 4), **place)


def _draw_axes(axes: Axes, panel: Prepared, width: float, height: float) -> None:
    """Limits, ticks and labels; the axes run from 0 to 1, whatever the scale."""
    axes.set(xlim=(0, 1), ylim=(0, 1), autoscale_on=False)
    for axis, scale, spec, length in (
        (axes.xaxis, panel.x, panel.panel.x, width),
        (axes.yaxis, panel.y, panel.panel.y, height),
    ):
        found = ticks(scale, length, across=axis is axes.xaxis)
        axis.set_ticks(places(scale, found.values), [mathtext(label) for label in found.labels])
        axis.set_ticks(places(scale, minor(scale, found)), minor=True)
        axis.set_label_text(axis_label(wrapped(spec.label, length, POINT), spec.unit, found.exponent))
    if not panel.maps:
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set_position(("outward", 2))


def _draw_bar(axes: Axes, panel: Prepared, height: float) -> None:
    """The colour bar of the first heatmap."""
    heatmap = panel.maps[0]
    scale = heat.value_scale(heatmap)
    bar = axes.figure.colorbar(axes.collections[0], ax=axes, pad=0.03, aspect=18, drawedges=False)
    found = ticks(scale, height, across=False)
    bar.set_ticks(places(scale, found.values), labels=[mathtext(label) for label in found.labels])
    bar.ax.yaxis.set_ticks(places(scale, minor(scale, found)), minor=True)
    bar.set_label(axis_label(wrapped(heatmap.label, height, POINT), "", found.exponent))
    bar.outline.set_linewidth(0)


# Legends


def _place_legends(canvas: Canvas, page: Sheet, prepared: Sequence[Prepared], drawn: Sequence[Axes]) -> None:
    """Each legend inside a panel that has room, else in a free cell of the grid, else beside its panel."""
    taken = [ink(panel) for panel in prepared]
    free = list(range(len(prepared), page.rows * page.columns))
    for legend in legends(prepared):
        if _place_inside(legend, prepared, drawn, taken):
            continue
        if free and len(legend.panels) > 1:
            _place_in_cell(canvas, page, legend, free.pop(0))
        else:
            _place_beside(drawn[legend.panels[0]], page, legend)


def _place_inside(
    legend: Legend, prepared: Sequence[Prepared], drawn: Sequence[Axes], taken: list[Any]
) -> bool:
    count = len(legend.entries)
    for index in legend.panels:
        if prepared[index].maps:
            continue
        axes = drawn[index]
        box = axes.get_window_extent()
        margin = _CLEAR * MM * DPI / box.width, _CLEAR * MM * DPI / box.height
        for columns in dict.fromkeys((1, 2, count)):
            made = _make(axes, legend, columns, loc="lower left")
            size = made.get_window_extent()
            spot = free_spot(taken[index], size.width / box.width, size.height / box.height, margin)
            if spot is not None:
                made.set_bbox_to_anchor(spot, axes.transAxes)
                made.set_in_layout(False)
                return True
            made.remove()
    return False


def _place_beside(axes: Axes, page: Sheet, legend: Legend) -> None:
    width = axes.get_window_extent().width / DPI / MM
    if width > _NARROW and not axes.collections:
        _make(axes, legend, 1, loc="upper left", bbox_to_anchor=(1.03, 1))
        return
    # in rows between the title and the axes, as many columns as fit
    for columns in range(len(legend.entries), 0, -1):
        made = _make(axes, legend, columns, loc="lower left", bbox_to_anchor=(0, 1.03))
        if columns == 1 or made.get_window_extent().width / DPI / MM <= width:
            break
        made.remove()
    rise = made.get_window_extent().height / DPI * 72 + 4
    for note in axes.texts:
        if getattr(note, "xyann", None) is not None:
            note.xyann = (note.xyann[0], note.xyann[1] + rise)  # type: ignore[attr-defined]


def _place_in_cell(canvas: Canvas, page: Sheet, legend: Legend, cell: int) -> None:
    grid = canvas.add_gridspec(page.rows, page.columns)
    axes = canvas.add_subplot(grid[cell // page.columns, cell % page.columns])
    axes.set_axis_off()
    _make(axes, legend, 1, loc="upper left").set_in_layout(False)


def _make(axes: Axes, legend: Legend, columns: int, **where: Any) -> DrawnLegend:
    from matplotlib.lines import Line2D

    samples = [Line2D([], [], **sample_style(entry)) for entry in legend.entries]
    made = axes.legend(
        samples,
        [mathtext(entry.label) for entry in legend.entries],
        title=mathtext(legend.title) or None,
        ncols=columns,
        alignment="left",
        **where,
    )
    return made
