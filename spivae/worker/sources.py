"""The source code that a process runs, as hashes: what other code has answered may be wrong by now."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
from collections.abc import Iterable
from pathlib import Path

CORE = Path(__file__).parents[1]
VIEWS = "cli"  # of the core: shows answers and makes none
MAX_FILES = 1000  # of a package; one of more is not looked through


class Sources:
    """Hashes of where classes come from, each taken once: make it as soon as their modules are imported.

    A class stands for the core, its own module and those of its bases. A module in a package stands for all
    Python files of that package, since it may use any of them; others stand for themselves.
    """

    def __init__(self, kinds: Iterable[type]) -> None:
        self._hashes: dict[Path, str] = {}
        for kind in kinds:
            self.of(kind)

    def of(self, *kinds: type) -> dict[Path, str] | None:
        """Files and packages that stand for these classes, with their hashes, in a fixed order.

        None where the source of one cannot be read.
        """
        try:
            places = sorted({CORE}.union(*map(_places, kinds)))
            for place in places:
                if place not in self._hashes:
                    self._hashes[place] = _hashed(place)
        except OSError:
            return None
        return {place: self._hashes[place] for place in places}

    def unchanged(self) -> bool:
        """Whether all files still hold what they held when they were first looked at."""
        try:
            return all(_hashed(place) == known for place, known in self._hashes.items())
        except OSError:
            return False


def torch_version() -> Path:
    """The file that tells one version of torch from another; torch is not imported. Raises OSError."""
    spec = importlib.util.find_spec("torch")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("torch")
    return Path(spec.origin).with_name("version.py")


def stamp(places: Iterable[Path]) -> str:
    """What differs once a file, or a Python file of a package, is written, made or removed. Raises OSError.

    It is quicker than reading them, and differs more often than what is in them. Of a folder that is no
    package it is the list of its own entries that counts.
    """
    found: list[tuple[object, ...]] = []
    for place in sorted(places):
        package = os.path.exists(place / "__init__.py")
        for path in _python_files(place) if package else [str(place)]:
            try:
                status = os.stat(path)
            except FileNotFoundError:
                found.append((path,))
                continue
            found.append((path, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns))
    return hashlib.sha256(repr(found).encode()).hexdigest()


def content_hash(path: Path) -> str:
    """SHA-256 of what a file holds. Raises OSError."""
    found = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            found.update(chunk)
    return found.hexdigest()


def _places(kind: type) -> set[Path]:
    """The files and packages that hold a class and its bases. Raises OSError where one has no source."""
    tops = {base.__module__.partition(".")[0] for base in kind.__mro__}
    places = set()
    for name in tops - sys.stdlib_module_names:
        file = Path(getattr(sys.modules.get(name), "__file__", None) or "")
        if file.suffix != ".py":
            raise FileNotFoundError(name)
        places.add(file.parent if file.name == "__init__.py" else file)
    return places


def _hashed(place: Path) -> str:
    """SHA-256 of a file, or of the names and contents of a package's Python files. Raises OSError."""
    if not place.is_dir():
        return content_hash(place)
    found = hashlib.sha256()
    for file in _python_files(place):
        with open(file, "rb") as handle:
            content = handle.read()
        found.update(f"{os.path.relpath(file, place)}\n{len(content)}\n".encode())
        found.update(content)
    return found.hexdigest()


def _python_files(package: Path) -> list[str]:
    """The Python files of a package, in order. Raises OSError for very many."""
    files: list[str] = []
    for folder, folders, names in os.walk(package):
        if Path(folder) == CORE:
            folders.remove(VIEWS)
        files += [os.path.join(folder, name) for name in names if name.endswith(".py")]
        if len(files) > MAX_FILES:
            raise OSError(f"{package}: more than {MAX_FILES} files")
    return sorted(files)
