"""Words that people put on runs. They stand in a file of their own: run.json is the trainer's."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from spivae.errors import SpivaeError
from spivae.files import replacing

_NAME = "tags.txt"
_WORD = re.compile(r"[\w.+-]{1,40}")


def read_tags(path: Path) -> list[str]:
    """The words on the run in a directory, in the order of the alphabet; none where they cannot be read."""
    try:
        found = (path / _NAME).read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError):
        return []
    return sorted({word for word in found if _WORD.fullmatch(word)})


def write_tags(path: Path, words: Iterable[str]) -> list[str]:
    """Put these words, and no others, on a run. Raises SpivaeError for one that is no word."""
    tags = sorted(set(words))
    for word in tags:
        if not _WORD.fullmatch(word):
            raise SpivaeError(
                f"{word!r}: is no tag; a tag has letters, digits and . _ + -, at most 40 of them"
            )
    with replacing(path / _NAME) as handle:
        handle.write("".join(f"{word}\n" for word in tags).encode())
    return tags
