"""How much room printed text takes, known without drawing it: widths of DejaVu Sans, and breaking lines."""

from __future__ import annotations

import functools
import re

from spivae.figure.mathtext import mathtext

_SCRIPT = re.compile(r"[_^]\{((?:[^{}]|\{[^{}]*\})*)\}")
_COMMAND = re.compile(r"\\(?:mathrm|hat|tilde|bar|dot)|[{}$\\]")
_WORD = re.compile(r"(?:[^\s(]|\((?:[^()]|\([^()]*\))*\)|\()+")  # what stands in brackets stays together
_RAISED = 0.7  # size of sub- and superscripts
_USUAL = 0.63
# advance widths in em of those that differ from most
_EM = {
    char: width
    for width, chars in (
        (0.28, "'ijlIJ"), (0.33, " ,.·/:;\\|f-"), (0.40, "t()[]⟨⟩!r²³"), (0.52, "\"*`szc?⁻εζ"),
        (0.58, "LνξΓkFχvxyγλ"), (0.70, "AVΔBRXZCU"), (0.77, "HNΩDG&OQΦ"), (0.84, "w#+<=>~ω×−±M"),
        (0.98, "%mW@…"),
    )
    for char in chars
}  # fmt: skip


@functools.lru_cache(maxsize=4096)
def width_of(shown: str, size: float) -> float:
    """About how wide a label for matplotlib is, in mm; `size` in points."""
    shown = shown.replace(r"\times", " × ")
    raised = "".join(_SCRIPT.findall(shown)).replace("-", "−")
    em = _width(_SCRIPT.sub("", shown)) + _RAISED * _width(raised)
    return em * size * 25.4 / 72


def _width(text: str) -> float:
    return sum(_EM.get(char, _USUAL) for char in _COMMAND.sub("", text))


def lines_of(text: str, width: float, size: float) -> list[str]:
    """A label in lines of at most `width` mm for matplotlib, broken at spaces outside of brackets."""
    lines: list[str] = []
    for paragraph in text.split("\n"):
        line = ""
        for word in _WORD.findall(paragraph):
            longer = f"{line} {word}" if line else word
            if line and width_of(mathtext(longer), size) > width:
                lines.append(line)
                longer = word
            line = longer
        if line:
            lines.append(line)
    return [mathtext(line) for line in lines]
