"""What commands print: one JSON document, or text that is styled only where it goes to a terminal."""

from __future__ import annotations

import os
import shutil
import sys
from typing import Any, NamedTuple, TextIO

# how styles of ours read in a terminal; names say what a thing is, not how it looks
_CODES = {"heading": "1", "muted": "2", "bad": "31", "good": "32", "warn": "33", "accent": "36"}
_ASCII = {"–": "-", "…": "~", "·": "|", "×": "x", "±": "+-"}
_ASCII |= dict.fromkeys("█▉▊▋▌", "#") | dict.fromkeys("▍▎▏", "")


class Styled(NamedTuple):
    """Text and the name of its style."""

    text: str
    style: str


def emit_json(document: Any) -> None:
    """Print one JSON document; numbers that are not finite become null."""
    import msgspec

    encoded = msgspec.json.encode(document, enc_hook=_plain)
    sys.stdout.write(msgspec.json.format(encoded, indent=2).decode() + "\n")


def _plain(value: Any) -> Any:
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if hasattr(value, "tolist"):  # numpy, which need not be imported for this
        return value.tolist()
    raise NotImplementedError(f"{type(value).__name__} has no place in JSON")


def emit(text: str = "") -> None:
    """Print a line of the answer."""
    sys.stdout.write(readable(text, sys.stdout) + "\n")


def note(text: str) -> None:
    """Print a line beside the answer, on stderr."""
    sys.stderr.write(readable(text, sys.stderr) + "\n")
    sys.stderr.flush()


def tell_of_slurm() -> None:
    """Say on stderr why Slurm could not be asked, where anybody has tried to."""
    seen = sys.modules.get("spivae.slurm.queue")
    if seen is not None and seen.queue.problem is not None:
        note(f"warning: {seen.queue.problem}; runs in Slurm are shown as they last noted themselves")


def readable(text: str, stream: TextIO) -> str:
    """The text in characters that the stream can write."""
    try:
        text.encode(stream.encoding or "ascii")
    except UnicodeEncodeError:
        return "".join(_ASCII.get(char, char) for char in text)
    return text


def is_terminal(stream: TextIO) -> bool:
    return stream.isatty()


def width() -> int | None:
    """Cells in a line of the terminal; None where stdout is none, so that nothing is cut for it."""
    return shutil.get_terminal_size((80, 24)).columns if is_terminal(sys.stdout) else None


def paint(text: str, style: str) -> str:
    """The text with a style's escape codes, where stdout is a terminal that shows colours."""
    if not style or not text or not _colored():
        return text
    return f"\x1b[{_CODES[style]}m{text}\x1b[0m"


def _colored() -> bool:
    return (
        is_terminal(sys.stdout)
        and not os.environ.get("NO_COLOR")
        and os.environ.get("TERM", "dumb") not in ("dumb", "unknown")
    )
