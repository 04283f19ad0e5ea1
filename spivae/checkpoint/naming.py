"""From what a person types to the checkpoint that they mean."""

from __future__ import annotations

import difflib
import os
import stat
from pathlib import Path

from spivae.errors import SpivaeError

SUFFIXES = (".safetensors", ".tar")


def shipped_models() -> Path:
    """The folder of the checkpoints that come with spivae (the package `spivae_models`)."""
    import importlib.util

    spec = importlib.util.find_spec("spivae_models")
    if spec is not None:
        for folder in spec.submodule_search_locations or ():
            return Path(folder)
    # a checkout that is not installed
    return Path(__file__).resolve().parents[2] / "models"


def resolve(name: str | os.PathLike[str]) -> Path:
    """The file that `name` stands for: a path with or without its suffix, a run, or a shipped model.

    A run's folder stands for its best checkpoint, or its last one; `RUN/best` for that one of its
    checkpoints; `sbm` and `models/sbm` for the shipped model. Raises SpivaeError that names what is near.
    """
    text = os.fspath(name)
    if not text or "\0" in text:
        raise SpivaeError(f"{text!r}: is no path of a checkpoint")
    path = Path(text).expanduser()
    for candidate in _candidates(path):
        if _is_file(candidate):
            return candidate
    if os.path.isdir(path):
        raise SpivaeError(f"{text}: is a folder without a checkpoint of that name; {_suggest(path / '')}")
    raise SpivaeError(f"{text}: no such checkpoint; {_suggest(path)}")


def _candidates(path: Path) -> list[Path]:
    """Where to look, in order."""
    found = _with_suffixes(path)
    if os.path.isfile(path / "run.json"):
        for stem in ("best", "final", "stopped", "last"):
            found += _with_suffixes(path / "checkpoints" / stem)
    if path.name:
        found += _with_suffixes(path.parent / "checkpoints" / path.name)
        if not path.is_absolute() and len(path.parts) == 2:
            found += _with_suffixes(Path("runs") / path.parent / "checkpoints" / path.name)
    if path.parent in (Path("."), Path("models")):
        found += _with_suffixes(shipped_models() / path.name)
    return found


def _with_suffixes(path: Path) -> list[Path]:
    return [path, *(path.with_name(path.name + suffix) for suffix in SUFFIXES if path.name)]


def _is_file(path: Path) -> bool:
    """Whether it is there and no folder; one without permission is there, and its reader says so."""
    try:
        return not stat.S_ISDIR(path.stat().st_mode)
    except PermissionError:
        raise SpivaeError(f"{path}: permission denied; change its mode or ask its owner") from None
    except OSError:
        return False


def _suggest(path: Path) -> str:
    """What to try instead: names in the same folder and shipped ones that look like it."""
    here = {stem: str(path.parent / stem) for stem in _stems(path.parent)}
    known = {stem: stem for stem in _stems(shipped_models())} | here
    near = difflib.get_close_matches(_stem(path.name), known, n=3, cutoff=0.5)
    if near:
        return f"did you mean {' or '.join(known[stem] for stem in near)}?"
    if known:
        return f"there {'is' if len(known) == 1 else 'are'} {', '.join(sorted(known.values())[:5])}"
    return "`spivae ls` shows what there is"


def _stem(name: str) -> str:
    return next((name.removesuffix(suffix) for suffix in SUFFIXES if name.endswith(suffix)), name)


def _stems(folder: Path) -> list[str]:
    try:
        names = os.listdir(folder)
    except OSError:
        return []
    return sorted({_stem(name) for name in names if name.endswith(SUFFIXES) and not name.startswith(".")})
