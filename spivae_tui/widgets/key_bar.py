"""The last line of a screen: the keys that work here, each of them clickable."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

from rich.cells import cell_len
from rich.segment import Segment
from textual import events
from textual.screen import Screen
from textual.strip import Strip
from textual.widget import Widget


class Key(NamedTuple):
    """A key, how it is shown, what it does, and whether it works now."""

    key: str
    display: str
    title: str
    enabled: bool


class KeyBar(Widget):
    """Keys from the active bindings. What does not fit is left out from the end; `?` always stays."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"key-bar--key", "key-bar--title", "key-bar--disabled"}
    ALLOW_SELECT = False

    def __init__(self) -> None:
        super().__init__()
        self.keys: tuple[Key, ...] = ()
        self._places: list[tuple[int, int, Key]] = []

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, self._bindings_updated)

    def _bindings_updated(self, screen: Screen[object]) -> None:
        # while the terminal's window is in the background nothing has the focus: keep what was shown
        if not self.is_attached or screen is not self.screen or not self.app.app_focus:
            return
        keys: dict[str, Key] = {}
        for binding in screen.active_bindings.values():
            if binding.binding.show and binding.binding.action not in keys:
                display = self.app.get_key_display(binding.binding)
                keys[binding.binding.action] = Key(
                    binding.binding.key, display, binding.binding.description, binding.enabled
                )
        if tuple(keys.values()) != self.keys:
            self.keys = tuple(keys.values())
            self.refresh()

    def _layout(self, width: int) -> list[tuple[int, int, Key]]:
        def cells(key: Key) -> int:
            return cell_len(key.display) + 1 + cell_len(key.title)

        last = [key for key in self.keys if key.display == "?"]
        room = width - 2 - sum(cells(key) + 2 for key in last)
        places, x = [], 1
        for key in self.keys:
            if key in last:
                continue
            if x + cells(key) > room:
                break
            places.append((x, cells(key), key))
            x += cells(key) + 2
        for key in last:
            places.append((max(x, width - cells(key) - 1), cells(key), key))
        return places

    def render_line(self, y: int) -> Strip:
        width, base = self.size.width, self.rich_style
        styles = {
            part: self.get_component_rich_style(f"key-bar--{part}") for part in ("key", "title", "disabled")
        }
        self._places = self._layout(width)
        segments, end = [], 0
        for start, cells, key in self._places:
            segments.append(Segment(" " * (start - end), base))
            segments.append(Segment(key.display, styles["key" if key.enabled else "disabled"]))
            segments.append(Segment(f" {key.title}", styles["title" if key.enabled else "disabled"]))
            end = start + cells
        return Strip(segments).simplify().adjust_cell_length(width, base)

    async def on_click(self, event: events.Click) -> None:
        for start, cells, key in self._places:
            if start <= event.x < start + cells and key.enabled:
                self.app.simulate_key(key.key)
