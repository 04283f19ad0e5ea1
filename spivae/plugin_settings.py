"""What the user says: which plugins are switched off, tables of settings for them, and one for Slurm.

Both are files in the user's own configuration folder: `disabled-plugins`, a name a line, which
`spivae plugin disable` writes, and `config.toml`, which is written by hand and only read here.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spivae.errors import SpivaeError, WorkFailed
from spivae.files import replacing
from spivae.slurm.options import Options
from spivae.slurm.options import read as read_options


def folder() -> Path:
    """The user's configuration folder of spivae, which need not be there."""
    import platformdirs

    return platformdirs.user_config_path("spivae")


def files() -> list[Path]:
    """The files that decide which plugins are loaded, and how."""
    return [folder() / "disabled-plugins", folder() / "config.toml"]


def disabled() -> set[str]:
    """The names of the plugins that are switched off. Raises SpivaeError where they cannot be read."""
    return set(_read(files()[0]).split())


def switch(name: str, *, on: bool) -> bool:
    """Switch a plugin off, or on again; False where it was so already. Raises WorkFailed."""
    names = disabled()
    if (name not in names) == on:
        return False
    path = files()[0]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WorkFailed(f"{path.parent}: cannot be made ({error.strerror})") from None
    with replacing(path) as handle:
        handle.write("".join(f"{one}\n" for one in sorted(names ^ {name})).encode())
    return True


def tables() -> Mapping[str, dict[str, Any]]:
    """The tables [plugins.NAME] of config.toml by name. Raises SpivaeError where it is wrong."""
    path, plugins = files()[1], table("plugins")
    if not isinstance(plugins, dict) or not all(isinstance(table, dict) for table in plugins.values()):
        raise SpivaeError(f"{path}: plugins needs a table for each plugin, such as [plugins.NAME]")
    return plugins


def slurm_options() -> Options:
    """What the table [slurm] asks of Slurm. Raises SpivaeError where it is wrong."""
    return read_options(table("slurm"), f"{files()[1]}: slurm")


def table(name: str) -> Any:
    """What config.toml says under a name; an empty table where it says nothing. Raises SpivaeError."""
    path = files()[1]
    text = _read(path)
    if not text:
        return {}
    import msgspec

    try:
        return msgspec.toml.decode(text).get(name, {})
    except msgspec.DecodeError as error:
        raise SpivaeError(f"{path}: is no TOML ({error})") from None


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise SpivaeError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from None
