"""How things are named, so that they can be typed on a command line and stand in a file."""

from __future__ import annotations

import re

from spivae.conformance.checking import require

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


def check_name(what: str, name: object) -> None:
    """Raises Broken for a name that cannot be typed as one word."""
    require(
        isinstance(name, str) and NAME.fullmatch(name),
        f"{what} {name!r}: a name is letters, digits, _ and -, and begins with a letter",
    )
