"""Zoom, pan, scales and a cursor for screens with curves: `_read` and `_zoom` in spivae_tui.actions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spivae_tui.screens.base import SpivaeScreen

if TYPE_CHECKING:
    from spivae.figure.spec import Figure
    from spivae.figure.view import View

CURSOR, PAN = 1 / 60, 1 / 4  # of what is shown, at each press of a key
READING = ("cursor_right", "cursor_left", "no_values")
LOOKING = ("values", "zoom_in", "axes")
OF_A_PART = ("zoom_out", "pan_right", "pan_left", "whole")  # there is nothing beyond the whole axis


class ViewingScreen(SpivaeScreen):
    """A screen with a figure of curves that share their x axis.

    A subclass gives `whole_figure` and shows it, with what `view` makes of it, in `show_view`.
    """

    _view: View | None = None

    @property
    def part(self) -> View:
        """What of the curves is looked at. numpy comes with it: not before the first frame."""
        if self._view is None:
            from spivae.figure.view import View

            self._view = View()
        return self._view

    @part.setter
    def part(self, view: View) -> None:
        self._view = view

    @property
    def is_reading(self) -> bool:
        """Whether a cursor reads values off."""
        return self._view is not None and self._view.cursor is not None

    def whole_figure(self) -> Figure | None:
        """The curves, all of them; None while there are none."""
        raise NotImplementedError

    def show_view(self) -> None:
        """Show the curves as `part` has them, at once."""
        raise NotImplementedError

    def view_words(self) -> list[str]:
        """What a title says of the part that is shown, and of the scales."""
        figure, view = self.whole_figure(), self._view
        if figure is None or view is None or not figure.panels:
            return []
        axis = figure.panels[0].x
        words: list[str] = [view.axes] if view.axes else []
        if view.cursor is not None:
            words.append(f"at {axis.label} {view.cursor:.4g}{f' {axis.unit}' if axis.unit else ''}")
        elif view.span is not None:
            words.append(f"{axis.label} {view.span[0]:.4g} to {view.span[1]:.4g}")
        return words

    def may_view(self, action: str) -> bool | None:
        """Whether an action of these is possible now; None for one that is none of these."""
        if action in READING:
            return self.is_reading
        if action in OF_A_PART and (self._view is None or self._view.span is None):
            return False
        if action in LOOKING or action in OF_A_PART:
            figure = self.whole_figure()
            return figure is not None and bool(figure.panels)
        return None

    def _see(self, view: View) -> None:
        if view != self.part:
            self.part = view
            self.show_view()
            self.refresh_bindings()

    def forget_part(self) -> None:
        """Show all of the curves, because they are drawn along something else now."""
        from dataclasses import replace

        self.part = replace(self.part, span=None, cursor=None)
        self.refresh_bindings()

    def action_values(self) -> None:
        figure = self.whole_figure()
        if self.is_reading:
            self.action_no_values()
        elif figure is not None:
            self._see(self.part.moved(0.0, figure))

    def action_no_values(self) -> None:
        from dataclasses import replace

        self._see(replace(self.part, cursor=None))

    def action_cursor_right(self) -> None:
        self._change("moved", CURSOR)

    def action_cursor_left(self) -> None:
        self._change("moved", -CURSOR)

    def action_zoom_in(self) -> None:
        self._change("zoomed", 0.5)

    def action_zoom_out(self) -> None:
        self._change("zoomed", 2.0)

    def action_pan_right(self) -> None:
        self._change("panned", PAN)

    def action_pan_left(self) -> None:
        self._change("panned", -PAN)

    def _change(self, how: str, by: float) -> None:
        figure = self.whole_figure()
        if figure is not None:
            self._see(getattr(self.part, how)(by, figure))

    def action_whole(self) -> None:
        from dataclasses import replace

        self._see(replace(self.part, span=None))

    def action_axes(self) -> None:
        self._see(self.part.with_next_axes())
