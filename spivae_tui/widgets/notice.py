"""Words in the middle of an empty place: what is being done, or what went wrong and what to do."""

from __future__ import annotations

from typing import ClassVar

from rich.style import Style
from rich.text import Text
from textual.widget import Widget


def progress_bar(fraction: float, width: int, ascii_only: bool = False) -> tuple[str, str]:
    """The filled and the empty part of a bar of `width` cells."""
    filled = min(width, max(0, round(fraction * width)))
    full, empty = ("#", "-") if ascii_only else ("━", "━")
    return full * filled, empty * (width - filled)


class Notice(Widget):
    """A title, words beneath it, an optional progress bar, and keys that help."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        f"notice--{part}" for part in ("title", "words", "bad", "key", "bar", "bar-rest")
    }
    ALLOW_SELECT = True

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._content: tuple[str, str, float | None, tuple[tuple[str, str], ...], bool] = (
            "",
            "",
            None,
            (),
            False,
        )

    def show(
        self,
        title: str,
        words: str = "",
        *,
        progress: float | None = None,
        keys: tuple[tuple[str, str], ...] = (),
        bad: bool = False,
    ) -> None:
        """Say something else; nothing is drawn where it is the same."""
        new = (title, words, progress, keys, bad)
        if new != self._content:
            self._content = new
            self.refresh()

    def render(self) -> Text:
        title, words, progress, keys, bad = self._content

        def style(part: str) -> Style:
            return self.get_component_rich_style(f"notice--{part}")

        width = max(10, min(72, self.content_size.width - 4))
        lines = [Text(title, style("bad" if bad else "title"))]
        if words:
            lines += [Text(""), *Text(words, style("words")).wrap(self.app.console, width)]
        if progress is not None:
            full, rest = progress_bar(progress, min(40, width - 8), getattr(self.app, "ascii_only", False))
            lines += [Text(""), Text.assemble((full, style("bar")), (rest, style("bar-rest")))]
        if keys:
            lines += [Text("")]
            lines += [
                Text("    ").join(
                    Text.assemble((f"{key} ", style("key")), (does, style("words"))) for key, does in keys
                )
            ]
        for line in lines:
            line.rstrip()
            line.pad_left((self.content_size.width - line.cell_len) // 2)
        return Text("\n").join(lines)


def percent(done: int, total: int) -> float:
    """A share that can be shown, also where the total is not known."""
    return min(1.0, done / total) if total > 0 else 0.0
