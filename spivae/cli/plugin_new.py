"""`spivae plugin new`: the package of a plugin that works, to be changed into one's own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from string import Template

import click

from spivae.cli.common import common_options
from spivae.cli.output import emit, emit_json
from spivae.cli.plugin_templates import ANALYSIS, PROCESS, PYPROJECT, README, TESTS
from spivae.errors import SpivaeError, WorkFailed

NAME = re.compile(r"[a-z][a-z0-9]*([_-][a-z0-9]+)*")


@click.command()
@click.argument("name", metavar="NAME")
@click.option("--process", "kind", flag_value="process", default=True, help="A process  [default]")
@click.option("--analysis", "kind", flag_value="analysis", help="An analysis.")
@click.option(
    "--dir",
    "folder",
    type=click.Path(path_type=Path),
    help="Where to  [default: a new folder spivae-NAME here]",
)
@common_options()
def new(name: str, kind: str, folder: Path | None, as_json: bool) -> None:
    """Write the package of a new plugin: it can be installed, and its tests pass.

    --json: {name, kind, path, files [path]}.
    """
    check_name(name, kind)
    target = folder or Path(f"spivae-{name.replace('_', '-')}")
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise SpivaeError(f"{target}: is there already; choose another --dir")
    written = []
    for path, content in package(name, kind):
        try:
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            (target / path).write_text(content, encoding="utf-8")
        except OSError as error:
            raise WorkFailed(f"{target / path}: cannot be written ({error.strerror})") from None
        written.append(target / path)
    if as_json:
        emit_json({"name": name, "kind": kind, "path": target, "files": written})
        return
    for file in written:
        emit(str(file))
    emit()
    emit(f"cd {target} && pip install -e '.[dev]' && pytest")


def check_name(name: str, kind: str) -> None:
    """Raises SpivaeError for a name that is none, or that another plugin has taken."""
    if not NAME.fullmatch(name):
        raise SpivaeError(f"{name!r}: a plugin's name is small letters, digits, _ and -, as in my-process")
    from spivae.plugins import load_plugins

    plugins = load_plugins()
    taken = plugins.processes if kind == "process" else plugins.analyses
    if name in taken or any(info.name == name for info in plugins.infos):
        raise SpivaeError(f"{name}: there is a plugin, or {kind}, of this name; `spivae plugins` lists them")


def package(name: str, kind: str) -> Iterator[tuple[Path, str]]:
    """The files of a plugin's package."""
    module = f"spivae_{name.replace('-', '_')}"
    words = name.replace("_", "-").split("-")
    fields = {
        "name": name,
        "dashed": "-".join(words),
        "module": module,
        "title": " ".join(words).capitalize(),
        "class_name": "".join(word.capitalize() for word in words),
        "first_use": f"spivae data {name} --out {name}.npz"
        if kind == "process"
        else f"spivae analyze sbm {name}",
    }
    for path, template in (
        ("pyproject.toml", PYPROJECT),
        ("README.md", README),
        (f"{module}/__init__.py", PROCESS if kind == "process" else ANALYSIS),
        (f"tests/test_{module}.py", TESTS),
    ):
        yield Path(path), Template(template).substitute(fields)
