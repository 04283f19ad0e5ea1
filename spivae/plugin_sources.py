"""Where plugins come from: entry points of installed packages, and single files."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType

from spivae import __version__
from spivae.plugin_settings import folder

GROUP = "spivae"
ENVIRONMENT = "SPIVAE_PLUGINS"
_BUNDLED = "spivae_plugins."


def installed() -> list[EntryPoint]:
    """The entry points of all installed plugins, the bundled ones first; none twice."""
    found = {point.name + point.value: point for point in entry_points(group=GROUP)}.values()
    return sorted(found, key=lambda point: (not point.value.startswith(_BUNDLED), point.name))


def source_of(point: EntryPoint) -> str:
    """ "bundled", or the package that it belongs to."""
    if point.value.startswith(_BUNDLED):
        return "bundled"
    return point.dist.name if point.dist is not None else point.value


def version_of(point: EntryPoint) -> str:
    """The version of that package."""
    if point.value.startswith(_BUNDLED):
        return __version__  # asking the installed package takes milliseconds
    return point.dist.version if point.dist is not None else ""


def own_folder() -> Path:
    """Where the user keeps single-file plugins."""
    return folder() / "plugins"


def drop_in_files(folders: Sequence[str | Path] = ()) -> Iterator[Path]:
    """Single-file plugins: of the given folders or files, of $SPIVAE_PLUGINS, of the user's own folder."""
    places = [Path(folder) for folder in folders]
    places += [Path(part) for part in os.environ.get(ENVIRONMENT, "").split(os.pathsep) if part]
    places.append(own_folder())
    for place in places:
        if place.is_file():
            yield place
        elif place.is_dir():
            yield from sorted(path for path in place.glob("*.py") if not path.name.startswith("_"))


def import_file(path: Path) -> ModuleType:
    """The module in a file, under a name that no other module has."""
    name = f"spivae_drop_in_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
