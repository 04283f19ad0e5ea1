"""Starting the app."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spivae.figure.look import Look

# Over SSH every frame costs bytes; Textual reads these when it is imported.
OVER_SSH = {"TEXTUAL_FPS": "15", "TEXTUAL_ANIMATIONS": "none", "TEXTUAL_SMOOTH_SCROLL": "0"}


def run(
    folders: Sequence[Path | str],
    *,
    mouse: bool = True,
    look: Look | None = None,
    theme: str | None = None,
) -> int:
    """Open the app on these folders and return its exit code.

    `look` decides how plots are drawn (default: as the terminal can), `theme` is a name of
    `spivae_tui.themes.THEMES` (default: as the terminal suggests).
    """
    if os.environ.get("SSH_CONNECTION"):
        for name, value in OVER_SSH.items():
            os.environ.setdefault(name, value)

    from spivae_tui import themes
    from spivae_tui.app import SpivaeApp

    app = SpivaeApp([Path(folder) for folder in folders], theme=theme or themes.choose(os.environ), look=look)
    app.run(mouse=mouse)
    return app.return_code or 0
