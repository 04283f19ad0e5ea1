"""A `spivae analyze` that was run before, in a fraction of the time: without looking for plugins or options.

As a compiler's cache does, it notes a command with the files that went into its answers and when they were
written. While all of them are untouched, the answers are those that were kept; the usual way leads to the
same ones, and is taken in any doubt.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from spivae.checkpoint.naming import resolve
from spivae.cli.drawing import draw_figures
from spivae.errors import SpivaeError
from spivae.worker import results
from spivae.worker.sources import CORE, stamp

if TYPE_CHECKING:
    from spivae.worker.memory import Memory, Question
    from spivae.worker.results import Results

# what may lead to other plugins, packages or checkpoints
_ENVIRONMENT = ("SPIVAE_PLUGINS", "PYTHONPATH", "XDG_CONFIG_HOME", "HOME")


class Typed(NamedTuple):
    """The arguments after `spivae analyze`, and the one among them that names the checkpoint."""

    arguments: list[str]
    checkpoint: str


class Drawing(msgspec.Struct, frozen=True):
    """What a command asked of the terminal; None is as the terminal has it."""

    width: int | None = None
    height: int | None = None
    glyphs: str | None = None


class _Command(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The keys of a command's answers, and what must be as it was for them to be the right ones."""

    keys: list[str]
    checkpoint: str  # as it was typed
    file: str  # that it stood for
    places: list[str]
    stamp: str
    drawing: Drawing


def draw_again(arguments: Sequence[str]) -> bool:
    """Draw what `spivae analyze ARGUMENTS` drew; False, with nothing done, where that is not known."""
    kept = results.of_user()
    if kept is None:
        return False
    try:
        body = kept.read(_name(arguments))
        command = msgspec.msgpack.decode(body, type=_Command) if body is not None else None
        if command is None or str(resolve(command.checkpoint)) != command.file:
            return False
        if stamp(map(Path, command.places)) != command.stamp:
            return False
    except (OSError, SpivaeError, msgspec.MsgspecError, UnicodeError):
        return False
    # starting threads takes numpy longer than all that is computed here
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    answers = [kept.get(key) for key in command.keys]
    figures = [answer.figure for answer in answers if answer is not None]
    if len(figures) < len(answers):
        return False
    draw_figures(figures, command.drawing.width, command.drawing.height, command.drawing.glyphs)
    return True


def note_down(
    typed: Typed, questions: Sequence[Question], memory: Memory, kept: Results, drawing: Drawing
) -> None:
    """Let `draw_again` know a command whose questions have just been answered."""
    traces = [memory.trace(question) for question in questions]
    places = sorted({*_homes_of_plugins(), *(place for _, found in traces for place in found)})
    try:
        name, stamped = _name(typed.arguments), stamp(places)
    except OSError:
        return
    # only now: what is written from here on has another stamp
    keys = [key for key, _ in map(memory.trace, questions)]
    file = questions[0].checkpoint
    if not all(keys) or resolve(typed.checkpoint) != file:
        return
    command = _Command(keys, typed.checkpoint, str(file), [*map(str, places)], stamped, drawing)
    kept.write(name, msgspec.msgpack.encode(command))


def _name(arguments: Sequence[str]) -> str:
    """Under which name a command is kept. Raises OSError where the working directory is gone."""
    environment = [os.environ.get(name) for name in _ENVIRONMENT]
    parts = (list(arguments), os.getcwd(), str(CORE), sys.prefix, sys.version, environment)
    return hashlib.sha256(repr(parts).encode()).hexdigest() + ".command"


def _homes_of_plugins() -> list[Path]:
    """What differs once a package or a drop-in plugin is added or removed, or switched off or on."""
    from spivae import plugin_settings
    from spivae.plugin_sources import own_folder

    drop_ins = os.environ.get("SPIVAE_PLUGINS", "").split(os.pathsep)
    packages = [path for path in sys.path if path.endswith("-packages")]
    return [own_folder(), *plugin_settings.files(), *(Path(path) for path in (*drop_ins, *packages) if path)]
