from __future__ import annotations

import io

from figures import LOOKS, line
from rich.console import Console

from spivae.figure.cells import Span
from spivae.figure.rich_text import to_rich
from spivae.figure.spec import Panel
from spivae.figure.terminal import draw_panel


def test_rows_become_text_that_never_wraps() -> None:
    for look in LOOKS:
        rows = draw_panel(Panel(title="Loss", marks=(line([3, 2, 1], label="train"),)), 40, 12, look)
        texts = to_rich(rows)
        assert [text.plain for text in texts] == ["".join(span.text for span in row) for row in rows]
        console = Console(file=io.StringIO(), width=20, force_terminal=True)
        for text in texts:
            console.print(text)


def test_colours_and_weight_are_kept() -> None:
    (text,) = to_rich([[Span("a", "#56B4E9", None, True), Span("b", "ansi_bright_red", "ansi_blue", False)]])
    first, second = (span.style for span in text.spans)
    assert str(first) == "bold #56b4e9"
    assert str(second) == "bright_red on blue"
