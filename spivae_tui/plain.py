"""ASCII in place of every other character, for terminals whose encoding has nothing else."""

from __future__ import annotations

from rich.cells import cell_len
from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

_LIKE = {
    "-": "–—─╌▔▁",
    "|": "│┃┆▏▎▍▌▋▊▉▕",
    "+": "┌┐└┘├┤┬┴┼╭╮╰╯┏┓┗┛",
    "#": "█▇▆▅▄▀",
    ">": "›▶→»",
    "<": "‹←«⏎",
    "^": "↑▴▲",
    "v": "↓▾▼",
    "x": "×✗✕",
    "~": "…",
    "=": "‖━",
    ".": "·•┄",
    '"': "“”",
    "'": "‘’",
    " ": "\u00a0",
}
_TABLE = {ord(char): plain for plain, chars in _LIKE.items() for char in chars}


def ascii_only(text: str) -> str:
    """The text in ASCII and exactly as wide."""
    if text.isascii():
        return text
    return "".join(char if char.isascii() else "?" * cell_len(char) for char in text.translate(_TABLE))


class AsciiFilter(LineFilter):
    """Applied to every line before it is sent."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """The segments with their texts in ASCII."""
        return [Segment(ascii_only(text), style, control) for text, style, control in segments]
