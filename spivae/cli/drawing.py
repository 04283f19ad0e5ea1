"""Figures on stdout, for commands; without click, so that what is known is drawn at once."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from spivae.cli.output import emit

if TYPE_CHECKING:
    from spivae.figure.spec import Figure


def draw_figures(
    figures: Sequence[Figure], width: int | None, height: int | None, glyphs: str | None
) -> None:
    """Draw figures one below the other; what is None is as the terminal has it."""
    from spivae.figure.look import Look
    from spivae.figure.showing import show

    wish = {} if glyphs is None else {"SPIVAE_GLYPHS": glyphs}
    look = Look.detect({**os.environ, **wish}, sys.stdout.encoding)
    for number, figure in enumerate(figures):
        if number:
            emit()
        show(figure, width, height, look, emit)
