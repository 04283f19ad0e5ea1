"""Figures for print, as PNG, SVG and PDF. They are drawn by matplotlib, and by this module alone.

matplotlib is imported when a figure is drawn, without pyplot: there is no display and no state to share. The
same figure gives the same bytes.
"""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING, Any, Literal

from spivae.errors import SpivaeError
from spivae.figure import heatmap as heat
from spivae.figure.mathtext import mathtext
from spivae.figure.paper import HEADING, LEADING, MM, POINT, SMALL, STYLE
from spivae.figure.paper_layout import BAR, EDGE, LETTER, OUT, TITLE, Box, Page, Placed, Room, arrange
from spivae.figure.paper_legend import words
from spivae.figure.paper_marks import draw_layers, sample_style
from spivae.figure.paper_panel import Prepared
from spivae.figure.paper_surface import draw_surface, viewpoint
from spivae.figure.paper_ticks import minor, places
from spivae.figure.scales import Scale
from spivae.figure.spec import Figure
from spivae.figure.ticks import Ticks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure as Canvas

Kind = Literal["png", "svg", "pdf"]
HINT = "pip install 'spivae[export]'"
_POINTS = 72 / 25.4  # in a mm


def picture(figure: Figure, kind: Kind) -> bytes:
    """The figure as the bytes of a PNG, SVG or PDF file. Raises SpivaeError where matplotlib is missing."""
    try:
        import matplotlib
        from matplotlib.figure import Figure as Canvas
    except ImportError as error:
        raise SpivaeError(f"a figure as {kind.upper()} needs matplotlib ({error}): {HINT}") from None

    page = arrange(figure)
    with matplotlib.rc_context(), warnings.catch_warnings():
        # of scripts that the font does not have; their letters are boxes
        warnings.filterwarnings("ignore", r"Glyph \d+")
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        canvas = Canvas(figsize=(page.width * MM, page.height * MM))
        azimuth = viewpoint(page.panels)
        for panel, box, room in zip(page.panels, page.axes, page.rooms, strict=True):
            _draw_panel(canvas, page, panel, box, room, azimuth)
        for placed in page.legends:
            _draw_legend(canvas, page, placed)
        _write_caption(canvas, page)
        return _printed(canvas, kind, figure)


def _printed(canvas: Canvas, kind: Kind, figure: Figure) -> bytes:
    """The file's bytes; it says what it shows, but no date, so that the same figure is the same file."""
    buffer = io.BytesIO()
    words: dict[str, str | None] = {"Title": figure.title} if figure.title else {}
    if figure.caption:
        words["Subject" if kind == "pdf" else "Description"] = figure.caption
    printer: Any  # each prints in one go, where savefig would draw everything twice
    if kind == "png":
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        printer = FigureCanvasAgg(canvas)
        printer.print_png(buffer, metadata=words | {"Software": "spivae"})
    elif kind == "svg":
        from matplotlib.backends.backend_svg import FigureCanvasSVG

        printer = FigureCanvasSVG(canvas)
        printer.print_svg(buffer, metadata=words | {"Date": None, "Creator": "spivae"})
    else:
        from matplotlib.backends.backend_pdf import FigureCanvasPdf

        printer = FigureCanvasPdf(canvas)
        printer.print_pdf(buffer, metadata=words | {"CreationDate": None, "Creator": "spivae"})
    return buffer.getvalue()


def _draw_panel(canvas: Canvas, page: Page, panel: Prepared, box: Box, room: Room, azimuth: float) -> None:
    place = box.within(page.width, page.height)
    if panel.surface is not None:
        draw_surface(canvas.add_axes(place, projection="3d"), panel, azimuth, box.width, box.height)
    else:
        axes = canvas.add_axes(place)
        _draw_frame(axes, panel, room)
        draw_layers(axes, panel)
        if panel.maps:
            _draw_bar(canvas, page, axes, panel, box, room)
    _write_title(canvas, page, box, room)


def _draw_frame(axes: Axes, panel: Prepared, room: Room) -> None:
    """Ticks and labels; the axes run from 0 to 1, whatever the scale."""
    axes.set(xlim=(0, 1), ylim=(0, 1), autoscale_on=False)
    _set_ticks(axes.xaxis, panel.x, room.x_ticks)
    _set_ticks(axes.yaxis, panel.y, room.y_ticks)
    axes.set_xlabel("\n".join(room.x_label))
    axes.set_ylabel("\n".join(room.y_label))
    if not panel.maps:
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set_position(("outward", OUT * _POINTS))


def _set_ticks(axis: Axis, scale: Scale, found: Ticks) -> None:
    axis.set_ticks(places(scale, found.values), [mathtext(label) for label in found.labels])
    axis.set_ticks(places(scale, minor(scale, found)), minor=True)


def _draw_bar(canvas: Canvas, page: Page, axes: Axes, panel: Prepared, box: Box, room: Room) -> None:
    """The colour bar of the first heatmap."""
    place = Box(box.x + box.width + BAR[0], box.y, BAR[1], box.height)
    bar_axes = canvas.add_axes(place.within(page.width, page.height))
    bar: Any = canvas.colorbar(axes.collections[0], cax=bar_axes)
    _set_ticks(bar_axes.yaxis, heat.value_scale(panel.maps[0]), room.bar_ticks)
    bar.set_label("\n".join(room.bar_label))
    bar.outline.set_visible(False)
    bar.solids.set(edgecolor="face", linewidth=0.1)


def _write_title(canvas: Canvas, page: Page, box: Box, room: Room) -> None:
    """The panel's title over its axes, and at the left of it the panel's letter."""
    x, y = box.x - OUT, box.y + box.height + room.legend + TITLE
    lines = room.title or [""]
    for line, text in enumerate(reversed(lines)):
        canvas.text(x / page.width, (y + LEADING[0] * line) / page.height, text, fontsize=HEADING)
    at = max(x - LETTER, EDGE) / page.width, (y + LEADING[0] * (len(lines) - 1)) / page.height
    canvas.text(*at, room.letter, fontsize=POINT, fontweight="bold")


def _draw_legend(canvas: Canvas, page: Page, placed: Placed) -> None:
    from matplotlib.lines import Line2D

    entries = placed.legend.entries
    canvas.legend(
        [Line2D([], [], **sample_style(entry)) for entry in entries],
        [words(entry.label) for entry in entries],
        title=words(placed.legend.title) or None,
        ncols=placed.columns,
        alignment="left",
        loc="upper left",
        bbox_to_anchor=(placed.x / page.width, placed.y / page.height),
    )


def _write_caption(canvas: Canvas, page: Page) -> None:
    for line, text in enumerate(reversed(page.caption)):
        y = EDGE + LEADING[1] * line + 0.8
        canvas.text(EDGE / page.width, y / page.height, text, fontsize=SMALL)
